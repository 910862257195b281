"""What a rule says of a challenger: which trials it needs, or what becomes of it and of the line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from evolve.core.config import GateConfig
from evolve.core.records import StackFate
from evolve.gate.plan import Part
from evolve.gate.prior import Floats


class Rule(Protocol):
    """What stands behind a standing: the line, or another rule that asks and decides in the same way.

    `own`: passes of the tip so far; `stacked`: how many patches lie between champion and tip.
    """

    @property
    def settings(self) -> GateConfig: ...
    @property
    def own(self) -> tuple[Floats, ...]: ...
    @property
    def stacked(self) -> int: ...
    def tip_is_vague(self) -> bool: ...
    def tip_measured(self, rewards: Floats) -> Rule: ...
    def judge(self, new: Floats, saving: float = 0.0, idle: bool = False) -> NeedPart | Ruling: ...


@dataclass(frozen=True)
class Assessment:
    """What a challenger came to, as shares of the mean reward: estimated effect and its standard error.

    `doubt`: the probability that the line as it would now be is worse than the champion by over a point.
    """

    effect: float
    error: float
    doubt: float
    trials: int


@dataclass(frozen=True)
class Ruling:
    """Whether the challenger is built upon, the fate of what is stacked (it included), and the line after it.

    `tip`: which of all that were taken so far, the seed first, has the next child; None where that follows.
    """

    taken: bool
    fate: StackFate
    finding: Assessment
    line: Rule
    why: str
    tip: int | None = None


@dataclass(frozen=True)
class NeedPart:
    """Trials that are needed next: a whole pass of the tip (`part` None), or a part of the challenger's."""

    part: Part | None
