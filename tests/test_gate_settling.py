"""Tip and champion side by side: what is stacked is decided without a patch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from evolve.core.records import Decision, Evidence, StackFate, TrialResult, Verdict
from evolve.gate import NeedTrials, Standing
from evolve.gate.levels import Score
from evolve.gate.settling import LAST_PASSES, Settled, decision_after, decisions_after, settle
from evolve.gate.split_levels import SplitLevels
from tests.test_gate_levels import covariance_of_lead, pair
from tests.test_gate_standing import NEXT, PATCH, SEED, Reward, begun, rate, ruled, three_in_line, trials

STACK = Decision(Verdict.STACK, "good", evidence=Evidence(0.1, 0.1, 0.1))


def stacked() -> Standing:
    """A patch is stacked that was lucky: nothing is known of its own level."""
    standing, tip = begun()
    said = ruled(standing, PATCH, tip, rate(0.75, "lucky"))
    assert said.standing.tip == PATCH
    known = said.standing.rule.level  # type: ignore[attr-defined]
    level = pair(known.mean, known.variance, 0.03, 0.01, 0.005)
    return replace(said.standing, rule=replace(said.standing.rule, level=level))  # type: ignore[type-var]


def settled(standing: Standing, tip: Reward, champion: Reward, passes: int = LAST_PASSES) -> tuple[Settled, int]:
    """What becomes of the stack, and how many slots that took."""
    own, other = list[TrialResult](), list[TrialResult]()
    by_commit = {PATCH.commit: own, SEED.commit: other}
    while isinstance(said := settle(standing, by_commit.__getitem__, passes), NeedTrials):
        assert said.commits == (PATCH.commit, SEED.commit)
        own += trials(said, tip)
        other += trials(NeedTrials(said.commits[1:], said.slots), champion)
    again = settle(standing, by_commit.__getitem__, passes)
    assert isinstance(again, Settled) and (again.fate, again.doubt) == (said.fate, said.doubt), "the same from the rows"
    return said, len(own)


def test_a_stack_that_is_better_becomes_champion_and_one_that_is_worse_is_left() -> None:
    better, count = settled(stacked(), rate(0.95, "tip"), rate(0.4, "seed"))
    assert better.fate is StackFate.PROMOTED
    assert better.standing.champion == better.standing.tip == PATCH
    assert better.doubt <= 0.01
    assert count <= LAST_PASSES * 20
    worse, _ = settled(stacked(), rate(0.1, "tip"), rate(0.6, "seed"))
    assert worse.fate is StackFate.GIVEN_UP
    assert worse.standing.champion == worse.standing.tip == SEED


def test_a_tip_that_gives_way_leaves_an_earlier_scaffold_to_be_decided_about() -> None:
    standing, _ = three_in_line()
    rates = {SEED.commit: 0.3, PATCH.commit: 0.9, NEXT.commit: 0.2}
    known: dict[str, list[TrialResult]] = {commit: [] for commit in rates}
    while isinstance(said := settle(standing, known.__getitem__), NeedTrials):
        for commit in said.commits:
            known[commit] += trials(NeedTrials((commit,), said.slots), rate(rates[commit], commit))
    assert (said.fate, said.back_to) == (StackFate.PROMOTED, 1)
    assert said.standing.champion == said.standing.tip == PATCH
    decision = decision_after(STACK, said)
    assert (decision.verdict, decision.fate, decision.back_to) == (Verdict.REVERT, StackFate.PROMOTED, 1)
    assert decision.crowns and "side by side with the champion: round 1 is champion" in decision.reason


def test_what_so_few_passes_cannot_decide_stays_open() -> None:
    same, count = settled(stacked(), rate(0.5, "tip"), rate(0.5, "seed"), passes=1)
    assert (same.fate, count) == (StackFate.OPEN, 20)
    assert same.standing.tip == PATCH


def test_without_a_stack_nothing_is_run() -> None:
    standing, _ = begun()
    said = settle(standing, lambda commit: [], LAST_PASSES)
    assert isinstance(said, Settled) and said.standing is standing


def test_champions_trials_update_the_levels_as_joint_normals_do() -> None:
    dice = np.random.default_rng(3)
    level = pair(0.5, 0.004, 0.05, 0.006, 0.001)
    cov = np.array([[0.004, 0.001], [0.001, 0.006]])
    draws = dice.multivariate_normal([level.mean, level.lead], cov, 2_000_000)
    seen = 0.8 * draws[:, 0] - draws[:, 1] + dice.normal(0, 0.05, len(draws))
    near = draws[np.abs(seen - 0.42) < 0.003]
    after = level.after_champion_trials(Score(0.42, 0.05**2, 0.8))
    assert (after.mean, after.lead) == pytest.approx(near.mean(axis=0), abs=0.002)
    assert (after.variance, after.lead_variance) == pytest.approx(near.var(axis=0), rel=0.05)
    assert covariance_of_lead(after) == pytest.approx(np.cov(near.T)[0, 1], rel=0.1)


def test_champions_trials_tell_of_its_own_splits() -> None:
    splits = replace(SplitLevels.begin(14, 6), mean=np.array([0.4, 0.4, 0.6, 0.6]), covariance=0.01 * np.eye(4))
    after = splits.after_champion_trials([None, Score(0.6, 0.001)])
    assert after.mean[1] > 0.55 and after.mean[[2, 3, 0]] == pytest.approx([0.6, 0.6, 0.4])
    assert after.behind(-0.01) > splits.behind(-0.01)


@pytest.mark.parametrize(
    ("before", "fate", "after"),
    [
        (STACK, StackFate.PROMOTED, (Verdict.KEEP, StackFate.OPEN)),
        (STACK, StackFate.GIVEN_UP, (Verdict.REVERT, StackFate.GIVEN_UP)),
        (Decision(Verdict.REVERT, "bad"), StackFate.PROMOTED, (Verdict.REVERT, StackFate.PROMOTED)),
        (STACK, StackFate.OPEN, (Verdict.STACK, StackFate.OPEN)),
    ],
)
def test_the_rounds_decision_says_what_became_of_the_stack(before: Decision, fate: StackFate, after: Any) -> None:
    standing, _ = begun()
    said = decision_after(before, Settled(fate, 0.004, standing))
    assert (said.verdict, said.fate) == after
    assert said.crowns is (fate is StackFate.PROMOTED)
    if fate is StackFate.PROMOTED:
        assert "doubt 0.4 %" in said.reason
    if said.verdict is Verdict.KEEP:
        assert said.evidence == Evidence(0.1, 0.1, 0.004)


def test_of_a_race_the_winner_tells() -> None:
    standing, _ = begun()
    lost = Decision(Verdict.REVERT, "behind")
    said = decisions_after([STACK, lost], Settled(StackFate.PROMOTED, 0.0, standing))
    assert [one.verdict for one in said] == [Verdict.KEEP, Verdict.REVERT]
    said = decisions_after([lost, lost], Settled(StackFate.PROMOTED, 0.0, standing))
    assert [one.fate for one in said] == [StackFate.OPEN, StackFate.PROMOTED]
