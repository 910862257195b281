"""Null copies: unchanged copies of the tip, judged like patches, show how often the gate keeps what is no better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from evolve.core.gate_config import GateConfig
from evolve.core.records import Decision, TrialResult, Verdict, stable_hash
from evolve.gate.deciding import judge
from evolve.gate.ruling import Rule
from evolve.gate.shared_luck import SharedLuck
from evolve.gate.stack_rule import StackRule
from evolve.gate.standing import Entrant, NeedTrials, Standing

FATES = {
    Verdict.REVERT: "would have been dropped",
    Verdict.STACK: "would have been built upon",
    Verdict.KEEP: "would have become champion",
}


def is_null_round(number: int, seed: int, settings: GateConfig) -> bool:
    """Whether a round judges a null copy: one of each 1 / `null_share` rounds, at a place that `seed` decides.

    It is in the second half of these rounds, so that a short run spends nothing on it.
    """
    if settings.rule != "evolve" or not settings.null_share or number < 1:
        return False
    length = round(1 / settings.null_share)
    block, place = divmod(number - 1, length)
    return place == length - 1 - stable_hash(seed, "null copy", block) % max(length // 2, 1)


def judge_copy(standing: Standing, copy: Entrant, tip: Sequence[TrialResult]) -> NeedTrials | Decision:
    """Judge a copy of the tip as if it were a patch of it; the standing stays as it is.

    The copy runs on attempts of its own: on the tip's, a model that heeds seeds would make the two identical. So the
    rule is asked as one that knows of no luck in common; and as one with an empty stack, so that only the copy's own
    trials can make it champion.

    Args:
        standing: That of the round.
        copy: The copy with all its trials.
        tip: All trials of the tip.

    Returns:
        The trials that are needed first; or the decision, whose `would_be` is the verdict.
    """
    alone = replace(standing, rule=_as_champion(standing.rule), champion=standing.tip)
    answer = judge(alone, [replace(copy, own_attempts=True)], tip)
    if isinstance(answer, NeedTrials):
        return answer
    (decision,) = answer.decisions
    reason = f"null copy, {FATES[decision.verdict]}: {decision.reason}"
    return Decision(Verdict.REVERT, reason, evidence=decision.evidence, would_be=decision.verdict)


def _as_champion(rule: Rule) -> Rule:
    if not isinstance(rule, StackRule):
        return rule
    splits = rule.splits and rule.splits.after_promotion()
    return replace(rule, luck=SharedLuck(), level=rule.level.as_champion(), earlier=(), splits=splits)
