"""Commands on the same results at the same time: none takes the other's containers, files or name."""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.test_cli import SHORT, home, rows

__all__ = ["home"]
pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("task_images")]
RUN = f"at-once-{os.getpid()}"
SECONDS = 300


def started(folder: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "evolve", *words]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(*processes: subprocess.Popen[str]) -> list[str]:
    """What each printed; all succeed."""
    outputs = [process.communicate(timeout=SECONDS) for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), outputs
    return [out for out, _ in outputs]


def trials(folder: Path) -> int:
    """How many the database has that can be replayed; it may not be there yet."""
    with contextlib.suppress(sqlite3.OperationalError):
        return int(str(rows(folder, "select count(*) from trial where outcome != 'infra_error'")[0][0]))
    return 0


def test_two_replays_run_at_once_also_beside_their_run(home: Path) -> None:
    run = started(home, "run", "--rounds", "1", "--run", RUN, *SHORT)
    deadline = time.monotonic() + SECONDS
    while trials(home) < 4:
        assert time.monotonic() < deadline and run.poll() is None
        time.sleep(0.2)
    branch = f"evolve/{RUN}/round-0000"
    replays = [started(home, "replay", branch) for _ in range(2)]
    for replay in replays:
        out, error = replay.communicate(timeout=SECONDS)
        # A busy machine may time out a command that it did not time out before; a container that is gone is no trial.
        # Of those that were there, a busy machine may have voided some.
        assert re.search(r"^\d+ of [1-9]\d* trials identical", out, re.M), out + error
        assert "could not be replayed" not in out, out
    ended(run)
    assert not list((home / "runs" / RUN / "spending").glob("beside*"))


def test_two_measurements_begin_at_once(home: Path) -> None:
    measured = [started(home, "eval", "scaffolds/single", "--split", "train") for _ in range(2)]
    assert all("train: " in out for out in ended(*measured))
    assert rows(home, "select count(distinct run_id) from trial where outcome != 'infra_error'") == [(2,)]
    assert len([path for path in (home / "runs").iterdir() if path.is_dir()]) == 2
