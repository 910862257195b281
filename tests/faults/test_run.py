"""A whole run whose model's API fails in every way: it comes to the same as one whose API never does.

`EVOLVE_FAULT_ROUNDS=20 pytest -s -m whole tests/faults/test_run.py` is the full one.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.faults.endpoint import ROOT, FaultyEndpoint
from tests.faults.faulty_server import KINDS, Plan

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("task_images")]
ROUNDS = int(os.environ.get("EVOLVE_FAULT_ROUNDS") or 1)
SHARE = 0.2
CALL_SECONDS = 6
# With these, each kind is drawn by the plan.
ENOUGH_FAULTS = 36
Suite = dict[str, tuple[str, ...]]
ONE_OF_EACH: Suite = {"train": ("interval-merge",), "validation": ("lru-cache",), "holdout": ("build-order",)}
SUITE = ONE_OF_EACH | {
    "train": ("interval-merge", "rate-limiter", "vending-machine"),
    "validation": ("lru-cache", "iso-weeks"),
}
# The tasks of a run, its rounds and its options.
CASES = [
    pytest.param(ONE_OF_EACH, 1, "--score-attempts 1 --holdout-attempts 0", id="short"),
    pytest.param(SUITE, ROUNDS, "", id="whole", marks=pytest.mark.whole),
]
PROFILE = """[lab]
base_url = "http://127.0.0.1:{port}/v1"
local = true
streaming = true

[lab.models.embedded]
context = {{ tokens = 131_072 }}
"""
SPENT = "coalesce(sum(calls), 0), coalesce(sum(prompt_tokens), 0), coalesce(sum(completion_tokens), 0)"
SAME = {
    "rounds": "select number, parent_round from round order by 1",
    "proposals": "select round, hypothesis, prediction, edits, note from proposal order by 1",
    "lessons": "select round, text, problem from lesson order by 1",
    "decisions": "select round, verdict, reason, fate, effect, error, doubt from decision order by 1",
    "trials": """select round, task, attempt, trial.seed, outcome, reward, calls, prompt_tokens, completion_tokens,
        commands from trial join candidate on candidate.id = candidate_id where outcome <> 'infra_error'
        order by 1, 2, 3""",
}
INFRA = "select fault, count(*) from trial where outcome = 'infra_error' group by 1"


def repository(folder: Path, suite: Suite) -> None:
    """With the seed scaffold and a suite of some bundled tasks."""
    shutil.copytree(ROOT / "scaffolds" / "single", folder / "scaffolds" / "single")
    (folder / ".gitignore").write_text("runs*/\ntasks/\n")
    for words in (["init", "-q"], ["add", "-A"], ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "x"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    for above in (folder, *list(folder.parents)[:3]):
        above.chmod(0o755)
    (folder / "tasks").mkdir()
    for name in (name for names in suite.values() for name in names):
        (folder / "tasks" / name).symlink_to(ROOT / "tasks" / "bugfix" / name)
    lines = [f"{split} = {json.dumps(names)}" for split, names in suite.items()]
    (folder / "tasks" / "suite.toml").write_text("[splits]\n" + "\n".join(lines) + "\n")


def played(
    home: Path, endpoint: FaultyEndpoint, plan: Plan, suite: Suite, rounds: int, options: str
) -> tuple[Path, dict[str, Any]]:
    """A run over HTTP. -> its database, and what the endpoint counted"""
    home.mkdir(parents=True)
    repository(home, suite)
    (home / "evolve.models.toml").write_text(PROFILE.format(port=endpoint.port))
    env = {key: value for key, value in os.environ.items() if not key.startswith("OPENAI_")}
    env |= {"PYTHONPATH": str(ROOT), "EVOLVE_CALL_SECONDS": str(CALL_SECONDS)}
    order = ["run", "--rounds", str(rounds), "--run", home.name, "--model", "lab/embedded", "--suite", "tasks"]
    gate = ["--seed", "1", "--gate", "passes=1", "--gate", "tip_passes=1", *options.split()]
    endpoint.begin(plan)
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "evolve", *order, *gate], cwd=home, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    counts = endpoint.counts()
    print(f"\n{rounds} rounds, {plan.share:.0%} of calls fail: {time.monotonic() - started:.0f} s; {counts}")
    return home / "runs" / "evolve.db", counts


def rows(database: Path, query: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(database) as connection:
        return connection.execute(query).fetchall()


@pytest.mark.parametrize(("suite", "rounds", "options"), CASES)
def test_a_run_with_a_failing_api_is_the_run_without(
    tmp_path: Path, failing: FaultyEndpoint, suite: Suite, rounds: int, options: str
) -> None:
    # Under one name: a run's is part of what its scaffolds see.
    name = f"faulty-{os.getpid()}"
    size = (suite, rounds, options)
    well, whole = played(tmp_path / "well" / name, failing, Plan(), *size)
    ill, counts = played(tmp_path / "ill" / name, failing, Plan(seed=4, share=SHARE), *size)

    faults = sum(counts["faults"].values())
    assert 0.5 * SHARE < faults / counts["calls"] < 2 * SHARE
    assert faults < ENOUGH_FAULTS or {*counts["faults"]} == {*KINDS}
    for name, query in SAME.items():
        assert rows(ill, query) == rows(well, query), name
    for database, counted in ((well, whole), (ill, counts)):
        calls, *tokens = rows(database, f"select {SPENT} from cost")[0]
        assert tokens == [counted["prompt_tokens"], counted["completion_tokens"]]
        assert calls == counted["whole"] + counted["refused"]
    lost = "select sum(retries), round(sum(lost_seconds), 1) from cost"
    by_purpose = "select purpose, sum(retries), round(sum(lost_seconds), 1) from cost group by 1 order by 1"
    print(f"retries and lost seconds: {rows(ill, lost)[0]}: {rows(ill, by_purpose)}")
    print(f"infrastructure errors: {rows(ill, INFRA)}")
    # On a busy machine a call may wait a moment for the file of spending.
    ((retries, waited),) = rows(well, lost)
    assert retries == 0 and waited < 5
    assert rows(ill, lost)[0][0] == faults and rows(ill, lost)[0][1] > 0
    assert {fault for fault, _ in rows(ill, INFRA)} <= {"endpoint"}
