"""A disk that is full at any moment: a clear stop, nothing damaged, and the same end once there is room again.

EVOLVE_DISK_FULL sets how often; the moments are drawn from a fixed seed. Real git and SQLite on a small file system.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from evolve.budget import run_budget
from evolve.core.caps import Caps
from evolve.core.config import RunConfig
from evolve.core.errors import DiskFull
from evolve.core.records import Split, TaskImage, TrialSpec
from evolve.host import disk
from evolve.loop.assembly import assemble
from evolve.loop.watcher import SilentWatcher
from evolve.repo import Lineage
from evolve.store import RunRow, Store
from evolve.suite.tasks import Suite
from tests.fakes import ProposingModel, ScoringEvaluator, completion, task, tool_call

FULL = max(1, int(os.environ.get("EVOLVE_DISK_FULL", "3")))
RUN = "20261123-2144-quiet-otter"
LEVELS = (4, 0, 5, 3)
SIZES = {Split.TRAIN: 8, Split.VALIDATION: 4, Split.HOLDOUT: 2}
TASKS = tuple(task(f"{split}-{n:02}", split) for split, count in SIZES.items() for n in range(count))
PIECE = b"\0" * 65536


class NoisyEvaluator(ScoringEvaluator):
    """Each trial takes a moment, so that a disk has time to fill."""

    def __init__(self) -> None:
        super().__init__(self._reward)

    @staticmethod
    def _reward(text: str, spec: TrialSpec) -> float:
        time.sleep(0.002)
        level = int(text.split("=")[1].split()[0])
        return float(int(spec.task.name[-2:]) % 10 < 2 * level)


def model(played: int) -> ProposingModel:
    """Proposes the levels from that round on."""

    def answer(level: int) -> Callable[[Any], dict[str, Any]]:
        mark = "".join(chr(97 + ord(letter) % 26) for letter in str(level))
        edit = {"path": "main.py", "old": "", "new": f"LEVEL = {level}\n{mark}_way = None\n"}
        words = {"hypothesis": f"level {level} is better", "prediction": "more pass", "edits": [edit]}
        return lambda _: completion(None, tool_call("propose", json.dumps(words)))

    return ProposingModel(*(answer(level) for level in LEVELS[played:] or LEVELS[-1:]))


class Home:
    """A repository, a database and a run's files in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.scaffold = folder, folder / "repo" / "scaffold"
        self.scaffold.mkdir(parents=True)
        (self.scaffold / "main.py").write_text("LEVEL = 1\n")
        (self.scaffold / "scaffold.toml").write_text('name = "s"\nentry = "main.py"\nevolvable = ["*.py"]\n')
        for words in ("init -q", "add -A", "-c user.name=t -c user.email=t@t commit -qm x"):
            subprocess.run(["git", "-C", str(folder / "repo"), *words.split()], check=True)
        row = ("2026-11-23T21:44:00+00:00", 0, "{}", "0" * 64, "s", "s", "scripted", None, "{}", "0", "r", None)
        with Store.open(self.database) as store:
            store.create_run(RunRow(RUN, *row), TASKS)

    @property
    def database(self) -> Path:
        return self.folder / "runs" / "evolve.db"

    def play(self) -> None:
        """As `evolve run` does it: the same command, whatever was before."""
        with Store.open(self.database) as store:
            played = sum(row.proposal is not None for row in store.rounds(RUN))
            proposer = model(played)
            budget = run_budget.begin(store, RUN, self.folder / "runs" / RUN, Caps(), free=False)
            search = assemble(
                run=RUN,
                config=RunConfig(scaffold=self.scaffold, model="scripted", prompt_price=1.0, completion_price=1.0),
                suite=Suite(self.folder, TASKS),
                store=store,
                lineage=Lineage.open(self.scaffold, self.folder / "own.git"),
                evaluator=NoisyEvaluator(),  # type: ignore[arg-type]
                model_for=lambda what: proposer,
                budget=budget,
                images={t.name: TaskImage("i", "/app") for t in TASKS},
                base_image="base",
                folder=self.folder / "runs" / RUN,
                watcher=SilentWatcher(),
                least_room=0,
            )
            with closing(budget):
                search.run_rounds(len(LEVELS))

    def came_to(self) -> dict[str, Any]:
        """Lineage, decisions and trials, without the times that are in commits' ids."""
        lineage = Lineage.open(self.scaffold, self.folder / "own.git")
        with Store.open(self.database) as store:
            rows, rounds = store.rounds(RUN), {c.commit: c.round for c in store.candidates(RUN)}
            trials = sorted((rounds[t.candidate], t.task, t.attempt, t.reward) for t in store.trials(RUN))
            files = [t.trajectory.path for t in store.trials(RUN) if t.trajectory]
        branches = {b.name.rpartition("/")[2]: (rounds[b.sha], lineage.files(b.sha)) for b in lineage.branches(RUN)}
        notes = [lineage.decision(commit).get("Evolve-Decision") for commit in rounds]
        assert all((self.folder / "runs" / path).stat().st_size for path in files)
        decisions = [(row.parent and row.parent.round, row.decision) for row in rows]
        return {"branches": branches, "decisions": decisions, "trials": trials, "notes": notes}

    def check_whole(self) -> None:
        with closing(sqlite3.connect(self.database)) as connection:
            assert connection.execute("pragma integrity_check").fetchone() == ("ok",)
        found = subprocess.run(
            ["git", "-C", str(self.folder / "repo"), "fsck", "--full"], capture_output=True, text=True
        )
        assert found.returncode == 0 and "error" not in found.stderr, found.stderr


