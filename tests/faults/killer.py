"""Kills runs, goes on with them, and compares the end with a run that was never killed.

    python tests/faults/killer.py --kills 1000 [--seed 0] [--jobs 2]

Half of the kills come at a named point (each in its turn), half at a random moment. Prints what was killed where, and
every difference in lineage, decisions, charges and trials; exit status 1 if there is one, or if a run could not be gone
on with.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import multiprocessing
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import connection, forkserver
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any, Protocol

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from evolve.host.run_names import owner_of  # noqa: E402
from evolve.sandbox import engine  # noqa: E402
from tests.faults import points  # noqa: E402
from tests.faults.victim import FILES, live  # noqa: E402

VARIABLES = {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}

TASKS = ("vending-machine", "lru-cache")
SPLITS = f'[splits]\ntrain = ["{TASKS[0]}"]\nvalidation = ["{TASKS[1]}"]\n'
RUN = "20261123-2144-quiet-otter"
ROUNDS = 8
WEDGED_SECONDS = 120.0
# A point is passed this often in a life, about: the time that counts is drawn from it.
OFTEN = {
    **dict.fromkeys(("ledger.reserve", "ledger.settle", "ledger.book"), 150),
    **dict.fromkeys(("database", "trajectory", "store.add_trial"), 60),
    "git": 12,
    **dict.fromkeys(("run_budget", "ledger.remove", "engine", "lineage.seed"), 1),
    **dict.fromkeys(("store.create_run", "store.start_session", "store.add_losses", "store.end_run"), 1),
}
MOST_LIVES = 60


@dataclass
class Tally:
    """What the killing came to."""

    kills: int = 0
    ends: int = 0
    at: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.kills + other.kills, self.ends + other.ends, self.at + other.at, self.problems + other.problems
        )


@functools.cache
def forking() -> ForkServerContext:
    """Where processes come from that have imported everything already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([live.__module__])
    with pytest.MonkeyPatch.context() as patch:
        for name, value in VARIABLES.items():
            patch.setenv(name, value)
        forkserver.ensure_running()
    return context


class Life(Protocol):
    """A process, as `subprocess` gives it; it leads a group of its own."""

    @property
    def pid(self) -> int: ...

    def wait(self, timeout: float | None = None) -> int: ...


class Forked:
    """Forked from one that has imported everything: importing takes nearly as long as a run of played trials."""

    # A start asks how all others do, and an exit status can be read but once.
    _asking = threading.Lock()

    def __init__(self, home: Path, log: Path, words: list[str]) -> None:
        self._process = forking().Process(target=live, args=(home, log, words))
        with self._asking:
            self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid
        return self._process.pid

    def wait(self, timeout: float | None = None) -> int:
        if not connection.wait([self._process.sentinel], timeout):
            raise subprocess.TimeoutExpired("victim", timeout or 0.0)
        with self._asking:
            self._process.join()
            assert self._process.exitcode is not None
            return self._process.exitcode


class Victim:
    """One run in a repository of its own, started again and again until it ends. Its trials are played."""

    run, rounds, wedged_seconds = RUN, ROUNDS, WEDGED_SECONDS

    def __init__(self, home: Path) -> None:
        self.home, self.log_file = home, home.with_name(f"{home.name}.log")
        home.mkdir(parents=True)
        self.furnish()
        (home / ".gitignore").write_text("runs/\n")
        for words in (
            ["init", "-q"],
            ["add", "-A"],
            ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "x"],
        ):
            subprocess.run(["git", "-C", str(home), *words], check=True)

    def furnish(self) -> None:
        (self.home / "scaffold").mkdir()
        for name, text in FILES.items():
            (self.home / "scaffold" / name).write_text(text)

    def start(self, point: str = "", times: int = 0) -> Life:
        words = ["victim", str(self.home), self.run, str(self.rounds), point, str(times)]
        return Forked(self.home, self.log_file, words)

    def left(self) -> list[str]:
        """What should not be there when the run has ended."""
        return [str(path) for path in (self.home / ".git").rglob("*.lock")]

    def log(self) -> str:
        return self.log_file.read_text()[-2000:]

    def facts(self) -> dict[str, Any]:
        """All that a run has come to and that a kill must not change; no times, and nothing that depends on them."""
        with contextlib.closing(sqlite3.connect(self.home / "runs" / "evolve.db")) as database:
            database.row_factory = sqlite3.Row
            found: dict[str, Any] = {name: _rows(database, query) for name, query in QUERIES.items()}
            found["integrity"] = [tuple(row) for row in database.execute("PRAGMA integrity_check")]
            found["orphans"] = [tuple(row) for row in database.execute("PRAGMA foreign_key_check")]
        found["branches"] = self._branches()
        found["fsck"] = subprocess.run(
            ["git", "-C", str(self.home), "fsck", "--no-dangling"], capture_output=True, text=True
        ).stderr
        found["head"] = self._git("status", "--porcelain", "--branch")
        found["files"] = self._stored()
        return found

    def _branches(self) -> dict[str, tuple[str, ...]]:
        """Of each branch the trees of its commits, from the newest, and the decision noted on it."""
        names = self._git("for-each-ref", "--format=%(refname)", f"refs/heads/evolve/{self.run}/").split()
        return {name: (self._git("log", "--format=%T", name), self._note(name)) for name in names}

    def _note(self, name: str) -> str:
        command = ["git", "-C", str(self.home), "notes", "--ref=evolve", "show", name]
        text = subprocess.run(command, capture_output=True, text=True).stdout
        return "\n".join(line for line in text.splitlines() if not _timed(line))

    def _stored(self) -> dict[str, int]:
        """How many files there are of each kind, and none half written."""
        files = [path for path in (self.home / "runs" / self.run).rglob("*") if path.is_file()]
        return dict(Counter(path.suffix for path in files if "spending" not in path.parts and path.suffix != ".lock"))

    def _git(self, *words: str) -> str:
        return subprocess.run(["git", "-C", str(self.home), *words], capture_output=True, text=True, check=True).stdout


