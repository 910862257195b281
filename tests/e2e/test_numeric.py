"""Numeric rewards through a whole run in containers: check, calibration, rounds, what is stored, and the claim."""

from __future__ import annotations

import json
import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

import evolve
from evolve.core.records import FileEdit, Proposal
from evolve.loop.propose.brief import Brief, Check
from tests.numeric import write_scaffold, write_suite

pytestmark = pytest.mark.docker


class Raise:
    """Raises LEVEL by 40."""

    def propose(self, brief: Brief, seed: int, check: Check) -> Proposal:
        text = brief.files["main.py"]
        level = int(re.search(r"LEVEL = (\d+)", text)[1])  # type: ignore[index]
        edit = FileEdit("main.py", text.replace(f"LEVEL = {level}", f"LEVEL = {level + 40}"))
        return Proposal(f"A level of {level + 40} comes closer.", "The errors shrink.", (edit,))


def test_numbers_decide_what_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_suite(tmp_path / "numbers")
    write_scaffold(tmp_path, level=40)
    common = {"suite": "numbers", "model": "embedded", "preflight": False, "jobs": 2, "runs": "results"}

    calibration = evolve.calibrate("agent", attempts=2, rounds=10, **common)
    assert calibration.noise.score == pytest.approx(0.4)
    assert calibration.noise.scatter == 0 and calibration.power.smallest is not None

    name = f"numeric-{os.getpid()}"
    run = evolve.run("agent", rounds=1, run=name, proposer=Raise(), gate={"risk": 0.25}, **common)
    assert run.history[1]["verdict"] == "keep", run.history[1]["reason"]
    claim = run.claim()
    assert claim is not None and (claim.seed, claim.champion) == (pytest.approx(0.4), pytest.approx(0.8))

    with closing(sqlite3.connect(tmp_path / "results/evolve.db")) as db:
        rows = db.execute("SELECT task, reward, rewards, outcome FROM trials WHERE run = ? AND round = 0", [name])
        for task, reward, rewards, outcome in rows:
            numbers = json.loads(rewards)
            assert reward == pytest.approx(numbers["accuracy"]) == pytest.approx(1 - numbers["error"] / 100)
            assert (numbers["digits"] > 0, outcome) == (True, "failed"), task
