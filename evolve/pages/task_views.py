"""Tasks by candidates as pages show them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from evolve.core.records import Split


class CellState(StrEnum):
    """What a candidate's trials at one task show. FAULTS: only infrastructure errors, which are no evidence."""

    NOT_MEASURED = "not measured"
    FAULTS = "faults only"
    PASSED = "passed"
    PARTLY = "partly passed"
    FAILED = "failed"


@dataclass(frozen=True)
class TaskLine:
    """One task of the suite. `excluded`: why the run does without it."""

    name: str
    split: Split
    difficulty: str
    digest: str
    excluded: str | None = None

    @property
    def split_order(self) -> int:
        return list(Split).index(self.split)


@dataclass(frozen=True)
class Cell:
    """A candidate's trials at one task: those that count, those that passed, their mean reward; faults."""

    trials: int = 0
    passes: int = 0
    reward: float | None = None
    faults: int = 0

    @property
    def state(self) -> CellState:
        if not self.trials or self.reward is None:
            return CellState.FAULTS if self.faults else CellState.NOT_MEASURED
        if self.passes == self.trials:
            return CellState.PASSED
        return CellState.PARTLY if self.passes or self.reward > 0 else CellState.FAILED

    @property
    def shade(self) -> str:
        """The name of its colour: by state, and where some passed by their mean reward."""
        if self.state is CellState.PARTLY:
            return "most" if self.reward is not None and self.reward >= 0.5 else "some"
        return {CellState.NOT_MEASURED: "none", CellState.FAULTS: "faults"}.get(self.state, str(self.state))

    @property
    def words(self) -> str:
        """What the cell says."""
        if not self.trials:
            return f"{self.state}: {self.faults} infrastructure errors" if self.faults else str(self.state)
        return f"{self.passes} of {self.trials} passed"


@dataclass(frozen=True)
class TaskGrid:
    """Tasks by candidates. `rounds`: the columns; `left_out`: how many candidates are not among them."""

    tasks: tuple[TaskLine, ...]
    rounds: tuple[int, ...]
    cells: Mapping[tuple[str, int], Cell]
    left_out: int = 0

    def cell(self, task: str, number: int) -> Cell:
        """The cell of a task and a round; one without trials if nothing was measured."""
        return self.cells.get((task, number), Cell())
