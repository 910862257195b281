"""Which agents are recognised, what of them evolves, and how they are started."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from evolve.core.errors import BadInput
from evolve.core.launch import Place
from evolve.guard.syntax import problem
from evolve.guard.visible import MAX_TOTAL_CHARS, matching
from evolve.project.agents import recognise
from evolve.project.init import Choice, init_project, new_task, report_lines
from evolve.project.level import Level
from evolve.project.starts import CODING_TOOLS
from evolve.suite.bundled import bundled_scaffold
from evolve.suite.scaffold import check_folder

SKILL = "---\nname: tests\ndescription: Run the tests.\n---\n"
OWN = "import subprocess, sys\nfrom openai import OpenAI\nprint(sys.argv[1])\n"
CODING = {"CLAUDE.md": "Be brief.\n", ".claude/skills/a/SKILL.md": SKILL, ".claude/skills/b/SKILL.md": SKILL}
PACKAGE = json.dumps({"name": "x", "scripts": {"start": "node src/agent.ts"}, "dependencies": {"openai": "5.0.0"}})
NODE = {"package.json": PACKAGE, "src/agent.ts": "process.argv[2];\n", "src/prompts/system.md": "Be brief.\n"}


@pytest.fixture(autouse=True)
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MODEL", "BASE_URL", "OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def lines(folder: Path, files: dict[str, str], choice: Choice | None = None) -> list[str]:
    return report_lines(init_project(write(folder, files), choice=choice))


@pytest.mark.parametrize("name", ["CLAUDE.md", "AGENTS.md", "GEMINI.md", "QWEN.md"])
def test_instructions_and_skills_get_a_coding_agent(tmp_path: Path, name: str) -> None:
    text = lines(tmp_path, {name: "Be brief.\n", "skills/a/SKILL.md": SKILL})
    spec = check_folder(tmp_path)
    assert spec.place is Place.TASK and spec.command == ("sh", "/scaffold/evolve-agent/run.sh", "{instruction_file}")
    assert spec.evolvable == (name, "skills/*")
    assert text[0].startswith("found: ") and name in text[0] and "1 skill" in text[0]
    assert text[-1].endswith("; for a first measured round: `evolve run --rounds 1 --model PROFILE/MODEL`")
    task = "memory_mb = 2048  # for the agent too"
    assert task in (tmp_path / "tasks" / "first-task" / "task.toml").read_text()
    new_task(tmp_path, "second")
    assert task in (tmp_path / "tasks" / "second" / "task.toml").read_text()


def test_hidden_skills_evolve_and_new_ones_may_be_added(tmp_path: Path) -> None:
    lines(tmp_path, CODING)
    assert check_folder(tmp_path).evolvable == ("CLAUDE.md", ".claude/skills/*")


@pytest.mark.parametrize(
    ("files", "tool"),
    [
        (CODING, "opencode"),
        ({"AGENTS.md": "x", ".codex/config.toml": ""}, "codex"),
        ({"QWEN.md": "x"}, "qwen-code"),
        ({"opencode.json": "{}", "AGENTS.md": "x"}, "opencode"),
    ],
)
def test_the_coding_agent_is_the_one_that_the_files_are_for(tmp_path: Path, files: dict[str, str], tool: str) -> None:
    lines(tmp_path, files)
    ours = bundled_scaffold(tool) / "evolve-agent" / "run.sh"
    assert (tmp_path / "evolve-agent" / "run.sh").read_bytes() == ours.read_bytes()


def test_another_coding_agent_can_be_chosen(tmp_path: Path) -> None:
    lines(tmp_path, CODING, Choice(tool="codex"))
    assert (tmp_path / "evolve-agent" / "config.toml").is_file()
    with pytest.raises(BadInput, match="choose one of codex, opencode, qwen-code"):
        init_project(tmp_path, choice=Choice(tool="vim"))


def test_a_python_program_that_runs_commands_itself_works_in_the_tasks_container(tmp_path: Path) -> None:
    text = lines(tmp_path, {"agent.py": OWN, "requirements.txt": "openai==3.54.0  # client\n-r x\n"})
    spec = check_folder(tmp_path)
    assert spec.place is Place.TASK and spec.command == ("python3", "/scaffold/agent.py", "{instruction}")
    assert spec.env == {"PYTHONPATH": "/opt/agent/lib"} and spec.build_file == "evolve-agent/image/Dockerfile"
    assert (tmp_path / "evolve-agent" / "image" / "requirements.txt").read_text() == "openai==3.54.0\n"
    assert "a Python agent (agent.py), the openai client" in text[0]
    assert text[-1].endswith("; for a first measured round: `evolve run --rounds 1`")


@pytest.mark.parametrize(
    ("text", "command", "stdin"),
    [
        ("parser.add_argument('--task')\nimport subprocess", ("--task", "{instruction}"), False),
        ("import subprocess\ntask = sys.stdin.read()", (), True),
        ("import subprocess", ("{instruction}",), False),
    ],
)
def test_how_a_program_gets_its_task(tmp_path: Path, text: str, command: tuple[str, ...], stdin: bool) -> None:
    lines(tmp_path, {"main.py": text})
    spec = check_folder(tmp_path)
    assert (spec.command, spec.stdin) == (("python3", "/scaffold/main.py", *command), stdin)
    assert spec.build_file is None and not (tmp_path / "evolve-agent").exists()


def test_a_program_that_uses_the_door_keeps_its_own_container(tmp_path: Path) -> None:
    lines(tmp_path, {"main.py": "import subprocess\nimport evolve_door as door\n", "prompts/a.md": ""})
    spec = check_folder(tmp_path)
    assert (spec.place, spec.entry, spec.evolvable) == (Place.OWN, "main.py", ("*.py", "*.md"))
    assert "memory_mb = 256\n" in (tmp_path / "tasks" / "first-task" / "task.toml").read_text()


def test_a_typescript_agent(tmp_path: Path) -> None:
    text = lines(tmp_path, {**NODE, "package-lock.json": "{}", "node_modules/x/index.js": ""})
    spec = check_folder(tmp_path)
    assert spec.command == ("sh", "/scaffold/evolve-agent/run.sh", "{instruction}")
    assert spec.evolvable == ("src/prompts/*", "src/*.ts")
    image = tmp_path / "evolve-agent" / "image"
    assert (image / "package.json").read_text() == PACKAGE and "npm ci" in (image / "Dockerfile").read_text()
    run = (tmp_path / "evolve-agent" / "run.sh").read_text()
    assert '"$work/src/agent.ts" "$@"' in run and problem("run.sh", run) is None
    assert "a TypeScript agent (src/agent.ts)" in text[0]
    assert (tmp_path / ".gitignore").read_text() == "runs/\nnode_modules/\n"


@pytest.mark.parametrize(
    ("package", "files", "entry"),
    [
        ({"bin": {"x": "./cli.js"}}, ["cli.js", "index.js"], "cli.js"),
        ({"main": "lib/main.mjs"}, ["lib/main.mjs"], "lib/main.mjs"),
        ({"scripts": {"start": "tsx agent.mts --fast"}}, ["agent.mts"], "agent.mts"),
        ({"main": "dist/index.js"}, ["src/index.ts"], "src/index.ts"),
        ({}, ["readme.md"], None),
    ],
)
def test_the_entry_of_a_package(package: dict[str, object], files: list[str], entry: str | None) -> None:
    agent = recognise({"package.json": json.dumps(package), **dict.fromkeys(files, "")})
    assert (agent.start.entry if agent.start else None) == entry


@pytest.mark.parametrize(
    ("level", "evolvable"),
    [
        (Level.INSTRUCTIONS, ("src/prompts/*",)),
        (Level.CONFIG, ("src/prompts/*", "langgraph.json", "conf/agent.yaml")),
        (Level.SOURCE, ("src/prompts/*", "langgraph.json", "conf/agent.yaml", "src/*.ts")),
    ],
)
def test_the_user_chooses_how_much_evolves(tmp_path: Path, level: Level, evolvable: tuple[str, ...]) -> None:
    more = {"langgraph.json": "{}", "conf/agent.yaml": "system_template: |\n  x\n", "conf/other.yaml": "x: 1\n"}
    text = lines(tmp_path, {**NODE, **more}, Choice(level))
    assert check_folder(tmp_path).evolvable == evolvable
    assert any(line.startswith("evolves: ") and f"({level}; `--evolve " in line for line in text)


def test_a_level_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    write(tmp_path, {"AGENTS.md": "x"})
    assert recognise({"main.py": ""}).evolvable(Level.INSTRUCTIONS) == ()
    with pytest.raises(BadInput, match=r"--evolve instructions: this folder has no instructions.*: source"):
        init_project(write(tmp_path / "own", {"main.py": "import subprocess"}), choice=Choice(Level.INSTRUCTIONS))
    assert not (tmp_path / "own" / "scaffold.toml").exists()


def test_of_a_large_program_its_prompts_evolve_by_default() -> None:
    texts = {"main.py": "x = 1\n" * MAX_TOTAL_CHARS, "prompts/system.md": "x"}
    agent = recognise(texts)
    assert agent.default_level(texts) is Level.INSTRUCTIONS
    assert recognise({"main.py": "", "prompts/system.md": "x"}).default_level({"main.py": ""}) is Level.SOURCE


@pytest.mark.parametrize("tool", CODING_TOOLS)
def test_the_bundled_coding_agents_are_whole(tool: str) -> None:
    folder = bundled_scaffold(tool)
    spec = check_folder(folder)
    paths = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    assert {"AGENTS.md", "skills/check-your-work/SKILL.md"} == {*matching(paths, spec.evolvable)}
    assert all(problem(path, (folder / path).read_text()) is None for path in paths)
    assert set(spec.shown or ()) <= set(paths) and spec.build_file in paths
    versions = json.loads((folder / "evolve-agent/image/package.json").read_text())["dependencies"].values()
    assert all(version[0].isdigit() for version in versions)
    lock = (folder / "evolve-agent/image/package-lock.json").read_text()
    assert "resolved" not in lock and not missing_packages(json.loads(lock)["packages"])


def missing_packages(packages: dict[str, dict[str, dict[str, str]]]) -> set[str]:
    """What a lock file names and does not have, also of other systems: `npm ci` refuses it then."""
    names = {path.rpartition("node_modules/")[2] for path in packages}
    asked = [one.get(key, {}) for one in packages.values() for key in ("dependencies", "optionalDependencies")]
    return {name for some in asked for name in some} - names


@pytest.mark.parametrize("tool", CODING_TOOLS)
def test_a_bundled_coding_agent_has_the_same_home_in_each_trial(tool: str) -> None:
    text = (bundled_scaffold(tool) / "evolve-agent/run.sh").read_text()
    assert "HOME=/tmp/agent-home" in text and "mktemp" not in text


def test_what_is_written_is_valid_whatever_the_names(tmp_path: Path) -> None:
    folder = tmp_path / 'an "odd" name'
    lines(write(folder, {}), {'say "hi".py': "import subprocess\n"})
    assert tomllib.loads((folder / "scaffold.toml").read_text())["command"][1] == '/scaffold/say "hi".py'
