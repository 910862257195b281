"""Recognise an agent by its files: what may evolve, and how it is started. Pure: it opens no file."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from evolve.guard.visible import MAX_TOTAL_CHARS, chars, matching
from evolve.project.guesses import guess_entry, guess_evolvable
from evolve.project.level import Level
from evolve.project.starts import Start, coding_start, node_start, python_start

# What coding agents read, by the names that they look for.
INSTRUCTION_FILES = (
    "CLAUDE.md",
    "AGENTS.md",
    "GEMINI.md",
    "QWEN.md",
    ".cursorrules",
    ".github/copilot-instructions.md",
)
SKILL_FOLDERS = (
    "skills", ".agents/skills", ".claude/skills", ".codex/skills", ".gemini/skills", ".opencode/skills", ".qwen/skills",
)  # fmt: skip
ROLE_FOLDERS = (
    ".claude/agents", ".claude/commands", ".gemini/commands", ".opencode/agents", ".opencode/commands", ".qwen/agents",
)  # fmt: skip
PROMPT_FOLDERS = ("prompts", "templates")
CONFIG_FILES = (
    ".mcp.json", ".claude/settings.json", ".claude/hooks/*", ".codex/config.toml", ".gemini/settings.json",
    ".qwen/settings.json", "opencode.json", "opencode.jsonc", "langgraph.json",
)  # fmt: skip
CONFIG_SUFFIXES = (".yaml", ".yml", ".toml", ".json")
# Words by which a configuration of an agent is known; mini-swe-agent's files have the templates.
PROMPT_KEY = re.compile(
    r"^[\s\"']*(system_template|instance_template|system_prompt|prompts?|instructions)[\"']?\s*[:=]", re.M
)
NOT_CONFIG = ("package.json", "package-lock.json", "tsconfig.json", "pyproject.toml", "scaffold.toml", "evolve.toml")
NODE_SUFFIXES = (".ts", ".mts", ".js", ".mjs", ".cjs")
FRAMEWORKS = {
    "langgraph": "LangGraph",
    "smolagents": "smolagents",
    "mini-swe-agent": "mini-swe-agent",
    "openai": "the openai client",
    "anthropic": "the anthropic client",
    "@anthropic-ai/sdk": "the anthropic client",
    "litellm": "LiteLLM",
    "ai": "the AI SDK",
}
# The tool that runs instructions which name none, and those that a file names.
DEFAULT_TOOL = "opencode"
TOOL_FILES = {".codex": "codex", ".qwen": "qwen-code", "QWEN.md": "qwen-code"}


@dataclass(frozen=True)
class Agent:
    """What a folder holds.

    found: in a few words each; start: None if nothing in it can be started; patterns: by level, what may evolve; paths:
    of all its files.
    """

    found: tuple[str, ...]
    start: Start | None
    patterns: Mapping[Level, tuple[str, ...]]
    paths: tuple[str, ...]

    def evolvable(self, level: Level) -> tuple[str, ...]:
        """The patterns of a level and those before it, without those whose files others name too."""
        levels = list(Level)[: list(Level).index(level) + 1]
        globs = list(dict.fromkeys(glob for each in levels for glob in self.patterns[each]))
        for glob in globs[:]:
            rest = [other for other in globs if other != glob]
            if len(matching(self.paths, rest)) == len(matching(self.paths, globs)) and not glob.startswith("."):
                globs = rest or globs
        return tuple(globs)

    def default_level(self, texts: Mapping[str, str]) -> Level:
        """Everything of a program that is small enough; otherwise the first level that has something."""
        if self.patterns[Level.SOURCE] and chars(texts, self.evolvable(Level.SOURCE)) <= MAX_TOTAL_CHARS:
            return Level.SOURCE
        return next((level for level in Level if self.patterns[level]), Level.SOURCE)


def recognise(texts: Mapping[str, str], tool: str | None = None) -> Agent:
    """What these files are. texts: by path, "" for what is no text; tool: the coding agent that was asked for."""
    instructions, config = _instructions(texts), _config(texts)
    start = None if tool else _program(texts)
    source = _source(texts, start) if start else ()
    if start is None and (tool or instructions):
        start = coding_start(tool or _tool_of(texts))
    if start is None:
        source = guess_evolvable(texts)
    patterns = {Level.INSTRUCTIONS: instructions, Level.CONFIG: config, Level.SOURCE: source}
    return Agent(tuple(_found(texts, start, patterns)), start, patterns, tuple(texts))


def _instructions(texts: Mapping[str, str]) -> tuple[str, ...]:
    """Patterns of instructions, skills and prompts; new ones may be added where there is a folder of them."""
    files = [name for name in INSTRUCTION_FILES if name in texts]
    folders = [f"{name}/*" for name in (*SKILL_FOLDERS, *ROLE_FOLDERS) if _has_folder(texts, name)]
    prompts = [f"{name}/*" for name in _folders_named(texts, PROMPT_FOLDERS)]
    return (*files, *folders, *prompts)


def _config(texts: Mapping[str, str]) -> tuple[str, ...]:
    """Patterns of configuration: what coding agents read, and data files with prompts in them."""
    known = [glob for glob in CONFIG_FILES if matching(texts, [glob])]
    other = (path for path, text in sorted(texts.items()) if path.endswith(CONFIG_SUFFIXES) and PROMPT_KEY.search(text))
    own = [path for path in other if PurePosixPath(path).name not in NOT_CONFIG and not path.startswith(".")]
    return tuple(dict.fromkeys([*known, *own]))


def _source(texts: Mapping[str, str], start: Start) -> tuple[str, ...]:
    if start.language != "node":
        return guess_evolvable(path for path in texts if not path.startswith("."))
    folder = start.entry.rpartition("/")[0].partition("/")[0]
    suffixes = {PurePosixPath(path).suffix for path in texts} & {*NODE_SUFFIXES}
    return tuple(f"{folder}/*{suffix}" if folder else f"*{suffix}" for suffix in NODE_SUFFIXES if suffix in suffixes)


def _program(texts: Mapping[str, str]) -> Start | None:
    """The start of a program among the files; None if there is none."""
    if "package.json" in texts and (entry := _node_entry(texts)):
        return node_start(entry, texts)
    if entry := guess_entry(texts):
        return python_start(entry, texts, _python_packages(texts))
    return None


def _node_entry(texts: Mapping[str, str]) -> str | None:
    """The file that a package starts with: of its `bin`, `main` or start script, or one with a usual name."""
    package = _parsed(texts["package.json"])
    binaries, scripts = package.get("bin"), package.get("scripts")
    named = [binaries, *(binaries.values() if isinstance(binaries, dict) else ()), package.get("main")]
    if isinstance(scripts, dict):
        named += re.findall(r"[\w./-]+\.[mc]?[jt]s\b", str(scripts.get("start", "")))
    usual = [
        f"{folder}{name}{suffix}"
        for folder in ("src/", "")
        for name in ("index", "main", "agent", "cli")
        for suffix in NODE_SUFFIXES
    ]
    paths = [PurePosixPath(name).as_posix() for name in named if isinstance(name, str)]
    return next((path for path in (*paths, *usual) if path in texts), None)


def _python_packages(texts: Mapping[str, str]) -> tuple[str, ...]:
    """The requirements that a program names, in requirements.txt or pyproject.toml."""
    if text := texts.get("requirements.txt"):
        lines = (line.partition("#")[0].strip() for line in text.splitlines())
        return tuple(line for line in lines if line and not line.startswith(("-", ".")))
    try:
        project = tomllib.loads(texts.get("pyproject.toml", "")).get("project")
    except tomllib.TOMLDecodeError:
        return ()
    named = project.get("dependencies") if isinstance(project, dict) else None
    return tuple(str(name) for name in named) if isinstance(named, list) else ()


def _tool_of(texts: Mapping[str, str]) -> str:
    named = (tool for name, tool in TOOL_FILES.items() if name in texts or _has_folder(texts, name))
    return next(named, DEFAULT_TOOL)


def _found(texts: Mapping[str, str], start: Start | None, patterns: Mapping[Level, tuple[str, ...]]) -> Iterable[str]:
    """What was recognised, in a few words each."""
    if start is not None and start.entry:
        yield f"{start.title} ({start.entry})"
    text = texts.get("package.json", "") + texts.get("requirements.txt", "") + texts.get("pyproject.toml", "")
    yield from dict.fromkeys(
        title for name, title in FRAMEWORKS.items() if re.search(rf"(?<![\w/@-]){re.escape(name)}(?![\w-])", text)
    )
    skills = [path for path in texts if path.endswith("/SKILL.md")]
    yield from (name for name in INSTRUCTION_FILES if name in texts)
    if skills:
        yield f"{len(skills)} skill{'s' if len(skills) > 1 else ''}"
    yield from patterns[Level.CONFIG]


def _has_folder(texts: Mapping[str, str], name: str) -> bool:
    return any(path.startswith(f"{name}/") for path in texts)


def _folders_named(texts: Mapping[str, str], names: Iterable[str]) -> list[str]:
    """The outermost folders with one of these names, hidden ones excepted."""
    parts = (path.split("/")[:-1] for path in sorted(texts) if not path.startswith("."))
    found = ["/".join(folders[: index + 1]) for folders in parts for index, one in enumerate(folders) if one in names]
    return [one for one in dict.fromkeys(found) if not any(one.startswith(f"{other}/") for other in found)]


def _parsed(text: str) -> dict[str, object]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