class Ballast:
    """Fills the disk after a while, but for some bytes; `keeps`: and what becomes free later, too."""

    def __init__(self, folder: Path, after: float, spare: int, keeps: bool) -> None:
        self._file, self._after, self._spare, self._keeps = folder / "ballast", after, spare, keeps
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._fill)

    def __enter__(self) -> Ballast:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._file.unlink(missing_ok=True)

    def _fill(self) -> None:
        if self._over.wait(self._after):
            return
        with self._file.open("ab", buffering=0) as file:
            self._pour(file)
            file.truncate(max(0, file.tell() - self._spare))
            while self._keeps and not self._over.wait(0.001):
                self._pour(file)

    def _pour(self, file: Any) -> None:
        with contextlib.suppress(OSError):
            for piece in (PIECE, PIECE[:4096]):
                with contextlib.suppress(OSError):
                    while not self._over.is_set():
                        file.write(piece)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Callable[[], Path]]:
    """Makes file systems of 20 MB."""
    mounted: list[Path] = []

    def make() -> Path:
        place = tmp_path / f"disk-{len(mounted)}"
        place.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "evolve-test", str(place)], check=False)
        if done.returncode != 0:
            pytest.skip("only root can mount a small file system")
        mounted.append(place)
        return place

    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    yield make
    for place in mounted:
        subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.slow
def test_a_full_disk_stops_a_run_clearly_and_changes_nothing(small: Callable[[], Path]) -> None:
    untouched = Home(small())
    began = time.monotonic()
    untouched.play()
    seconds, wanted = time.monotonic() - began, untouched.came_to()
    chance, said = random.Random(11), list[str]()
    for number in range(FULL):
        home = Home(small())
        # Round 0 alone takes no room to speak of; the last moments are left out, since the machine's speed varies.
        after, spare = chance.uniform(0.0, 0.8) * seconds, chance.choice((0, 0, 4096, 40_000))
        with Ballast(home.folder, after, spare, keeps=number % 2 == 0):
            try:
                home.play()
            except DiskFull as problem:
                said.append(str(problem).replace(str(home.folder), "DISK"))
        home.check_whole()
        home.play()
        home.check_whole()
        assert home.came_to() == wanted, f"filled after {after:.2f} s but for {spare} bytes"
        assert not list(home.folder.rglob("*.part"))
    assert len(said) > FULL // 2
    assert all(
        re.fullmatch(r"no space left on DISK: .+; free some space, then run the same command again", one)
        for one in said
    )


def test_too_little_room_is_said_before_anything_begins(small: Callable[[], Path]) -> None:
    place = small()
    disk.check_free_space([place, place / "not" / "there"], 10 * 2**20)
    with pytest.raises(
        DiskFull, match=rf"no space left on {place}: \d+ MB are free, 200 MB are needed; free some space"
    ):
        disk.check_free_space([place / "not" / "there"])


def test_a_file_is_whole_or_as_it_was(small: Callable[[], Path]) -> None:
    place = small() / "file"
    disk.write_atomically(place, b"old")
    with pytest.raises(DiskFull, match="free some space"):
        disk.write_atomically(place, b"\0" * (21 * 2**20))
    assert place.read_bytes() == b"old" and [one.name for one in place.parent.iterdir()] == ["file"]
