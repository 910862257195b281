"""The bundled agents with the real tools against a scripted endpoint: `make test-adapters`, needs npm and PyPI."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

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
    image = ROOT / "scaffolds" / adapter.name / adapter.image
    name = built_name(image / "Dockerfile", base)
    if connect().images.list(name):
        return
    shutil.copytree(image, folder)
    subprocess.run(adapter.fetch, cwd=folder, check=True)
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
    outcomes = home.rows("select round, task, outcome, calls, seconds, detail from trial join candidate on candidate.id = candidate_id order by trial.id")
    print(*outcomes, sep="\n")
    (run,) = (path.name for path in (home.folder / "runs").iterdir() if path.is_dir())
    replayed = home.evolve("replay", f"evolve/{run}/round-0000")
    assert "2 of 2 trials identical" in replayed, replayed
    changes = change_one_byte(home)
    replayed = home.evolve("replay", f"evolve/{run}/round-0000", status=1)
    print(replayed)
    assert re.search(rf"^{EASY}, attempt 0: .*step {changes} ", replayed, re.MULTILINE), replayed
    assert "1 of 2 trials identical" in replayed


def change_one_byte(home: Home) -> None:
    """In the first recorded answer that calls a tool, of the trial at the easy task."""
    query = f"select recording_path from trial where task = '{EASY}' and attempt = 0 order by id limit 1"
    path = home.folder / "runs" / str(home.rows(query)[0][0])
    events = [json.loads(line) for line in gzip.decompress(path.read_bytes()).decode().splitlines()]
    messages = [event["response"]["choices"][0]["message"] for event in events if event["kind"] == "chat"]
    message = next(message for message in messages if message.get("tool_calls"))
    message["content"] = message["content"].replace("The next step.", "The next step!")
    path.write_bytes(gzip.compress("".join(json.dumps(event) + "\n" for event in events).encode()))
