"""Scores with their intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, variance

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.core.records import Split
from evolve.core.scores import INTERVAL_ERRORS, Score, least_error, score, score_of_moments
from evolve.gate.comparison import half_width
from evolve.pages.wording import with_interval
from evolve.report.gaps import percent_with_gain
from evolve.report.tables import percent
from evolve.web.overview import _score
from tests.fakes import result

rewards = st.lists(st.floats(0, 1), min_size=1, max_size=40)


def scored(means: Sequence[float]) -> Score:
    found = score(result(f"t-{n}", reward, split=Split.TRAIN) for n, reward in enumerate(means))
    assert found is not None
    return found


def test_the_error_counts_a_task_won_one_lost_and_one_undecided() -> None:
    # 36 tasks failed, half a task won, half a task lost, and one undecided.
    mean = (0.5 * 1 + 0.5 * 0 + 0.5) / 38
    square = (0.5 * 1 + 0.5**2) / 38
    expected = 196 * math.sqrt((square - mean**2) / 38)
    assert 100 * scored([0.0] * 36).half_width == pytest.approx(expected)
    assert percent(scored([0.0] * 36)) == "0.0 % (± 4.4 points)"
    assert with_interval(scored([1.0] * 36)) == "100.0 % ± 4.4"
    assert percent_with_gain(scored([1.0] * 36), 0.5) == "100.0 % (± 4.4 points; +50.0 over the seed)"


@pytest.mark.parametrize("reward", [0.0, 0.25, 1.0])
def test_tasks_that_are_all_alike_are_no_certainty(reward: float) -> None:
    widths = [scored([reward] * size).half_width for size in (1, 2, 8, 36, 500)]
    assert sorted(widths, reverse=True) == widths and widths[-1] > 0
    assert "± 0.0" not in with_interval(scored([reward] * 36))


@given(rewards)
def test_an_interval_is_never_narrower_than_that_of_the_tasks(means: list[float]) -> None:
    found = scored(means)
    own = math.sqrt(variance(means) / len(means)) if len(means) > 1 else 0.0
    assert found.mean == pytest.approx(fmean(means))
    assert found.half_width >= INTERVAL_ERRORS * own - 1e-6
    assert found.half_width > 0
    assert 0 <= found.low <= found.high <= 1


@given(rewards)
def test_wins_and_losses_are_treated_alike(means: list[float]) -> None:
    assert scored([1 - mean for mean in means]).half_width == pytest.approx(scored(means).half_width, abs=1e-6)


@given(rewards)
def test_a_page_computes_the_same_of_sums(means: list[float]) -> None:
    figures = {"reward": fmean(means), "square": fmean(mean**2 for mean in means), "tasks": len(means)}
    assert _score(figures) == pytest.approx(scored(means), abs=1e-6)
    assert _score({"reward": None, "square": None, "tasks": 0}) is None


def test_the_claim_has_the_same_pseudo_tasks() -> None:
    differences, tasks = np.ones(16), np.array([[0.0, 1.0]] * 16)
    quantile = 2.1314495
    assert half_width(differences, tasks) == pytest.approx(quantile * least_error(16, 16, 16, -1, 1))
    # Differences lie between -1 and 1, scores between 0 and 1: half as far.
    assert least_error(16, 16, 16, 0, 1) == pytest.approx(least_error(16, 16, 16, -1, 1) / 2)


def test_one_task_says_little() -> None:
    assert score_of_moments(1.0, 1.0, 1).low < 0.6
