"""Beliefs about the levels of a line of scaffolds, from the champion to the tip."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.gate.levels import Levels, Score
from evolve.gate.prior import EFFECTS, first_prior


def pair(mean: float, variance: float, lead: float, lead_variance: float, covariance: float) -> Levels:
    """A tip and its lead over the champion. `covariance`: of both."""
    champion, both = variance + lead_variance - 2 * covariance, variance - covariance
    return Levels(np.array([mean - lead, mean]), np.array([[champion, both], [both, variance]]))


def covariance_of_lead(level: Levels) -> float:
    """Of the tip's level and its lead over the champion."""
    return level.variance - float(level.covariances[0, -1])


def line() -> Levels:
    """Three scaffolds that were measured, the last one less than the others."""
    level = Levels.of(0.5, 10.0).after_tip_trials(Score(0.4, 0.03**2))
    for value in (0.5, 0.52):
        level = level.after_challenger(Score(value, 0.05**2), first_prior())[1].after_tip_trials(Score(value, 0.04**2))
    return level


def test_a_line_has_as_many_levels_as_covariances() -> None:
    with pytest.raises(ValueError, match="2 means with covariances"):
        Levels(np.zeros(2), np.eye(3))
    with pytest.raises(ValueError, match="0 means"):
        Levels(np.zeros(0), np.zeros((0, 0)))


def test_the_line_agrees_with_a_simulation() -> None:
    """Draw the line and a patch of its tip, keep the draws whose score is near: their moments are the belief's."""
    rng, before, weights = np.random.default_rng(0), line(), first_prior()
    draws = rng.multivariate_normal(before.means, before.covariances, 3_000_000)
    effect = rng.choice(EFFECTS, len(draws), p=weights)
    near = np.abs(draws[:, -1] + effect + rng.normal(0, 0.05, len(draws)) - 0.58) < 0.003
    dropped, taken = before.after_challenger(Score(0.58, 0.05**2), weights)
    kept = np.column_stack([draws, draws[:, -1] + effect])[near]
    assert dropped.means == pytest.approx(kept[:, :-1].mean(axis=0), abs=0.001)
    assert dropped.covariances == pytest.approx(np.cov(kept[:, :-1].T), abs=3e-5)
    assert taken.means == pytest.approx(kept.mean(axis=0), abs=0.001)
    assert taken.covariances == pytest.approx(np.cov(kept.T), abs=6e-5)
    assert taken.stacked == before.stacked + 1


@pytest.mark.parametrize("gain", [-0.9, -0.45, 0.22, 0.25, 0.5, 1.0])
def test_a_gain_that_no_effect_explains_is_the_effect_nearest_to_it(gain: float) -> None:
    expected = Levels.of(0.0, 1e-6).expected(Score(gain, 1e-6), first_prior())
    assert abs(expected - gain) == pytest.approx(np.abs(EFFECTS - gain).min())


def test_trials_of_the_champion_move_all_that_stands_on_it() -> None:
    before = line()
    after = before.after_champion_trials(Score(0.5, 0.02**2))
    assert (after.means > before.means).all() and after.means[0] - before.means[0] > after.mean - before.mean
    assert after.lead < before.lead
    joint = np.linalg.inv(np.linalg.inv(before.covariances) + np.diag([0.02**-2, 0, 0]))
    assert after.covariances == pytest.approx(joint, abs=1e-9), "as the product of two normal densities"


def test_going_back_forgets_the_scaffolds_after_a_place_and_nothing_else() -> None:
    level = line()
    assert [level.back_to(place).stacked for place in range(3)] == [0, 1, 2]
    back = level.back_to(1)
    assert (back.mean, back.variance, back.lead) == (
        level.means[1],
        level.covariances[1, 1],
        back.means[1] - back.means[0],
    )
    alone = level.back_to(0)
    assert (alone.lead, alone.lead_variance, alone.behind(0.0), alone.behind(0.01)) == (0.0, 0.0, 0.0, 1.0)
    assert level.as_champion().mean == level.mean and level.as_champion().stacked == 0


def test_the_best_of_what_comes_before_the_tip_is_found() -> None:
    level = Levels(np.array([0.3, 0.5, 0.4, 0.45]), 0.001 * np.eye(4) + 0.001)
    assert level.best_earlier() == 1
    assert level.behind(0.0, 1) > 0.5 > level.behind(0.0, 2) > level.behind(0.0, 0)


def test_a_fresh_gain_leaves_what_is_known_of_the_others() -> None:
    before = line()
    after = before.after_gain(0.2, 0.01)
    assert after.mean == pytest.approx(before.mean + 0.2) and after.variance == pytest.approx(0.01**2)
    assert after.means[:-1] == pytest.approx(before.means) and not after.covariances[-1, :-1].any()


@given(st.lists(st.tuples(st.sampled_from("tcdke"), st.floats(0, 1), st.floats(0.02, 0.3)), max_size=12))
def test_whatever_happens_the_belief_is_a_normal_one(steps: list[tuple[str, float, float]]) -> None:
    level = Levels.of(0.5, 10.0).after_tip_trials(Score(0.5, 0.05**2))
    for kind, value, error in steps:
        score = Score(value, error**2, 0.8)
        if kind == "t":
            level = level.after_tip_trials(score)
        elif kind == "c":
            level = level.after_champion_trials(score)
        elif kind == "e":
            level = level.in_new_epoch()
        else:
            level = level.after_challenger(score, first_prior())[kind == "k"]
        assert np.isfinite(level.means).all() and level.variance > 0
        assert np.linalg.eigvalsh(level.covariances).min() > -1e-9
        for place in range(level.stacked + 1):
            assert 0 <= level.behind(-0.01, place) <= level.behind(0.0, place) <= 1
            assert level.back_to(place).stacked == place