class Contained(Victim):
    """The same in containers, on two bundled tasks, by the command that users type; nothing of it may be left."""

    run, rounds, wedged_seconds = f"killed-{os.getpid()}", 3, 400.0

    def furnish(self) -> None:
        for folder in (self.home, *self.home.parents[:3]):
            with contextlib.suppress(PermissionError):
                folder.chmod(0o755)
        shutil.copytree(ROOT / "scaffolds" / "single", self.home / "scaffold")
        for name in TASKS:
            shutil.copytree(ROOT / "tasks" / "bugfix" / name, self.home / "tasks" / name)
        (self.home / "tasks" / "suite.toml").write_text(SPLITS)

    def start(self, point: str = "", times: int = 0) -> Life:
        words = f"run --run {self.run} --rounds {self.rounds} --suite tasks --scaffold scaffold "
        words += "--gate passes=1,2 --score-attempts 1"
        command = [sys.executable, "-m", "tests.faults.contained", point, str(times), *words.split()]
        environment = {**os.environ, **VARIABLES}
        with self.log_file.open("wb") as log:
            return subprocess.Popen(
                command, cwd=self.home, env=environment, stdout=log, stderr=log, start_new_session=True
            )

    def left(self) -> list[str]:
        api, label = engine.connect().api, {"label": f"{engine.LABEL}={self.run}"}
        folders = Path(tempfile.gettempdir()).glob(
            f"{engine.temporary_prefix(owner_of(self.home / 'runs' / self.run))}*"
        )
        return [
            *super().left(),
            *(container["Id"] for container in api.containers(all=True, filters=label)),
            *(volume["Name"] for volume in api.volumes(filters=label)["Volumes"] or []),
            *(image["Id"] for image in api.images(filters=label, all=True)),
            *map(str, folders),
        ]

    def facts(self) -> dict[str, Any]:
        """But for the bytes of conversations: what commands print tells how long they took."""
        found = super().facts()
        for proposal in found["proposals"]:
            del proposal["transcript_sha256"]
        return found


QUERIES = {
    "rounds": "SELECT number, parent_round, race FROM round ORDER BY number",
    "candidates": "SELECT c.round, p.round AS parent, c.branch FROM candidate c LEFT JOIN candidate p "
    "ON p.id = c.parent_id ORDER BY c.round",
    "proposals": "SELECT round, hypothesis, edits, note, calls, prompt_tokens, completion_tokens, cost_usd, ablates, "
    "merges, transcript_path, transcript_sha256 FROM proposal ORDER BY round",
    "lessons": "SELECT round, text, problem, calls, cost_usd FROM lesson ORDER BY round",
    "decisions": "SELECT round, verdict, reason, fate, effect, error, doubt FROM decision ORDER BY round",
    "trials": "SELECT c.round, task, split, attempt, t.seed, outcome, reward, calls, prompt_tokens, completion_tokens, "
    "cost_usd, retries FROM trial t JOIN candidate c ON c.id = t.candidate_id ORDER BY 1, 2, 4",
    "looks": "SELECT c.round, why FROM holdout_look h JOIN candidate c ON c.id = h.candidate_id ORDER BY h.id",
    "ends": "SELECT DISTINCT reason FROM run_end",
}


def _rows(database: sqlite3.Connection, query: str) -> list[dict[str, Any]]:
    return [dict(row) for row in database.execute(query)]


def _timed(line: str) -> bool:
    return line.lower().startswith(("when", "at", "decided"))


