"""A rule's answer on a challenger: which trials it needs, or the ruling on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from evolve.core.gate_config import GateConfig
from evolve.core.records import StackFate
from evolve.gate.plan import Part, SuitePlan
from evolve.gate.prior import Floats


class Rule(Protocol):
    """A rule: it asks for trials until it can decide. A value: each step gives a new one.

    `own`: passes of the tip so far; `stacked`: how many patches lie between champion and tip.
    """

    @property
    def settings(self) -> GateConfig: ...
    @property
    def plan(self) -> SuitePlan: ...
    @property
    def own(self) -> tuple[Floats, ...]: ...
    @property
    def stacked(self) -> int: ...
    def tip_needs_trials(self) -> bool: ...
    def with_tip_pass(self, rewards: Floats) -> Rule: ...
    def judge(self, new: Floats, saving: float = 0.0, idle: bool = False) -> NeedPart | Ruling: ...


class RuleMaker(Protocol):
    """Make a rule for a new run: a function, or a class of rules.

    `plan`: the suite as the rule sees it; `salt`: the run's seed, for random choices.
    """

    def __call__(self, settings: GateConfig, plan: SuitePlan, salt: int) -> Rule: ...


@dataclass(frozen=True)
class Assessment:
    """The evidence on a challenger, as shares of the mean reward: estimated effect and its standard error.

    `doubt`: the probability that the tip after it is worse than the champion by over a point. `lead`: the estimated
    effect of the whole stack against the champion, and `lead_error` its standard error; None without a stack.
    """

    effect: float
    error: float
    doubt: float
    trials: int
    lead: float | None = None
    lead_error: float = 0.0


@dataclass(frozen=True)
class Ruling:
    """Whether the challenger is built upon, the fate of the stack (it included), and the rule after it.

    `tip`: which of all scaffolds taken so far, the seed first, is the next parent; None where that follows. `left`: how
    many of the patches stay stacked, if others are given up.
    """

    taken: bool
    fate: StackFate
    assessment: Assessment
    rule: Rule
    why: str
    tip: int | None = None
    left: int = 0


@dataclass(frozen=True)
class NeedPart:
    """Trials that are needed next: a whole pass of the tip (`part` None), or a part of the challenger's.

    of_tip: the part is the tip's.
    """

    part: Part | None
    of_tip: bool = False
