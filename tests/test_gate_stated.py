"""The effect of a patch as it is stated: against its parent's own trials."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.core.attempts import first_attempt
from evolve.core.records import Candidate, Split, TrialResult
from evolve.gate.stated import StatedEffect, stated_effect
from tests.fakes import result

PARENT, PATCH = Candidate("p", 2, "s", "b"), Candidate("c", 3, "p", "b")
TASKS = [f"t{number}" for number in range(6)]
OWN = first_attempt(PARENT)


def ran(rewards: list[float], attempt: int = OWN, commit: str = "p") -> list[TrialResult]:
    return [
        replace(result(name, reward, attempt, candidate=commit), split=Split.TRAIN)
        for name, reward in zip(TASKS, rewards, strict=False)
    ]


@given(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=2, max_size=6))
def test_a_patch_that_changes_nothing_has_no_effect(rewards: list[float]) -> None:
    """However much better the parent is than what the rule believes of it."""
    stated = stated_effect(PARENT, ran(rewards), ran(rewards, commit="c"), TASKS)
    assert stated is not None and stated.effect == 0 and stated.error > 0 and stated.parent == 2


def test_only_attempts_of_both_are_compared_where_there_are_some() -> None:
    before = ran([1, 1, 0, 0]) + ran([0, 0, 0, 0], OWN + 1)
    stated = stated_effect(PARENT, before, ran([1, 1, 1, 0], commit="c"), TASKS)
    assert stated is not None and stated.effect == pytest.approx(0.25)


def test_trials_that_chose_the_parent_are_left_out_where_no_attempt_is_shared() -> None:
    as_challenger = ran([1, 1, 1, 1], attempt=0)
    stated = stated_effect(PARENT, as_challenger + ran([0, 0, 1, 1]), ran([1, 1, 1, 1], OWN + 9, "c"), TASKS)
    assert stated is not None and stated.effect == pytest.approx(0.5)


def test_tasks_that_the_gate_may_not_know_and_faults_are_left_out() -> None:
    after = ran([1, 1, 1], commit="c")
    stated = stated_effect(PARENT, ran([1, 1, 0]), after, TASKS[:2])
    assert stated is not None and stated.effect == 0
    assert stated_effect(PARENT, ran([1, 1]), after[:1], TASKS) is None
    assert stated_effect(PARENT, [replace(result("t0", None), candidate="p")], after, TASKS) is None


@pytest.mark.parametrize("error", [-0.1, float("nan")])
def test_an_error_is_no_negative_number(error: float) -> None:
    with pytest.raises(ValueError, match="negative"):
        StatedEffect(0.1, error, 1)
