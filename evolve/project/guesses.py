"""What can be guessed about an agent from the names of its files."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import PurePosixPath

ENTRIES = ("main.py", "agent.py", "run.py", "app.py", "cli.py", "__main__.py", "src/main.py", "src/agent.py")
NOT_ENTRIES = ("setup.py", "conftest.py", "__init__.py")
SUFFIXES = (".py", ".md", ".txt", ".j2", ".json", ".yaml", ".yml", ".toml")
RUNS, PACKAGES = "runs", "node_modules"


def guess_entry(paths: Collection[str]) -> str | None:
    """The Python file that starts the agent: one with a usual name, otherwise the only one at the top."""
    for name in ENTRIES:
        if name in paths:
            return name
    top = [path for path in paths if "/" not in path and path.endswith(".py") and path not in NOT_ENTRIES]
    scripts = [path for path in top if not path.startswith("test_") and not path.endswith("_test.py")]
    return scripts[0] if len(scripts) == 1 else None


def guess_evolvable(paths: Iterable[str]) -> tuple[str, ...]:
    """Patterns for the agent's code, prompts and settings, by the kinds of files that it has."""
    present = {PurePosixPath(path).suffix for path in paths}
    return tuple(f"*{suffix}" for suffix in SUFFIXES if suffix in present) or ("*.py",)


def with_ignored(text: str, folders: Iterable[str]) -> str:
    """A `.gitignore` that ignores these folders at its top: the same text if it does already."""
    lines = {line.strip() for line in text.splitlines()}
    for name in folders:
        if not lines & {f"{start}{name}{end}" for start in ("", "/") for end in ("", "/", "/*")}:
            text += ("" if not text or text.endswith("\n") else "\n") + f"{name}/\n"
    return text
