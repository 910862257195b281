"""Where the words of a suite go: all that is sent to a model's endpoint by a real run, searched for markers.

EVOLVE_MARKED_ROUNDS sets the rounds of the longest one.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.holes import HOLES
from tests.e2e.marked import ROOT, SHOWN, Marker, found, repository
from tests.recording_server import recording, requests

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("task_images")]
SEED = "1"
ROLES = {"propose", "lesson"}
EVOLVE = ("passes=1", "tip_passes=1", "race=2")
ARCHIVE = ("rule=archive", "attempts=1", "merge_every=2")
ONCE = ("--score-attempts", "1", "--holdout-attempts", "1")
# By name: its rounds, its gate and other options. ARCHIVE takes every patch, so that there are parents to compare with.
RUNS: dict[str, tuple[int, tuple[str, ...], tuple[str, ...]]] = {
    "raced": (2, (*EVOLVE, "ablate_every=2"), ONCE),
    "taken": (2, ARCHIVE, ONCE),
    "raced-whole": (int(os.environ.get("EVOLVE_MARKED_ROUNDS", "4")), (*EVOLVE, "ablate_every=3"), ()),
    "taken-whole": (4, ARCHIVE, ()),
}
CASES = [pytest.param(run, marks=[pytest.mark.whole] * run.endswith("whole")) for run in RUNS]


def run_id(run: str) -> str:
    return f"{run}-{os.getpid()}"


@dataclass(frozen=True)
class Sent:
    """A run that is over: its name, repository and runs folder, all markers by word, and the requests of the model.

    The first `checks` requests are those of the check of the endpoint.
    """

    run: str
    home: Path
    runs: Path
    known: dict[str, Marker]
    requests: list[dict[str, Any]]
    checks: int = 0

    @property
    def id(self) -> str:
        """Of this process alone: a run that starts removes the containers of the last one of its id."""
        return run_id(self.run)

    def of_roles(self, *roles: str) -> list[set[Marker]]:
        """The markers in each request that offers one of these tools."""
        return [found(one["text"], self.known) for one in self.requests if {*one["tools"]} & {*roles}]

    def of_trials(self) -> list[set[Marker]]:
        """The markers in each request of a trial."""
        return [found(one["text"], self.known) for one in self.requests[self.checks :] if not {*one["tools"]} & ROLES]

    def astray(self) -> set[Marker]:
        """The markers in prompts that must not have them. A trial may show its own task, and may show one only."""
        told = {marker for some in self.of_roles(*ROLES) for marker in some if not marker.shown}
        hidden = {marker for some in self.of_trials() for marker in some if marker.part not in SHOWN}
        mixed = [some for some in self.of_trials() if len({(one.split, one.task) for one in some}) > 1]
        return told | hidden | {marker for some in mixed for marker in some}

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with sqlite3.connect(self.runs / "evolve.db") as database:
            return database.execute(query).fetchall()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Marker]]:
    folder = tmp_path_factory.mktemp("marked") / "home"
    folder.mkdir()
    return folder, repository(folder)


def ran(
    home: tuple[Path, dict[str, Marker]],
    run: str,
    rounds: int,
    gate: Sequence[str] = EVOLVE,
    options: Sequence[str] = ONCE,
    module: Sequence[str] = (),
) -> Sent:
    """A run of the command line, or of what stands for it, against the recording endpoint."""
    folder, known = home
    runs, file = folder / f"runs-{run}", folder / f"runs-{run}.jsonl"
    env = {key: value for key, value in os.environ.items() if not key.startswith("OPENAI_")}
    env |= {"PYTHONPATH": str(ROOT), "OPENAI_API_KEY": "none"}
    settings = [*options, *(word for setting in gate for word in ("--gate", setting))]
    with recording(file) as url:
        order = [
            "run",
            "--rounds",
            str(rounds),
            "--run",
            run_id(run),
            "--runs",
            str(runs),
            "--suite",
            "tasks",
            "--seed",
            SEED,
        ]
        command = [sys.executable, "-m", *(module or ["evolve"]), *order, "--model", "embedded", "--base-url", url]
        done = subprocess.run(
            [*command, *settings], cwd=folder, env=env, capture_output=True, text=True, timeout=400, check=False
        )
    assert done.returncode == 0, done.stderr
    with sqlite3.connect(runs / "evolve.db") as database:
        ((checks,),) = database.execute("select sum(calls) from preflight")
    return Sent(run, folder, runs, known, requests(file), checks)


@pytest.fixture(scope="module", params=CASES)
def sent(home: tuple[Path, dict[str, Marker]], request: pytest.FixtureRequest) -> Sent:
    return ran(home, request.param, *RUNS[request.param])


def test_no_prompt_holds_what_it_must_not(sent: Sent) -> None:
    assert sent.rows("select count(*) from decision") == [(RUNS[sent.run][0] + 1,)]
    assert sent.astray() == set()
    assert not [one for one in sent.requests if str(sent.home) in one["text"]], "a path of this machine"


def test_the_search_would_find_it(sent: Sent) -> None:
    proposers, trials = sent.of_roles("propose"), sent.of_trials()
    assert len(proposers) > RUNS[sent.run][0] and sent.of_roles("lesson")
    assert {marker.part for some in proposers for marker in some} == {*SHOWN}
    assert any("words of single tasks" in one["text"] for one in sent.requests), "the guard told what is wrong"
    holdout = {"holdout"} if sent.rows("select count(*) from holdout_look") != [(0,)] else set()
    assert {marker.split for some in trials for marker in some} == {"train", "validation"} | holdout
    assert all(any(marker.part == "instruction" for marker in some) for some in trials)
    details = "\n".join(row[0] for row in sent.rows("select detail from trial"))
    assert {"said", "file", "text", "method", "reason"} <= {
        m.place for m in found(details, sent.known) if m.part == "tests"
    }


def test_the_memory_and_the_branches_hold_no_more(sent: Sent) -> None:
    page = (sent.runs / sent.id / "memory.md").read_text()
    log = [
        "log",
        "-p",
        "--notes=evolve",
        f"--glob=refs/heads/evolve/{sent.id}/*",
        "--glob=refs/notes/*",
        "--not",
        "HEAD",
    ]
    history = subprocess.run(["git", *log], cwd=sent.home, capture_output=True, text=True, check=True).stdout
    assert "## Round 1" in page and "Evolve-Round: 1" in history
    assert [marker for text in (page, history) for marker in found(text, sent.known) if not marker.shown] == []


def test_words_in_a_trials_prompt_are_told_apart() -> None:
    own, other = Marker("train", "plain", "environment", "text"), Marker("holdout", "plain", "instruction", "what")
    secret = Marker("train", "plain", "tests", "said")
    for words, astray in (((own,), set()), ((own, secret), {secret}), ((own, other), {own, other})):
        request = {"text": " ".join(marker.word.upper() for marker in words), "tools": ["submit"]}
        known = {marker.word: marker for marker in (own, other, secret)}
        assert Sent("", Path(), Path(), known, [request]).astray() == astray


LET_THROUGH = {
    "every split": {("validation", "instruction"), ("validation", "environment")},
    "the verifier's words": {("train", "tests")},
    "names": {("train", "name"), ("holdout", "name")},
}


@pytest.mark.parametrize("hole", HOLES)
def test_with_a_hole_it_is_found(home: tuple[Path, dict[str, Marker]], hole: str) -> None:
    weak = ran(home, f"weak-{[*HOLES].index(hole)}", 1, module=["tests.e2e.holes", hole])
    assert LET_THROUGH[hole] <= {(marker.split, marker.part) for marker in weak.astray()}
