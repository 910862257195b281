"""What scaffolds share that run on the seeds of one tip."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.gate.prior import Floats
from evolve.gate.ruling import Ruling
from evolve.gate.seed_history import SeedHistory
from evolve.gate.shared_luck import SharedLuck
from evolve.gate.stack_rule import StackRule
from tests.test_gate_levels import covariance_of_lead, pair
from tests.test_gate_stack_rule import PASSES, begun, rewards

CORRELATION = 0.25


def test_a_tip_may_have_more_passes_than_its_challengers() -> None:
    history = SeedHistory.begin(passes=2, tasks=3)
    for _ in range(3):
        history = history.with_tip_trials(np.vstack([np.full((len(history.own), 3), np.nan), np.ones(3)]))
    assert len(history.own) == 3
    assert history.counts.tolist() == [[1, 1, 1]] * 3
    assert not history.for_next_tip().own


def test_trials_of_the_tip_may_be_of_some_tasks_only() -> None:
    history = SeedHistory.begin(2, 2)
    for some in ([np.nan, 1.0], [0.0, np.nan]):
        history = history.with_tip_trials(np.array([some]))
    assert np.array(history.own).tolist() == [[0.0, 1.0]]
    assert history.counts.tolist() == [[1, 1], [0, 0]]


def test_what_a_scaffold_is_better_by_is_no_luck() -> None:
    tip = SeedHistory.begin(1, 2).with_tip_trials(np.array([[0.0, 1.0]]))
    history = tip.with_rewards(np.array([[1.0, np.nan]]), 0.4)
    assert history.means() == pytest.approx(np.array([[0.3, 1.0]]))


@given(st.integers(1, 12), st.floats(0.01, 0.95), st.integers(0, 1000))
def test_shares_are_the_best_linear_prediction(count: int, correlation: float, seed: int) -> None:
    """No other multiple of the mean of `count` values predicts the next one with a smaller expected square."""
    history = SeedHistory.begin(1, 1)
    for _ in range(count):
        history = history.with_rewards(np.zeros((1, 1)), 0.0)
    share = float(history.shares(correlation)[0, 0])
    variance_of_mean = (1 + (count - 1) * correlation) / count

    def error(multiple: float) -> float:
        return 1 - 2 * multiple * correlation + multiple**2 * variance_of_mean

    other = share + float(np.random.default_rng(seed).normal(0, 0.2))
    assert error(share) <= error(other) + 1e-12
    assert error(share) == pytest.approx(1 - correlation * share)


def stacked(correlation: float) -> StackRule:
    """A tip just taken, without trials of its own; scaffolds are known to share luck."""
    line = begun()
    line = replace(line, luck=SharedLuck(1e6 * correlation, 1e6))
    said = line.judge(np.where(rewards(0.5, PASSES, 12) > 0, 1.0, 0.0))
    assert isinstance(said, Ruling) and said.taken
    level = said.rule.level
    return replace(said.rule, level=pair(level.mean, level.variance, 0.03, 0.002, covariance_of_lead(level)))


def after_a_streak(line: StackRule, same: Floats) -> float:
    """The probability that the tip is worse than the champion, once 14 challengers had the same rewards."""
    for _ in range(14):
        said = line.judge(same)
        assert isinstance(said, Ruling) and not said.taken
        line = said.rule
    return line.level.behind(-0.01)


def test_challengers_on_the_same_unlucky_seeds_are_one_witness_not_many() -> None:
    unlucky = rewards(0.25, PASSES, 3)
    doubts = {correlation: after_a_streak(stacked(correlation), unlucky) for correlation in (0.0, CORRELATION)}
    before = stacked(0.0).level.behind(-0.01)
    assert before < doubts[CORRELATION] < before + (doubts[0.0] - before) / 2
