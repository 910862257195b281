"""A container engine that is killed in the middle of rounds, and started again a while later: a private one.

EVOLVE_ENGINE_KILLS sets how often; the moments are drawn from a fixed seed. Needs root, and `dockerd` on this machine.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from evolve.repo import Lineage
from evolve.sandbox import images
from evolve.store import Store
from tests.e2e.marked import ROOT, repository

pytestmark = pytest.mark.docker
KILLS = max(1, int(os.environ.get("EVOLVE_ENGINE_KILLS", "1")))
JOBS = 2
# Many kills fall into several rounds.
ORDER = (
    f"--rounds {min(2, KILLS)} --suite tasks --seed 1 --gate passes=1 --gate tip_passes=1 "
    "--score-attempts 1 --holdout-attempts 0"
).split()
PLACES = {"data-root": "data", "exec-root": "exec", "pidfile": "pid"}
WITHOUT_NETWORK = ("--bridge=none", "--iptables=false", "--ip-forward=false")


class PrivateEngine:
    """A second `dockerd`, with everything of its own in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.host = folder, f"unix://{folder}/engine.sock"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        # In a network of its own: without a bridge to use, it would delete that of the machine's other engine.
        places = [f"--{name}={self.folder}/{place}" for name, place in PLACES.items()]
        command = ["unshare", "--net", "dockerd", "--host", self.host, *places, *WITHOUT_NETWORK]
        within(300, "the private engine does not start", lambda: self._launched(command))

    def _launched(self, command: list[str]) -> bool:
        """Whether it answers within a minute; one that does not is killed: it may have met what the last one left."""
        (self.folder / "pid").unlink(missing_ok=True)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, cwd="/")
        deadline = time.monotonic() + 60
        while self._process.poll() is None and time.monotonic() < deadline:
            if self.answers():
                return True
            time.sleep(0.05)
        self._process.kill()
        self._process.wait()
        return False

    def answers(self) -> bool:
        return self.ask("info").returncode == 0

    def ask(self, *words: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
        command = ["docker", "--host", self.host, *words]
        return subprocess.run(command, capture_output=True, check=False, timeout=300, **options)

    def containers(self) -> list[str]:
        return self.ask("ps", "-q").stdout.decode().split()

    def fetch(self, image: str) -> None:
        """An image of the other engine's."""
        with subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as saved:
            assert self.ask("load", stdin=saved.stdout).returncode == 0

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def remove(self) -> None:
        """Nothing of it is left: containers, processes, mounts, files."""
        if self.answers():
            for container in self.ask("ps", "-aq").stdout.decode().split():
                self.ask("rm", "-f", container)
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(60)
        for process in self._own_processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        for mount in reversed([line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]):
            if mount.startswith(f"{self.folder}/"):
                subprocess.run(["umount", "-l", mount], check=False, capture_output=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _own_processes(self) -> list[int]:
        """Those that have its folder on their command line: the engine, its containerd, the shims."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                if f"{self.folder}/".encode() in path.read_bytes() and int(path.parent.name) != os.getpid():
                    found.append(int(path.parent.name))
        return found


class Home:
    """A run in a repository of its own, by the private engine."""

    def __init__(self, folder: Path, engine: PrivateEngine) -> None:
        self.folder, self.engine, self.log = folder, engine, folder.parent / f"{folder.name}.log"
        folder.mkdir()
        repository(folder)

    def start(self) -> subprocess.Popen[bytes]:
        env = {key: value for key, value in os.environ.items() if not key.startswith("OPENAI_")}
        env |= {"DOCKER_HOST": self.engine.host, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "evolve", "run", "--run", "it", "--jobs", str(JOBS), *ORDER]
        with self.log.open("ab") as log:
            return subprocess.Popen(command, cwd=self.folder, env=env, stdout=log, stderr=log)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        database = self.folder / "runs" / "evolve.db"
        if not database.is_file():
            return []
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)) as connection:
            return connection.execute(query).fetchall() if _has_trials(connection) else []

    def counted(self) -> int:
        return len(self.rows("select 1 from trial where outcome <> 'infra_error'"))

    def came_to(self) -> dict[str, Any]:
        """Without times, and the commits' ids that hold them."""
        trials = """select candidate.round, task, attempt, outcome, reward from trial
            join candidate on candidate.id = candidate_id where outcome <> 'infra_error' order by 1, 2, 3"""
        with Store.open(self.folder / "runs" / "evolve.db") as store:
            rows = [(row.parent and row.parent.round, row.decision) for row in store.rounds("it")]
            (run,) = store.runs()
            lineage = Lineage.open(self.folder / "scaffolds" / "single", self.folder / "runs" / "it" / "lineage.git")
            files = [lineage.files(candidate.commit) for candidate in store.candidates(run.id)]
        return {"trials": self.rows(trials), "decisions": rows, "files": files}


def _has_trials(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute("select 1 from sqlite_master where name = 'trial'").fetchall())


def networks() -> set[str]:
    return {path.name for path in Path("/sys/class/net").iterdir() if not path.name.startswith("veth")}


def within(seconds: float, what: str, happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


@pytest.fixture
def engine() -> Iterator[PrivateEngine]:
    if os.geteuid() != 0 or shutil.which("dockerd") is None or shutil.which("unshare") is None:
        pytest.skip("a private engine needs root, and dockerd on this machine")
    # A socket's path has little room.
    made, before = PrivateEngine(Path(tempfile.mkdtemp(prefix="evolve-engine-"))), networks()
    try:
        made.start()
        assert networks() == before, "the machine's own networks are none of ours"
        made.fetch(images.base_image(print))
        yield made
    finally:
        made.remove()


@pytest.fixture
def homes(tmp_path: Path) -> Path:
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    return tmp_path


def test_an_engine_that_is_killed_costs_the_trials_that_ran_and_nothing_else(
    engine: PrivateEngine, homes: Path
) -> None:
    untouched = Home(homes / "untouched", engine)
    assert untouched.start().wait(600) == 0, untouched.log.read_text()
    total, chance = untouched.counted(), random.Random(5)
    home = Home(homes / "home", engine)
    moments = sorted(chance.sample(range(1, total - JOBS), KILLS))
    process = home.start()
    for number, moment in enumerate(moments):
        ready = lambda moment=moment: home.counted() >= moment and bool(engine.containers())  # noqa: E731
        within(300, f"kill {number}: {home.log.read_text()}", lambda ready=ready: ready() or process.poll() is not None)
        time.sleep(chance.uniform(0.0, 0.5))
        assert process.poll() is None, home.log.read_text()
        engine.kill()
        time.sleep(chance.uniform(0.0, 5.0))
        engine.start()
    assert process.wait(900) == 0, home.log.read_text()
    assert home.came_to() == untouched.came_to(), home.log.read_text()
    again = home.rows("select fault, started_at, seconds, task, detail from trial where outcome = 'infra_error'")
    assert len(again) <= KILLS * JOBS, f"{again}\n{home.log.read_text()}"
    assert {fault for fault, *_ in again} <= {"engine"}, again
    assert again, home.log.read_text()
    within(60, "a container is left", lambda: not engine.ask("ps", "-aq").stdout)
