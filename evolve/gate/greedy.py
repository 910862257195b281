"""A rule without statistics, to compare with: a patch is kept if it scores higher than the champion once did."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from evolve.core.gate_config import GateConfig
from evolve.core.records import StackFate
from evolve.gate.plan import Part, SuitePlan
from evolve.gate.prior import Floats
from evolve.gate.ruling import Assessment, NeedPart, Ruling


@dataclass(frozen=True)
class Greedy:
    """Strict hill climbing on the stored score, `settings.attempts` at each task; there is no stack.

    The champion's lucky trials stay its score, as in most loops that do without a test: so it reports too much. `own`:
    passes of the seed scaffold alone. A champion taken later is never measured again.
    """

    settings: GateConfig
    plan: SuitePlan
    own: tuple[Floats, ...] = ()
    score: float | None = None
    stacked: int = 0

    def tip_needs_trials(self) -> bool:
        return self.score is None

    def with_tip_pass(self, rewards: Floats) -> Greedy:
        own = (*self.own, rewards)
        return replace(self, own=own, score=float(np.mean(own)) if len(own) == self.settings.attempts else None)

    def judge(self, new: Floats, saving: float = 0.0, idle: bool = False) -> NeedPart | Ruling:
        """Judge a challenger; `new`: as for `StackRule.judge`, nothing else makes a difference."""
        if asked := whole_passes(self.plan, new[: self.settings.attempts]):
            return asked
        assert self.score is not None
        seen = new[: self.settings.attempts]
        effect, error = float(seen.mean()) - self.score, float(seen.std() / np.sqrt(seen.size / 2))
        assessment = Assessment(effect, error, 0.0, seen.size)
        if effect <= 0:
            return Ruling(False, StackFate.OPEN, assessment, self, "not above the champion's score")
        after = replace(self, score=float(seen.mean()))
        return Ruling(True, StackFate.PROMOTED, assessment, after, "above the champion's score")


def whole_passes(plan: SuitePlan, wanted: Floats) -> NeedPart | None:
    """The next pass over all tasks that is missing in `wanted`, passes x tasks; None if none is."""
    missing = np.flatnonzero(np.isnan(wanted).any(axis=1))
    return NeedPart(Part(int(missing[0]), tuple(range(plan.count)))) if len(missing) else None
