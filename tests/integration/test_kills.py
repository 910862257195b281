"""A run that is killed at any moment: the next start leaves nothing of it but its results.

EVOLVE_KILLS sets how often; the moments are drawn from a fixed seed.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from evolve.host.run_names import owner_of
from evolve.sandbox import engine

from .conftest import ROOT, TASKS, git

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("task_images")]
KILLS = max(2, int(os.environ.get("EVOLVE_KILLS", "5")))
# A gate that decides after a few trials.
SHORT = ("--gate", "passes=1", "--gate", "tip_passes=1", "--score-attempts", "1")
MARK = "EVOLVE_TEST_MARK"


class Run:
    """One small run in a repository of its own, started as a process group that can be killed."""

    def __init__(self, home: Path) -> None:
        self.home, self.name, self.mark = home, f"killed-{uuid.uuid4().hex[:8]}", uuid.uuid4().hex
        self.log = home.parent / "log.txt"
        shutil.copytree(ROOT / "scaffolds" / "single", home / "scaffolds" / "single")
        for name in TASKS:
            shutil.copytree(ROOT / "tasks" / "bugfix" / name, home / "tasks" / "bugfix" / name)
        (home / "tasks" / "bugfix" / "suite.toml").write_text(f'[splits]\ntrain = ["{TASKS[0]}", "{TASKS[1]}"]\n')
        (home / ".gitignore").write_text("runs/\n")
        git(home, "init", "-q")
        git(home, "add", "-A")
        git(home, "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "x")

    def start(self, rounds: int = 100_000) -> subprocess.Popen[bytes]:
        unwanted = ("OPENAI_API_KEY", "OPENAI_BASE_URL")
        env = {key: value for key, value in os.environ.items() if key not in unwanted} | {MARK: self.mark}
        command = [sys.executable, "-m", "evolve", "run", "--run", self.name, "--rounds", str(rounds), *SHORT]
        with self.log.open("wb") as log:
            return subprocess.Popen(command, cwd=self.home, env=env, stdout=log, stderr=log, start_new_session=True)

    def processes(self) -> list[int]:
        """All processes of this machine that were begun by the run."""
        wanted, found = f"{MARK}={self.mark}".encode(), []
        for path in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                if wanted in path.read_bytes().split(b"\0"):
                    found.append(int(path.parent.name))
        return found

    def left(self) -> set[str]:
        """What is there now of the run in the engine and in the folder for temporary files."""
        api, label = engine.connect().api, {"label": f"{engine.LABEL}={self.name}"}
        folders = Path(tempfile.gettempdir()).glob(
            f"{engine.temporary_prefix(owner_of(self.home / 'runs' / self.name))}*"
        )
        return {
            *(container["Id"] for container in api.containers(all=True, filters=label)),
            *(volume["Name"] for volume in api.volumes(filters=label)["Volumes"] or []),
            *(network["Id"] for network in api.networks(filters=label)),
            *(image["Id"] for image in api.images(filters=label, all=True)),
            *map(str, folders),
        }


def within(seconds: float, what: str, happened: Callable[[], bool]) -> None:
    """Wait until a function says yes."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def killed(run: Run, seconds: float, old: set[str], at_work: bool) -> set[str]:
    """Start the run, wait until what is `old` is gone (and it is `at_work`) and then some seconds, and kill it.

    Returns what is left.
    """
    process = run.start()
    if at_work:
        within(60, "no trial begins", lambda: bool(run.left() - old) or process.poll() is not None)
    within(60, "the next start does not sweep", lambda: not old & run.left() or process.poll() is not None)
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, run.log.read_text()
    within(5, "a process outlives its run", lambda: not run.processes())
    return run.left()


def orphaned_mounts() -> set[str]:
    """Volumes of ours that the host has mounted and the engine does not know."""
    mounted = set(re.findall(r"/volumes/(evolve-[0-9a-f]{16})/", Path("/proc/mounts").read_text()))
    return mounted - {volume["Name"] for volume in engine.connect().api.volumes()["Volumes"] or []}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    home = tmp_path / "home"
    home.mkdir()
    return Run(home)


def test_a_killed_run_leaves_nothing_after_its_next_start(run: Run) -> None:
    chance = random.Random(7)
    before: set[str] = set()
    orphaned, littered = orphaned_mounts(), 0
    for number in range(KILLS):
        if number % 2:  # while trials run; the first of these at once, so that there surely is something to leave
            before = killed(run, chance.uniform(0.0, 3.0) if number > 1 else 0.0, before, at_work=True)
        else:
            before = killed(run, chance.uniform(0.2, 7.0), set(), at_work=False)
        littered += bool(before)
    assert run.start(rounds=1).wait(400) == 0, run.log.read_text()
    assert run.left() == set()
    within(5, "a process outlives its run", lambda: not run.processes())
    within(10, "a mount without a volume", lambda: not orphaned_mounts() - orphaned)
    assert littered, "no kill came while there was anything to leave"
    with sqlite3.connect(run.home / "runs" / "evolve.db") as database:
        twice = "select count(*) from (select 1 from trial group by candidate_id, task, attempt having count(*) > 1)"
        assert database.execute(twice).fetchone() == (0,)
    assert not list((run.home / "runs").rglob("*.sock"))


def test_workers_die_with_a_parent_that_is_killed_alone(run: Run) -> None:
    process = run.start()
    try:
        within(60, "no worker begins", lambda: len(run.processes()) > 1 or process.poll() is not None)
        assert process.poll() is None, run.log.read_text()
        process.kill()
        process.wait()
        within(5, "a worker outlives its parent", lambda: not run.processes())
    finally:
        within(30, "the engine is still at work", lambda: engine.sweep(run.name) == 0)
