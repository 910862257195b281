"""Keep, revert, or more: the rule on paired trials."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolve.config import GateConfig
from evolve.gate import MoreTrials, Slot, TaskSlot, judge, looks
from evolve.records import Decision, Split, TrialResult, Verdict
from tests.fakes import result

SETTINGS = GateConfig()
FIRST = 16
TRAIN = [TaskSlot(f"train-{n}", Split.TRAIN, ("easy", "hard")[n % 2]) for n in range(8)]
VALIDATION = [TaskSlot(f"valid-{n}", Split.VALIDATION, "easy") for n in range(5)]
HOLDOUT = [TaskSlot(f"hold-{n}", Split.HOLDOUT, "easy") for n in range(3)]
TASKS = [*TRAIN, *VALIDATION]
SLOTS: list[Slot] = [(task.name, FIRST + attempt) for attempt in range(2) for task in TASKS]
ONCE = SLOTS[: len(TASKS)]
Rewards = dict[Slot, float]


def trials(rewards: Mapping[Slot, float | None]) -> list[TrialResult]:
    return [result(name, reward, attempt) for (name, attempt), reward in rewards.items()]


def answer(
    old: Mapping[Slot, float | None], new: Mapping[Slot, float | None], tasks: Sequence[TaskSlot] = TASKS
) -> Decision | MoreTrials:
    return judge(tasks, trials(old), trials(new), SETTINGS, FIRST)


def all_at(reward: float, slots: Sequence[Slot] = SLOTS) -> Rewards:
    return dict.fromkeys(slots, reward)


def verdict(said: Decision | MoreTrials) -> Verdict:
    assert isinstance(said, Decision), said
    return said.verdict


def test_each_look_holds_the_one_before() -> None:
    plan = looks(TASKS, SETTINGS, FIRST)
    assert [len(slots) for slots in plan] == [4, 8, 13, 26]
    assert all(set(one) < set(other) for one, other in pairwise(plan))
    assert all(len(set(slots)) == len(slots) for slots in plan)
    assert {name for name, _ in plan[1]} == {task.name for task in TRAIN}


def test_a_patch_without_any_effect_is_dropped_after_all_of_train() -> None:
    half, train = (looks(TASKS, SETTINGS, FIRST)[number] for number in (0, 1))
    asked = answer(all_at(1.0, half), all_at(1.0, half))
    assert isinstance(asked, MoreTrials)
    said = answer(all_at(1.0, train), all_at(1.0, train))
    assert verdict(said) is Verdict.REVERT


def test_the_first_look_takes_half_of_each_difficulty() -> None:
    kinds = {task.name: task.difficulty for task in TRAIN}
    assert sorted(kinds[name] for name, _ in looks(TASKS, SETTINGS, FIRST)[0]) == ["easy"] * 2 + ["hard"] * 2


def test_the_holdout_is_never_asked_for() -> None:
    assert set(looks([*TASKS, *HOLDOUT], SETTINGS, FIRST)[-1]) == set(SLOTS)


def test_without_trials_the_first_look_is_asked_for() -> None:
    assert answer({}, {}) == MoreTrials(looks(TASKS, SETTINGS, FIRST)[0])


def test_only_what_is_lacking_is_asked_for() -> None:
    first = looks(TASKS, SETTINGS, FIRST)[0]
    assert answer(all_at(0), all_at(1, first[1:])) == MoreTrials(first[:1])
    assert answer(all_at(0, first[1:]), all_at(1)) == MoreTrials(first[:1])


def test_an_infrastructure_error_is_no_evidence() -> None:
    first = looks(TASKS, SETTINGS, FIRST)[0]
    assert answer(all_at(1), {**all_at(0), first[2]: None}) == MoreTrials(first[2:3])


def test_trials_of_other_attempts_do_not_count() -> None:
    earlier = {(name, attempt - FIRST): 1.0 for name, attempt in SLOTS}
    assert isinstance(answer(earlier, earlier), MoreTrials)


def test_a_harmful_patch_is_dropped_at_the_first_look() -> None:
    first = looks(TASKS, SETTINGS, FIRST)[0]
    said = answer(all_at(1, first), all_at(0, first))
    assert said == Decision(
        Verdict.REVERT, "0 better, 4 worse of 4 pairs: -100.0 points, z -2.00; below -0.6 at look 1"
    )


def test_a_clear_gain_is_kept_after_every_task_was_run_once_and_not_before() -> None:
    assert answer(all_at(0, ONCE), all_at(1, ONCE)) == Decision(
        Verdict.KEEP, "13 better, 0 worse of 13 pairs: +100.0 points, z 3.61; above 1.3"
    )
    train = [slot for slot in ONCE if slot[0].startswith("train")]
    assert isinstance(answer(all_at(0, train), all_at(1, train)), MoreTrials)


@pytest.mark.parametrize("reward", [0.0, 0.5, 1.0])
def test_a_patch_that_changes_nothing_is_reverted_without_a_second_attempt(reward: float) -> None:
    assert verdict(answer(all_at(reward, ONCE), all_at(reward, ONCE))) is Verdict.REVERT


def test_a_gain_on_train_that_costs_on_validation_is_not_kept() -> None:
    worse = {slot: float(not slot[0].startswith("valid-0")) for slot in SLOTS}
    old = {slot: float(slot[0].startswith("valid-0")) for slot in SLOTS}
    same_elsewhere = {slot: 0.0 if slot[0].startswith("valid") else worse[slot] for slot in SLOTS}
    said = answer(old, same_elsewhere)
    assert verdict(said) is Verdict.REVERT
    assert isinstance(said, Decision)
    assert said.reason.endswith("worse on validation after all trials")


def test_one_attempt_means_three_looks() -> None:
    once = GateConfig(attempts=1)
    plan = looks(TASKS, once, FIRST)
    assert [len(slots) for slots in plan] == [4, 8, 13]
    two_better = {**all_at(0, ONCE), TRAIN_SLOT: 1.0, (TRAIN[1].name, FIRST): 1.0}
    said = judge(TASKS, trials(all_at(0, ONCE)), trials(two_better), once, FIRST)
    assert verdict(said) is Verdict.KEEP


TRAIN_SLOT = (TRAIN[0].name, FIRST)
BITS = st.lists(st.sampled_from([0.0, 1.0]), min_size=len(SLOTS), max_size=len(SLOTS))
QUARTERS = st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=len(SLOTS), max_size=len(SLOTS))


def rewards(values: Sequence[float]) -> Rewards:
    return dict(zip(SLOTS, values, strict=True))


@settings(max_examples=40, deadline=None)
@given(QUARTERS, QUARTERS, st.randoms(use_true_random=False), st.integers(0, len(SLOTS)))
def test_order_changes_nothing(old: list[float], new: list[float], chance: random.Random, known: int) -> None:
    tasks, one, other = TASKS[:], list(rewards(old).items()), list(rewards(new).items())[:known]
    before = answer(dict(one), dict(other))
    for values in (tasks, one, other):
        chance.shuffle(values)
    after = answer(dict(one), dict(other), tasks)
    if isinstance(before, MoreTrials):
        assert isinstance(after, MoreTrials)
        assert set(before.slots) == set(after.slots)
    else:
        assert before == after


@settings(max_examples=80, deadline=None)
@given(BITS, BITS, st.lists(st.sampled_from(SLOTS), min_size=1, max_size=8))
def test_more_wins_never_turn_keep_into_revert(old: list[float], new: list[float], won: list[Slot]) -> None:
    before = answer(rewards(old), rewards(new))
    after = answer(rewards(old), {**rewards(new), **all_at(1, won)})
    if verdict(before) is Verdict.KEEP:
        assert verdict(after) is Verdict.KEEP


@settings(max_examples=80, deadline=None)
@given(QUARTERS, QUARTERS, st.lists(st.sampled_from(ONCE), min_size=1, max_size=8))
def test_graded_wins_never_turn_keep_into_revert_on_the_same_trials(
    old: list[float], new: list[float], won: list[Slot]
) -> None:
    """With rewards between 0 and 1 one large win widens the spread: more trials may be asked for."""
    once = {slot: rewards(new)[slot] for slot in ONCE}
    before = answer(rewards(old), once)
    after = answer(rewards(old), {**once, **all_at(1, won)})
    if isinstance(before, Decision) and before.verdict is Verdict.KEEP:
        assert not (isinstance(after, Decision) and after.verdict is Verdict.REVERT)


def simulated(gain: float, rounds: int) -> float:
    """The share of candidates that is kept: pass rates 0.4 for the parent, 0.4 + gain for the candidate."""
    chance = random.Random(f"{gain}")
    tasks = [TaskSlot(f"t{n}", Split.TRAIN if n < 28 else Split.VALIDATION, "easy") for n in range(44)]
    slots = [(task.name, attempt) for attempt in range(2) for task in tasks]
    kept = 0
    for _ in range(rounds):
        old = trials({slot: float(chance.random() < 0.4) for slot in slots})
        new = trials({slot: float(chance.random() < 0.4 + gain) for slot in slots})
        kept += verdict(judge(tasks, old, new, SETTINGS, 0)) is Verdict.KEEP
    return kept / rounds


def test_patches_that_help_are_kept_and_the_others_seldom() -> None:
    harmful, null, useful = simulated(-0.15, 30), simulated(0.0, 80), simulated(0.25, 30)
    assert harmful <= 0.02
    assert null <= 0.2
    assert useful >= 0.7
