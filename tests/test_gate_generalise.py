"""Support by validation: beliefs about train and validation apart, and what follows from them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolve.core.gate_config import GateConfig
from evolve.core.records import StackFate
from evolve.gate.generalise import Generalisation, Support, support
from evolve.gate.levels import Score
from evolve.gate.plan import Part, plan
from evolve.gate.prior import EFFECTS, first_prior
from evolve.gate.ruling import NeedPart, Ruling
from evolve.gate.split_levels import JUMPS, SplitEvidence, SplitLevels
from evolve.gate.stack_rule import StackRule

TRAIN, VALIDATION, PASSES = 28, 16, 8
TASKS = TRAIN + VALIDATION
SPREAD2 = 0.2


def scores(train: float, validation: float, passes: int = 1) -> list[Score]:
    sizes = (TRAIN, VALIDATION)
    return [Score(value, SPREAD2 / size / passes) for value, size in zip((train, validation), sizes, strict=True)]


def measured(passes: int = 4) -> Generalisation:
    """A tip at 30 % on both splits."""
    begun = Generalisation.begin(TRAIN, VALIDATION)
    assert begun is not None
    return begun.after_tip_trials(scores(0.3, 0.3, passes))


def evidence(train: float, validation: float, passes: int = 1) -> SplitEvidence:
    """Of a challenger with these effects."""
    return measured().evidence(scores(0.3 + train, 0.3 + validation, passes), first_prior())


def test_a_gain_on_train_alone_is_told_from_a_gain_on_both() -> None:
    assert evidence(0.7, -0.14).train_only > 0.95
    assert evidence(0.5, 0.5).train_only < 0.05
    assert evidence(0.2, 0.0, passes=8).train_only > 0.8
    assert evidence(0.2, 0.2, passes=8).train_only < 0.1


def test_a_small_gain_is_not_suspected() -> None:
    assert support(evidence(0.05, 0.0)) is Support.YES
    assert support(evidence(0.05, 0.02, passes=4)) is Support.YES


def test_validation_is_asked_until_it_is_clear() -> None:
    assert support(SplitEvidence(0.2, 0.1, 0.5)) is Support.UNCLEAR
    assert support(SplitEvidence(0.2, 0.1, 0.5), last=True) is Support.YES
    assert support(SplitEvidence(0.2, 0.1, 0.8), last=True) is Support.NO
    assert support(SplitEvidence(0.2, 0.1, 0.95)) is Support.NO


@settings(max_examples=60, deadline=None)
@given(st.floats(0.1, 0.65), st.floats(0.0, 0.6), st.floats(0.0, 0.3), st.integers(1, 8))
def test_more_on_validation_never_makes_a_patch_more_suspect(
    train: float, validation: float, more: float, passes: int
) -> None:
    before, after = (evidence(train, value, passes).train_only for value in (validation, validation + more))
    assert after <= before + 1e-9


@pytest.mark.parametrize("gain", [0.3, 0.6, 0.95])
def test_a_gain_on_both_splits_is_none_on_train_alone_however_precise_it_is(gain: float) -> None:
    precise = [Score(0.02, 1e-7), Score(0.02, 1e-7)]
    belief = SplitLevels.begin(TRAIN, VALIDATION).after_tip_trials(precise)
    jumped = [Score(0.02 + gain, 1e-7), Score(0.02 + gain, 1e-7)]
    assert belief.after_challenger(jumped, first_prior(), 0.5)[2].train_only < 0.01
    memorised = [Score(0.02 + gain, 1e-7), Score(0.02, 1e-7)]
    assert belief.after_challenger(memorised, first_prior(), 0.5)[2].train_only > 0.95


step = st.tuples(st.sampled_from(["tip", "drop", "take", "promote", "give up"]), st.floats(0, 1), st.floats(0, 1))


@settings(max_examples=60, deadline=None)
@given(st.lists(step, max_size=25))
def test_beliefs_stay_possible_whatever_happens(steps: list[tuple[str, float, float]]) -> None:
    belief, prior = measured(1), first_prior()
    for kind, train, validation in steps:
        seen = scores(train, validation)
        if kind == "tip":
            belief = belief.after_tip_trials(seen)
        elif kind == "drop":
            belief = belief.after_dropped(seen[: 1 if train < 0.3 else 2], prior)
        elif kind == "take":
            belief = belief.after_taken(seen, prior)
        else:
            belief = belief.after_promotion() if kind == "promote" else belief.after_going_back(0)
        assert np.isfinite(belief.levels.mean).all()
        assert np.linalg.eigvalsh(belief.levels.covariance).min() > -1e-9
        assert 0 <= belief.levels.behind(-0.01) <= belief.levels.behind(0.0) <= 1
        assert 0 <= belief.evidence(seen, prior).train_only <= 1


def test_the_belief_agrees_with_a_simulation() -> None:
    """Draw levels and effects from the belief, keep the draws whose scores are near: their moments are its."""
    rng, draws, suspicion = np.random.default_rng(0), 3_000_000, 0.5
    start = SplitLevels.begin(TRAIN, VALIDATION).after_tip_trials(scores(0.3, 0.3, 4))
    tip = rng.multivariate_normal(start.mean[:2], start.covariance[:2, :2], draws)
    kind = rng.choice(4, draws, p=(1 - 1.2 * suspicion, suspicion, 0.1 * suspicion, 0.1 * suspicion))
    effect, jump = rng.choice(EFFECTS, draws, p=first_prior()), rng.choice(JUMPS, draws)
    uneven = rng.normal(0, 1, (draws, 2)) * np.abs(effect)[:, None] / np.sqrt([TRAIN, VALIDATION])
    alike = np.repeat(effect[:, None], 2, axis=1) + uneven
    shares = np.array([[0, 0], [1, 0], [1, 0.5], [1, 1]])[kind]
    gains = np.where(kind[:, None] == 0, alike, jump[:, None] * shares)
    seen = scores(0.5, 0.4)
    noisy = tip + gains + rng.normal(0, 1, (draws, 2)) * np.sqrt([score.error2 for score in seen])
    near = (np.abs(noisy - [0.5, 0.4]) < 0.015).all(axis=1)
    dropped, taken, found = start.after_challenger(seen, first_prior(), suspicion)
    assert found.train_only == pytest.approx((kind[near] == 1).mean(), abs=0.02)
    assert dropped.mean[:2] == pytest.approx(tip[near].mean(axis=0), abs=0.004)
    assert taken.mean[2:] == pytest.approx((tip + gains)[near].mean(axis=0), abs=0.006)
    assert taken.lead == pytest.approx(tuple(gains[near].mean(axis=0)), abs=0.006)
    covariance = np.cov((tip + gains)[near].T)
    assert taken.covariance[2:, 2:] == pytest.approx(covariance, abs=0.0008)


def begun(**values: Any) -> StackRule:
    """A rule whose seed scaffold passes 30 % of all trials, exactly."""
    chosen = GateConfig(**values)
    train, validation = list(range(TRAIN)), list(range(TRAIN, TASKS))
    rule = StackRule.begin(chosen, plan(train[::2], train, validation, chosen.passes))
    for number in range(4):
        rule = rule.with_tip_pass(passed(0.3, 0.3, number)[0])
    return rule


def passed(train: float, validation: float, seed: int = 7) -> Any:
    dice = np.random.default_rng(seed)
    rates = np.array([train] * TRAIN + [validation] * VALIDATION)
    return (dice.random((PASSES, TASKS)) < rates).astype(float)


def test_more_trials_on_validation_are_asked_for_before_a_doubtful_patch_is_taken() -> None:
    new = np.full((PASSES, TASKS), np.nan)
    new[0, :TRAIN] = 1.0
    new[0, TRAIN:] = np.arange(VALIDATION) % 2
    assert begun().judge(new) == NeedPart(Part(1, tuple(range(TRAIN, TASKS))))
    off = begun(generalise=False).judge(new)
    assert isinstance(off, Ruling) and off.taken
    new[1, TRAIN:] = 1.0
    after = begun().judge(new)
    assert isinstance(after, Ruling) and after.taken
    assert after.assessment.trials == TASKS + VALIDATION
    assert after.assessment.effect == off.assessment.effect, "trials on validation alone are no part of the effect"


def test_a_patch_that_memorises_is_dropped_with_its_figures() -> None:
    ruling = begun(validation_veto=99.0).judge(passed(1.0, 0.2))
    assert isinstance(ruling, Ruling)
    assert (ruling.taken, ruling.fate) == (False, StackFate.OPEN)
    assert ruling.why.startswith("helps only on train tasks (train +")


def test_a_suite_with_one_split_alone_has_no_such_condition() -> None:
    assert Generalisation.begin(TRAIN, 0) is None
    assert Generalisation.begin(0, VALIDATION) is None
    assert begun(generalise=False).splits is None
