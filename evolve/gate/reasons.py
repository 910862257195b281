"""A ruling as the decision that is stored, with its reason in words."""

from __future__ import annotations

from collections.abc import Sequence

from evolve.core.records import Candidate, Decision, Evidence, StackFate, TrialResult, Verdict
from evolve.core.scores import INTERVAL_ERRORS
from evolve.gate.ruling import Assessment, Ruling
from evolve.gate.standing import Standing, tip_slots
from evolve.gate.stated import StatedEffect, stated_effect
from evolve.gate.voids import slot_of


def decision_on(
    standing: Standing, ruling: Ruling, shown: Sequence[TrialResult], tip: Sequence[TrialResult]
) -> Decision:
    """The decision on a patch that was ruled upon.

    Args:
        standing: That before the ruling.
        shown: The trials on which the patch was judged.
        tip: All trials of the tip.
    """
    stated, evidence, promoted = (
        _stated(standing, ruling, shown, tip),
        ruling.assessment,
        ruling.fate is StackFate.PROMOTED,
    )
    verdict = Verdict.REVERT if not ruling.taken else Verdict.KEEP if promoted else Verdict.STACK
    fate = ruling.fate if verdict is Verdict.REVERT else StackFate.OPEN
    stacked = standing.rule.stacked + ruling.taken
    lead = "" if evidence.lead is None else f" ({_lead(standing.champion, evidence)})"
    ends = {
        StackFate.OPEN: f"; {stacked} stacked, doubt {100 * evidence.doubt:.0f} %{lead}" if stacked else "",
        StackFate.PROMOTED: f"; champion with {stacked} stacked, doubt {100 * evidence.doubt:.1f} %{lead}",
        StackFate.GIVEN_UP: f"; {_given_up(standing, ruling)}",
    }
    back_to = standing.line[ruling.left].round if ruling.left else None
    effect = f"{_points(stated.effect, stated.error)} against round {stated.parent}"
    reason = f"{effect} after {evidence.trials} trials: {ruling.why}"
    if standing.rule.settings.rule != "evolve":
        return Decision(verdict, reason, fate)
    found = Evidence(stated.effect, stated.error, evidence.doubt)
    return Decision(verdict, reason + ends[ruling.fate], fate, found, back_to=back_to)


def _stated(
    standing: Standing, ruling: Ruling, shown: Sequence[TrialResult], tip: Sequence[TrialResult]
) -> StatedEffect:
    """The effect as it is stated; the rule's own estimate where too few tasks have trials of both.

    It is made of the trials that the rule has asked for, so that later ones change no decision.
    """
    names, asked = [task.name for task in standing.tasks], tip_slots(standing, tip)
    before = [trial for trial in standing.aims.valued(tip) if slot_of(trial) in asked]
    stated = stated_effect(standing.tip, before, shown, names)
    estimate = ruling.assessment
    return stated or StatedEffect(estimate.effect, estimate.error, standing.tip.round)


def _given_up(standing: Standing, ruling: Ruling) -> str:
    """Which of the stacked patches are given up."""
    if not ruling.left:
        return f"the {standing.rule.stacked} stacked are dropped too: probably worse than the champion"
    gone = standing.rule.stacked - ruling.left
    return f"back to round {standing.line[ruling.left].round}, probably better without the {gone} stacked since then"


def _points(effect: float, error: float) -> str:
    """An effect in points with its 95 % interval. `error`: its standard error."""
    return f"{100 * effect:+.1f} ± {100 * INTERVAL_ERRORS * error:.1f} points"


def _lead(champion: Candidate, evidence: Assessment) -> str:
    """What all stacked patches together are estimated to bring, as no patch's own effect."""
    return f"the stack: {_points(evidence.lead or 0.0, evidence.lead_error)} over the champion, round {champion.round}"
