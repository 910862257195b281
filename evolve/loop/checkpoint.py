"""Keeps the standing of a run beside it, so that a resumed run need not decide all its rounds once more.

The standing follows from the rows. What is kept is used only if it was made from the very rounds that the database
holds, by this very gate; otherwise it is dropped, and the rounds are decided once more.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from evolve import core, gate
from evolve.core.errors import BadInput
from evolve.core.records import TrialResult
from evolve.gate import Standing
from evolve.host import disk
from evolve.loop import frozen_text, judging
from evolve.loop.judging import Texts, standing_of
from evolve.store import RoundMark, Store

FILE = "standing.json"
# Writing takes at most one part in so many of the time.
SELDOM = 50


class Checkpoint:
    """The kept standing of one run. `folder`: the run's."""

    def __init__(self, run: str, store: Store, folder: Path, texts: Texts) -> None:
        self._run, self._store, self._texts = run, store, texts
        self._file = folder / FILE
        self._next, self._kept = 0.0, 0
        self._known: list[RoundMark] = []
        self._decided = 0

    def standing(self, initial: Standing) -> Standing:
        """The standing after the decided rounds: from the kept one, or from the start.

        Raises:
            BadInput: The rows hold other decisions than this version's gate takes.
        """
        kept, after = self._read(initial)
        self._kept = after
        rows = self._store.rounds_between(self._run, after, self._store.newest_round(self._run))
        return standing_of(self._run, kept, rows, self._trials, self._texts)

    @property
    def is_due(self) -> bool:
        """Whether it is time to keep a standing once more."""
        return time.monotonic() >= self._next

    def keep(self, initial: Standing, standing: Standing) -> None:
        """Keep the standing after the rounds that are decided, unless it is what was read."""
        began, (marks, decided) = time.monotonic(), self._marks()
        if decided == self._kept:
            return
        try:
            text = frozen_text.to_text(standing)
        except frozen_text.NotWritable:
            return
        last = self._store.last_trial(self._run)
        values = {"after": decided, "last_trial": last, "trials": self._store.trial_count(self._run, last)}
        basis = basis_of(initial, marks[: decided + 1])
        disk.write_atomically(self._file, json.dumps({**values, "basis": basis, "standing": text}).encode("ascii"))
        now = time.monotonic()
        self._next, self._kept = now + SELDOM * (now - began), decided

    def problem(self, initial: Standing) -> str:
        """Why the kept standing is not the one that follows from all rows; "" if it is, or if it is not used."""
        kept, after = self._read(initial)
        if not after:
            return ""
        rows = self._store.rounds_between(self._run, 0, after)
        try:
            whole = standing_of(self._run, initial, rows, self._trials, self._texts)
        except BadInput as problem:
            return str(problem)
        same = frozen_text.to_text(whole) == frozen_text.to_text(kept)
        return "" if same else f"{self._file} holds another standing than follows from its rows"

    def _marks(self) -> tuple[Sequence[RoundMark], int]:
        """Those of all rounds, and how many after round 0 are in races that are decided whole, which are read once."""
        del self._known[self._decided + 1 :]
        self._known += self._store.round_marks(self._run, len(self._known))
        self._decided += decided_count(self._known[self._decided :])
        return self._known, self._decided

    def _read(self, initial: Standing) -> tuple[Standing, int]:
        """The kept standing and the number of rounds that it is about; the initial one and 0 if there is none."""
        marks, _ = self._marks()
        try:
            kept = json.loads(self._file.read_bytes())
            after, last = int(kept["after"]), int(kept["last_trial"])
            agrees = kept["basis"] == basis_of(initial, marks[: after + 1])
            if agrees and after < len(marks) and kept["trials"] == self._store.trial_count(self._run, last):
                standing = frozen_text.from_text(kept["standing"])
                if isinstance(standing, Standing):
                    return standing, after
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            pass
        return initial, 0

    def _trials(self, commit: str) -> Sequence[TrialResult]:
        return self._store.trials(self._run, commit)


def decided_count(marks: Sequence[RoundMark]) -> int:
    """How many rounds after round 0 are in races that are decided whole, up to the first that is not."""
    count = 0
    for _, race in groupby(marks[1:], lambda mark: mark.race):
        verdicts = [mark.verdict for mark in race]
        if None in verdicts:
            break
        count += len(verdicts)
    return count


def basis_of(initial: Standing, marks: Sequence[RoundMark]) -> str:
    """The sha256 of what a standing follows from but trials: the code of gate and core, settings, rounds."""
    digest = hashlib.sha256(frozen_text.to_text(initial).encode())
    digest.update(rule_digest().encode())
    digest.update(json.dumps(marks).encode())
    return digest.hexdigest()


def rule_digest() -> str:
    """The sha256 of the code that takes the gate's decisions: that of gate and core, and of their use."""
    digest = hashlib.sha256()
    pure = (folder for package in (core, gate) for folder in package.__path__)
    for source in sorted([*(file for folder in pure for file in Path(folder).glob("*.py")), Path(judging.__file__)]):
        digest.update(source.read_bytes())
    return digest.hexdigest()
