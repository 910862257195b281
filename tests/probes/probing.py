"""A whole run against an imitated endpoint: by the command that users type, in a repository with a small suite."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.imitated.endpoint import ImitatedEndpoint

ROOT = Path(__file__).parents[2]
# `make long` sets these: rounds of each run, and the catalogue's unit of time in seconds.
ROUNDS = int(os.environ.get("EVOLVE_PROBE_ROUNDS") or 1)
SECONDS = float(os.environ.get("EVOLVE_PROBE_SECONDS") or 2)
IS_LONG = "EVOLVE_PROBE_ROUNDS" in os.environ
SUITE = {"train": ("vending-machine", "lru-cache"), "validation": ("sorted-lookup",)}
SHORT = (
    "--seed", "1", "--jobs", "2", "--gate", "passes=1", "--gate", "tip_passes=1", "--score-attempts", "1",
    "--holdout-attempts", "0", "--limit", "calls=8",
)  # fmt: skip
PRICES = {"prompt": 1.0, "completion": 2.0, "cached": 0.1}
PROFILE = """[lab]
base_url = "{base_url}"
local = true
streaming = {streaming}

[lab.models.m]
price = {{ prompt = 1.0, completion = 2.0, cached = 0.1 }}
"""
# What must not depend on how the endpoint was reached, and when.
SAME = {
    "rounds": "select number, parent_round from round order by 1",
    "proposals": "select round, hypothesis, prediction, edits from proposal order by 1",
    "lessons": "select round, text, problem from lesson order by 1",
    "decisions": "select round, verdict, reason, fate, effect, error, doubt from decision order by 1",
    "trials": """select round, task, attempt, trial.seed, outcome, reward, commands
        from trial join candidate on candidate.id = candidate_id where outcome <> 'infra_error' order by 1, 2, 3""",
}


@dataclass(frozen=True)
class Played:
    """A command that has ended: exit status, all that it printed, and what the endpoint counted."""

    home: Path
    status: int
    text: str
    seconds: float
    ledger: dict[str, Any]

    @property
    def last_line(self) -> str:
        return self.text.strip().splitlines()[-1]

    @property
    def refused(self) -> dict[str, int]:
        """Refused requests by reason; questions that the server does not know (404 `path`) are none."""
        return {reason: count for reason, count in self.ledger["refused"].items() if reason != "path"}

    @property
    def has_results(self) -> bool:
        return (self.home / "runs").exists()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.home / "runs" / "evolve.db")) as database:
            return database.execute(query).fetchall()

    def value(self, query: str) -> Any:
        return self.rows(query)[0][0]

    def course(self) -> dict[str, list[tuple[Any, ...]]]:
        """What the run did and decided, without what it took."""
        return {name: self.rows(query) for name, query in SAME.items()}


def play(
    folder: Path, endpoint: ImitatedEndpoint, *options: str,
    rounds: int = ROUNDS, stream: bool = False, files: Mapping[str, str] = {},
) -> Played:  # fmt: skip
    """Play a run with a model behind this endpoint. Its name is the same for all endpoints, as scaffolds see it.

    Args:
        folder: For the run's repository.
        options: Of the command, in addition to `SHORT`.
        stream: Whether answers are asked for as streams.
        files: Texts by path, in addition to those of the seed scaffold and the suite.
    """
    home = folder / f"probe-{os.getpid()}"
    make_repository(home, files)
    streaming = "true" if stream else "false"
    (home / "evolve.models.toml").write_text(PROFILE.format(base_url=endpoint.base_url, streaming=streaming))
    words = ("run", "--run", home.name, "--rounds", str(rounds), "--model", "lab/m", "--suite", "tasks")
    endpoint.reset()
    status, text, seconds = command(home, *words, *SHORT, *options)
    played = Played(home, status, text, seconds, endpoint.ledger())
    counts = {name: played.ledger[name] for name in ("calls", "refused")}
    print(f"\n{endpoint.base_url.split('/')[3]}: status {status}, {seconds:.1f} s, {counts}")
    return played


def command(home: Path, *words: str, **variables: str) -> tuple[int, str, float]:
    """Run `evolve` without a key. Returns the exit status, what it printed, and the seconds that it took."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(("OPENAI_", "EVOLVE_"))}
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "evolve", *words], cwd=home, env=env | {"PYTHONPATH": str(ROOT)} | variables,
        capture_output=True, text=True, timeout=3600, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr, time.monotonic() - started


def make_repository(folder: Path, files: Mapping[str, str] = {}) -> None:
    """With the seed scaffold and a suite of three bundled tasks."""
    shutil.copytree(ROOT / "scaffolds" / "single", folder / "scaffolds" / "single")
    for path, text in files.items():
        (folder / path).write_text(text)
    (folder / ".gitignore").write_text("runs/\ntasks/\nevolve.models.toml\n")
    for words in (["init", "-q"], ["add", "-A"], ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "x"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    for above in (folder, *list(folder.parents)[:3]):
        above.chmod(0o755)
    for name in (name for names in SUITE.values() for name in names):
        shutil.copytree(ROOT / "tasks" / "bugfix" / name, folder / "tasks" / name)
    lines = [f"{split} = {json.dumps(names)}" for split, names in SUITE.items()]
    (folder / "tasks" / "suite.toml").write_text("[splits]\n" + "\n".join(lines) + "\n")
