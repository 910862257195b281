"""Settle the fate of a stack without a patch: tip and champion are measured side by side, on the same attempts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from evolve.core.records import Decision, StackFate, TrialResult, Verdict
from evolve.gate.ruling import Ruling
from evolve.gate.stack_rule import StackRule
from evolve.gate.standing import NeedTrials, Standing, TrialsOf, by_slot, rewards_of

# Of tip and champion, at the end of a run: at most so many, and one for every two rounds after the second.
LAST_PASSES = 8


@dataclass(frozen=True)
class Settled:
    """What has become of the stack. `doubt`: as in `Assessment`; `standing`: after it.

    `back_to`: the round whose candidate was the tip by then, if it is an earlier one; None: the tip of before.
    """

    fate: StackFate
    doubt: float
    standing: Standing
    back_to: int | None = None

    @property
    def words(self) -> str:
        """For the reason of a decision."""
        ends = {
            StackFate.OPEN: "",
            StackFate.PROMOTED: f"; side by side with the champion: {self._promoted}, doubt {100 * self.doubt:.1f} %",
            StackFate.GIVEN_UP: "; side by side with the champion: what is stacked is dropped, probably worse",
        }
        return ends[self.fate]

    @property
    def _promoted(self) -> str:
        return "champion" if self.back_to is None else f"round {self.back_to} is champion"


def compare(standing: Standing, tip: Sequence[TrialResult], champion: Sequence[TrialResult]) -> NeedTrials | Standing:
    """The standing after one more pass of tip and champion, if there is a stack; or the trials that this needs.

    A pass in which a new epoch began counts for nothing.

    Args:
        tip: All trials of the tip; champion: of the champion.
    """
    rule = standing.rule
    if not isinstance(rule, StackRule) or not rule.stacked:
        return replace(standing, idle=False)
    known, other = by_slot(standing.aims.valued(tip)), by_slot(standing.aims.valued(champion))
    parts = rule.next_tip_parts()
    slots = tuple(slot for part in parts for slot in standing.slots(part, standing.tip))
    if any(slot not in known or slot not in other for slot in slots):
        return NeedTrials((standing.tip.commit, standing.champion.commit), slots)
    rows = max(part.attempt for part in parts) + 1
    tips, champions = (
        rewards_of(standing, {slot: trials[slot] for slot in slots}, standing.first, rows) for trials in (known, other)
    )
    after = standing.with_trials([trials[slot] for slot in slots for trials in (known, other)])
    if after.first != standing.first:
        return after
    return replace(after, rule=rule.with_tip_trials(tips).with_champion_trials(champions), idle=False)


def last_passes(rounds: int) -> int:
    """How many passes of tip and champion may follow so many rounds: they cost no more than the rounds did.

    A pass costs as much as two or three rounds; a run of three rounds, to have a look, ends without one.
    """
    return min(max(rounds - 2, 0) // 2, LAST_PASSES)


def settle(standing: Standing, trials: TrialsOf, passes: int = LAST_PASSES) -> NeedTrials | Settled:
    """Decide about what is stacked by at most so many passes of tip and champion.

    A tip that gives way to an earlier scaffold of the stack leaves that one to be decided about.

    Args:
        trials: Gives all trials of a commit.

    Returns:
        The trials that are needed, or what has become of the stack: it may still be open.
    """
    first = standing.tip
    for done in range(passes + 1):
        rule = standing.rule
        if not isinstance(rule, StackRule) or not rule.stacked:
            break
        ruling, standing = _ruled(standing, rule)
        if ruling.fate is not StackFate.OPEN or done == passes:
            back_to = None if ruling.fate is StackFate.GIVEN_UP or standing.tip == first else standing.tip.round
            return Settled(ruling.fate, ruling.assessment.doubt, standing.after(ruling, standing.tip), back_to)
        after = compare(standing, trials(standing.tip.commit), trials(standing.champion.commit))
        if isinstance(after, NeedTrials):
            return after
        standing = after
    return Settled(StackFate.OPEN, 0.0, standing)


def _ruled(standing: Standing, rule: StackRule) -> tuple[Ruling, Standing]:
    """The ruling on the stack, and the standing before it, once no tip gives way to another one of the stack."""
    while (ruling := rule.ruling_on_stack()).left:
        standing = standing.after(ruling, standing.tip)
        assert isinstance(ruling.rule, StackRule)
        rule = ruling.rule
    return ruling, standing


def decision_after(decision: Decision, settled: Settled) -> Decision:
    """The decision on a round after which the stack was settled."""
    if settled.fate is StackFate.OPEN:
        return decision
    taken, reason = decision.verdict is Verdict.STACK and settled.back_to is None, decision.reason + settled.words
    evidence = decision.evidence and replace(decision.evidence, doubt=settled.doubt)
    if taken and settled.fate is StackFate.PROMOTED:
        return Decision(Verdict.KEEP, reason, evidence=evidence)
    return Decision(Verdict.REVERT, reason, settled.fate, evidence, back_to=settled.back_to)


def decisions_after(decisions: Sequence[Decision], settled: Settled) -> tuple[Decision, ...]:
    """The decisions on a race after which the stack was settled: that of its winner, or the last one, says so."""
    places = [place for place, decision in enumerate(decisions) if decision.verdict is Verdict.STACK]
    chosen = places[0] if places else len(decisions) - 1
    return tuple(
        decision_after(decision, settled) if place == chosen else decision for place, decision in enumerate(decisions)
    )
