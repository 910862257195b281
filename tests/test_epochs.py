"""Epochs: where the conditions of a run change, as its trials show."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.core.epochs import CALM_TRIALS, Change, changes, differs, epochs
from evolve.core.records import TrialCondition, TrialResult
from tests.fakes import result


def seen(name: str = "m", mark: str = "f", task: str = "alpha", **images: str) -> TrialResult:
    marks = (mark,) if mark else ()
    return result(task, condition=TrialCondition((name,), marks, **images))


def many(count: int = CALM_TRIALS + 1, **facts: str) -> list[TrialResult]:
    return [seen(**facts)] * count


def test_a_run_on_one_endpoint_is_one_epoch() -> None:
    assert changes([]) == [] and epochs([]) == []
    assert set(epochs([*many(), result(), *many()])) == {0}, "a trial without conditions says nothing"


@pytest.mark.parametrize(
    ("facts", "what"),
    [
        ({"name": "m-2"}, "the model's name: m -> m-2"),
        ({"mark": "g"}, "the endpoint's fingerprint: f -> g"),
    ],
)
def test_another_model_or_version_begins_an_epoch(facts: dict[str, str], what: str) -> None:
    trials = [*many(), *many(5, **facts)]
    assert changes(trials) == [Change(CALM_TRIALS + 1, what)]
    assert epochs(trials) == [0] * (CALM_TRIALS + 1) + [1] * 5


def test_another_image_begins_an_epoch_at_once() -> None:
    trials = [seen(base_image="b1", task_image="a1"), seen(task="beta", base_image="b1", task_image="c1")]
    assert set(epochs(trials)) == {0}, "each task has an image of its own"
    assert epochs([*trials, seen(base_image="b2", task_image="a1")]) == [0, 0, 1]
    assert changes([*trials, seen(base_image="b1", task_image="a2")])[0].what == "the image of alpha: a1 -> a2"


def test_servers_that_answer_by_turns_are_one_epoch() -> None:
    turns = [seen(mark="fg"[number % 2]) for number in range(60)]
    assert set(epochs(turns)) == {0}
    late = [*many(), *turns]
    assert len(changes(late)) == 1, "a second server is a change once, not at every turn"


def test_an_endpoint_whose_mark_is_always_new_has_one_epoch() -> None:
    assert changes([seen(mark=f"f{number}") for number in range(200)]) == []


def test_going_back_is_a_change_too() -> None:
    assert epochs([*many(), *many(name="m-2"), *many()])[-1] == 2


@given(st.lists(st.sampled_from([("m", "f"), ("m", "g"), ("n", "f"), ("n", "")]), max_size=80))
def test_epochs_only_rise_and_do_not_depend_on_later_trials(facts: list[tuple[str, str]]) -> None:
    trials = [seen(*fact) for fact in facts]
    numbers = epochs(trials)
    assert numbers == sorted(numbers)
    assert all(epochs(trials[:cut]) == numbers[:cut] for cut in (0, len(trials) // 2))


def stretch(rate: float, seed: int, tasks: int = 20, attempts: int = 4) -> list[TrialResult]:
    dice = np.random.default_rng(seed)
    return [
        replace(result(f"t{task:02}", float(dice.random() < rate)), attempt=attempt)
        for task in range(tasks)
        for attempt in range(attempts)
    ]


def test_the_same_scaffold_differs_clearly_only_after_a_change() -> None:
    assert sum(differs(stretch(0.5, seed), stretch(0.5, 1000 + seed)) for seed in range(400)) <= 3
    assert sum(differs(stretch(0.3, seed), stretch(0.8, 1000 + seed)) for seed in range(20)) == 20
    assert not differs(stretch(1.0, 0), stretch(1.0, 1)), "rewards that never vary"
    assert differs(stretch(1.0, 0), stretch(0.0, 1))
    assert not differs(stretch(1.0, 0), []), "nothing to compare"