def differences(found: dict[str, Any], wanted: dict[str, Any]) -> Iterator[str]:
    """In a line each, the first of a kind."""
    for kind, value in wanted.items():
        if found[kind] != value:
            yield f"{kind}: {json.dumps(_first(found[kind], value), default=str)[:600]}"


def _first(found: Any, wanted: Any) -> Any:
    if isinstance(found, list) and isinstance(wanted, list):
        for one, other in zip(found, wanted, strict=False):
            if one != other:
                return _first(one, other)
        return {"found": len(found), "wanted": len(wanted)}
    if isinstance(found, dict) and isinstance(wanted, dict):
        return {
            key: (found.get(key), wanted.get(key)) for key in {*found, *wanted} if found.get(key) != wanted.get(key)
        }
    return {"found": found, "wanted": wanted}


def unkilled(victim: Victim) -> tuple[dict[str, Any], float]:
    """What a run comes to that nobody kills, and its seconds."""
    began = time.monotonic()
    process = victim.start()
    if process.wait(victim.wedged_seconds) != 0:
        raise SystemExit(f"the run fails by itself: {victim.log()}")
    return victim.facts(), time.monotonic() - began


class Killer:
    """Kills runs until there are enough kills."""

    def __init__(self, kind: type[Victim], wanted: dict[str, Any], seconds: float, kills: int, seed: int) -> None:
        self.kind, self.wanted, self.seconds, self.left = kind, wanted, seconds, kills
        self.chance = random.Random(seed)
        self.points = points.names()
        self.chance.shuffle(self.points)
        self.tally = Tally()

    def work(self, folder: Path) -> Tally:
        number = 0
        while self.left > 0:
            number += 1
            home = folder / f"run-{number}"
            self.one_run(self.kind(home))
            shutil.rmtree(home)
        return self.tally

    def one_run(self, victim: Victim) -> None:
        """Kill and go on until the run ends; compare."""
        for life in range(MOST_LIVES):
            last = life == MOST_LIVES - 1 or self.left <= 0
            point, status = self.one_life(victim, kill=not last)
            if status == -signal.SIGKILL:
                self.tally.kills += 1
                self.left -= 1
                self.tally.at[point] += 1
                continue
            if status != 0:
                self.tally.problems.append(f"after a kill at {point} it ended with {status}: {victim.log()}")
                return
            break
        self.tally.ends += 1
        self.tally.problems += [f"{line}" for line in differences(victim.facts(), self.wanted)]
        self.tally.problems += [f"left: {path}" for path in victim.left()]

    def one_life(self, victim: Victim, kill: bool) -> tuple[str, int]:
        """Start it, and kill it at a point or at a moment. -> where, and its exit status"""
        if kill and self.chance.random() < 0.5:
            self.points.append(self.points.pop(0))
            point = self.points[-1]
            return point, self.waited(victim.start(point, self.times(point)), victim.wedged_seconds)
        process = victim.start()
        moment = self.chance.uniform(0.05, self.seconds) if kill else victim.wedged_seconds
        return "moment", self.waited(process, moment, wedged=not kill)

    def times(self, point: str) -> int:
        """The how-manieth passing kills."""
        often = next((often for prefix, often in OFTEN.items() if point.startswith(prefix)), 2)
        return self.chance.randint(1, often)

    def waited(self, process: Life, seconds: float, wedged: bool = True) -> int:
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            if wedged:
                self.tally.problems.append("wedged: it did not end by itself")
            return process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--contained", type=float, default=0.05, help="share of them in containers")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="evolve-killer-") as name:
        contained = round(given.kills * given.contained)
        tally = killed(Victim, Path(name) / "played", given.kills - contained, given.seed, given.jobs)
        if contained:
            tally += killed(Contained, Path(name) / "contained", contained, given.seed, 1)
    names, killed_at = {*points.names()}, {*tally.at}
    print(f"{tally.kills} kills, {tally.ends} runs to their end, at {len(names & killed_at)} of {len(names)} points")
    for point in sorted(names - killed_at):
        print(f"  {point}: never")
    for point, count in sorted(tally.at.items()):
        print(f"  {point}: {count}")
    for problem in tally.problems:
        print(f"PROBLEM {problem}")
    sys.exit(bool(tally.problems))


def killed(kind: type[Victim], folder: Path, kills: int, seed: int, jobs: int) -> Tally:
    """So many kills, some runs beside each other."""
    wanted, seconds = unkilled(kind(folder / "unkilled"))
    killers = [Killer(kind, wanted, seconds, -(-kills // jobs), seed * jobs + number) for number in range(jobs)]
    with ThreadPoolExecutor(jobs) as pool:
        tallies = list(pool.map(lambda one: one[1].work(folder / str(one[0])), enumerate(killers)))
    return sum(tallies, Tally())


if __name__ == "__main__":
    main()
