"""Rules without a single line: every scaffold that solves something stays, and any of them may be the next parent."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from evolve.core.gate_config import GateConfig
from evolve.core.records import StackFate, stable_hash
from evolve.gate.greedy import whole_passes
from evolve.gate.plan import SuitePlan
from evolve.gate.prior import Floats
from evolve.gate.ruling import Assessment, NeedPart, Ruling
from evolve.gate.select import STRATEGIES, Member, ancestors, best, descendants


@dataclass(frozen=True)
class Population:
    """Every scaffold has `settings.attempts` at each task, all on the same seeds; the highest score is champion.

    To compare with: that score is the one it was chosen by, and nothing says how sure it is. `salt` makes the choice of
    parents a function of the run's seed. `tip`: the parent's place among the members; `judged`: rounds so far.
    """

    settings: GateConfig
    plan: SuitePlan
    salt: int
    members: tuple[Member, ...] = ()
    own: tuple[Floats, ...] = ()
    tip: int = 0
    judged: int = 0
    stacked: int = 0

    def tip_needs_trials(self) -> bool:
        """The seed scaffold alone is ever: all others have their trials when they come in."""
        return not self.members

    def with_tip_pass(self, rewards: Floats) -> Population:
        own = (*self.own, rewards)
        if len(own) < self.settings.attempts:
            return replace(self, own=own)
        return replace(self, own=(), members=(Member(None, np.array(own)),))

    def judge(self, new: Floats, saving: float = 0.0, idle: bool = False) -> NeedPart | Ruling:
        """Judge a challenger; `new`: as for `StackRule.judge`, nothing else makes a difference."""
        if asked := whole_passes(self.plan, new[: self.settings.attempts]):
            return asked
        child, parent = Member(self.tip, new[: self.settings.attempts]), self.members[self.tip]
        stays = child.score > 0
        members = (*self.members, child) if stays else self.members
        promoted = stays and child.score > self.members[best(self.members)].score
        error = float(child.rewards.std() * np.sqrt(2 / child.rewards.size))
        assessment = Assessment(child.score - parent.score, error, 0.0, child.rewards.size)
        why = "the highest score so far" if promoted else "stays in the archive" if stays else "solves nothing"
        after = replace(self, members=members, judged=self.judged + 1)
        after = replace(after, tip=after._choose_parent())
        return Ruling(stays, StackFate.PROMOTED if promoted else StackFate.OPEN, assessment, after, why, after.tip)

    def other_branch(self) -> int | None:
        """The place of the highest score that is neither an ancestor nor a descendant of the tip; None without one."""
        line = {*ancestors(self.members, self.tip)} | descendants(self.members, self.tip)
        apart = [place for place in range(len(self.members)) if place not in line]
        return max(apart, key=lambda place: self.members[place].score, default=None)

    def _choose_parent(self) -> int:
        dice = np.random.default_rng(stable_hash(self.salt, "parent", self.judged))
        return STRATEGIES[self.settings.rule](self.members, dice)
