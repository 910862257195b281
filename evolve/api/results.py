"""What the functions of `evolve` answer."""

from __future__ import annotations

from dataclasses import dataclass

from evolve.core.errors import BadInput
from evolve.core.records import Split, TrialResult
from evolve.core.scores import Score, score
from evolve.gate.calibrate import Cost, Noise, Power
from evolve.runs.replay import ReplayResult
from evolve.runs.results import of_split


@dataclass(frozen=True)
class Result:
    """The trials of one scaffold. `run`: the id of the run that holds them."""

    run: str
    trials: tuple[TrialResult, ...]

    @property
    def splits(self) -> tuple[Split, ...]:
        """The splits with trials that count."""
        return tuple(split for split in Split if any(t.counts for t in of_split(self.trials, split)))

    def score(self, split: Split | str) -> Score:
        """The mean reward on a split, in [0, 1], with the half width of its 95 % interval.

        Raises:
            BadInput: Nothing was measured on this split.
        """
        found = score(of_split(self.trials, split_of(split)))
        if found is None:
            measured = ", ".join(self.splits) or "there is none"
            raise BadInput(f"split {split}", "was not measured", f"use one of: {measured}")
        return found


@dataclass(frozen=True)
class Calibration:
    """What a suite can show about patches of one scaffold.

    `noise`: of the scaffold's score; `power`: what the gate would decide; `cost`: of the rounds that were asked for.
    """

    result: Result
    noise: Noise
    power: Power
    cost: Cost


@dataclass(frozen=True)
class Replay:
    """Trials that were run again.

    `recorded`: the trials as they are stored; `compared`: each with its offline replay; `live`: the trials of a live
    replay, None offline.
    """

    recorded: Result
    compared: tuple[ReplayResult, ...]
    live: Result | None = None

    @property
    def identical(self) -> bool:
        """Whether every offline replay did the same as the recorded trial; False for a live one."""
        return self.live is None and all(one.identical for one in self.compared)


def split_of(name: Split | str) -> Split:
    """The split of this name. Raises BadInput."""
    if name not in set(Split):
        raise BadInput(f"split {name!r}", "there is no such split", f"use one of: {', '.join(Split)}")
    return Split(name)
