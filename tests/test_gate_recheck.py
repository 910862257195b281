"""What looks too good is measured again: when, on which attempts, and what follows from it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolve.core.attempts import AGAIN, ATTEMPTS_PER_TIP, FRESH, first_attempt_again
from evolve.core.config import RunConfig
from evolve.core.gate_config import GateConfig
from evolve.core.records import Split, StackFate, Verdict
from evolve.gate import Entrant, NeedTrials, Standing, initial_standing, judge
from evolve.gate.prior import EFFECTS, EstimatedEffect, LearnedPrior, first_prior, fit_prior
from evolve.gate.recheck import (
    MOST_PASSES,
    UNCONFIRMED,
    confirm,
    is_beyond,
    is_confirmed,
    is_implausible,
    passes_needed,
)
from evolve.gate.ruling import Assessment, NeedPart, Ruling
from evolve.gate.stack_rule import StackRule
from tests.test_gate_stack_rule import PASSES, TASKS, begun, rewards, ruled
from tests.test_gate_standing import PATCH, Reward, at_work, rate, trials
from tests.test_gate_standing import SEED as SCAFFOLD
from tests.test_gate_standing import TASKS as SLOTS

RISK = GateConfig().jump
VALIDATION = tuple(range(14, 20))
GAIN = st.floats(-1, 1)
ERROR = st.floats(0.01, 0.3)


def estimate(effect: float, error: float = 0.08) -> EstimatedEffect:
    return EstimatedEffect(effect, error)


def test_a_gain_on_train_alone_is_implausible_and_an_even_one_is_not() -> None:
    assert is_implausible(estimate(0.4), estimate(0.72), estimate(-0.14), RISK)
    assert not is_implausible(estimate(0.1), estimate(0.15), estimate(0.05), RISK)
    assert not is_implausible(estimate(-0.1), estimate(0.3), estimate(-0.4), RISK), "that is dropped anyway"
    assert not is_implausible(estimate(0.4), estimate(0.2), estimate(0.7), RISK), "validation may gain more"


@given(GAIN, ERROR, GAIN, ERROR, st.floats(0, 1))
def test_a_wider_gap_is_never_more_plausible(
    train: float, one: float, validation: float, other: float, more: float
) -> None:
    pooled = estimate(0.2)
    narrow = is_implausible(pooled, estimate(train, one), estimate(validation, other), RISK)
    wide = is_implausible(pooled, estimate(train + more, one), estimate(validation, other), RISK)
    assert wide >= narrow


def test_a_gain_is_beyond_what_patches_of_this_run_show() -> None:
    prior = first_prior()
    assert is_beyond(estimate(0.3, 0.07), prior, RISK)
    assert not is_beyond(estimate(0.1, 0.07), prior, RISK)
    rich = fit_prior([estimate(0.3, 0.03)] * 40, prior, 30)
    assert not is_beyond(estimate(0.3, 0.07), rich, RISK), "where patches help a lot, that is nothing unusual"


@given(GAIN, ERROR)
def test_the_chance_of_a_gain_agrees_with_a_simulation(effect: float, error: float) -> None:
    dice, prior = np.random.default_rng(1), first_prior()
    shown = dice.choice(EFFECTS, 4000, p=prior) + error * dice.normal(size=4000)
    share = float((shown >= effect).mean())
    assert is_beyond(estimate(effect, error), prior, share + 0.04)
    assert not is_beyond(estimate(effect, error), prior, share - 0.04)


@given(st.floats(0.001, 1), st.floats(0.1, 0.5), st.integers(1, 100))
def test_the_fresh_trials_tell_the_claimed_gain_from_none(claimed: float, spread: float, tasks: int) -> None:
    passes = passes_needed(claimed, spread, tasks)
    assert 1 <= passes <= MOST_PASSES
    if passes < MOST_PASSES:
        assert claimed >= 4 * spread / math.sqrt(passes * tasks) - 1e-9
    assert is_confirmed(claimed, claimed) and not is_confirmed(claimed, 0.0)


def with_recheck(rule: Any, again: tuple[int, ...] = VALIDATION) -> Any:
    return replace(rule, plan=replace(rule.plan, again=again))


def nothing() -> Any:
    return np.full((MOST_PASSES, TASKS), np.nan)


def on_train() -> Any:
    """Passes all of train, and of validation as much as the tip."""
    new = rewards(0.4, PASSES, 5)
    new[:, :14] = 1.0
    return new


def taken(rule: Any, effect: float = 0.4) -> Ruling:
    """A ruling that takes a challenger after one pass."""
    return Ruling(True, StackFate.OPEN, Assessment(effect, 0.11, 0.02, TASKS), rule, "likely to be worth it")


def once(new: Any) -> Any:
    """Of these rewards those of the first pass."""
    return np.concatenate([new[:1], np.full_like(new[1:], np.nan)])


@pytest.mark.parametrize("new", [on_train(), np.ones((PASSES, TASKS))])
def test_a_jump_asks_for_fresh_trials_and_is_dropped_if_they_do_not_show_it(new: Any) -> None:
    rule = with_recheck(begun())
    asked = confirm(rule, taken(rule), once(new), nothing())
    assert isinstance(asked, NeedPart) and asked.part is not None
    assert (asked.part.again, asked.part.tasks, asked.part.attempt) == (True, VALIDATION, 0)
    said = confirm(rule, taken(rule), once(new), rewards(0.4, MOST_PASSES, 6))
    assert isinstance(said, Ruling) and isinstance(said.rule, StackRule)
    assert (said.taken, said.why) == (False, UNCONFIRMED)
    assert said.rule.level is rule.level and said.rule.prior == rule.prior, "nothing is learned from it"
    assert said.rule.patch_trials > rule.patch_trials


def test_a_gap_alone_makes_a_gain_doubtful() -> None:
    rule = replace(with_recheck(begun()), prior=LearnedPrior(fit_prior([estimate(0.3, 0.03)] * 60, first_prior(), 30)))
    even = rewards(0.75, PASSES, 7)
    assert isinstance(confirm(rule, taken(rule, 0.3), once(on_train()), nothing()), NeedPart)
    assert confirm(rule, ruling := taken(rule, 0.3), once(even), nothing()) is ruling


def test_a_jump_that_fresh_trials_show_again_is_built_upon() -> None:
    rule, new = with_recheck(begun()), np.ones((PASSES, TASKS))
    before = ruled(rule, new)
    said = confirm(rule, before, once(new), np.ones((MOST_PASSES, TASKS)))
    assert isinstance(said, Ruling)
    assert said.taken and said.why.startswith(f"{before.why}, confirmed by ")
    assert (said.fate, said.assessment) == (before.fate, before.assessment)


def test_nothing_is_measured_again_where_nothing_could_be_learned() -> None:
    rule = with_recheck(begun(), ())
    ruling = taken(rule)
    assert confirm(rule, ruling, once(on_train()), nothing()) is ruling
    broken = np.zeros((PASSES, TASKS))
    dropped = ruled(with_recheck(begun()), broken)
    assert confirm(with_recheck(begun()), dropped, broken, nothing()) is dropped


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_a_patch_is_seldom_asked_to_show_a_small_gain_again(salt: int) -> None:
    rule, new = with_recheck(begun()), rewards(0.45, PASSES, salt)
    ruling = ruled(rule, new)
    asked = isinstance(confirm(rule, ruling, once(new), nothing()), NeedPart)
    assert not asked or ruling.assessment.effect > 0.1


def work(tasks: Any, **values: Any) -> tuple[Standing, list[Any]]:
    return at_work(initial_standing(tasks, GateConfig(**values), SCAFFOLD), rate(0.4, "tip"))


def asked_again(standing: Standing, tip: list[Any], reward: Reward) -> tuple[list[Any], Any]:
    """The slots beyond the tip's that the challenger ran, and the judgement."""
    new: list[Any] = []
    while isinstance(said := judge(standing, [Entrant(PATCH, new)], tip), NeedTrials):
        assert said.commits in ((PATCH.commit,), (SCAFFOLD.commit,))
        more = trials(said, reward if said.commits == (PATCH.commit,) else rate(0.4, "tip"))
        (new if said.commits == (PATCH.commit,) else tip).extend(more)
    return [(one.task, one.attempt) for one in new if one.attempt >= ATTEMPTS_PER_TIP], said


def memorising(task: str, attempt: int) -> float:
    """Of the tip's attempts it knows all answers."""
    return 1.0 if attempt < AGAIN else rate(0.4, "tip")(task, attempt)


def memorising_train(task: str, attempt: int) -> float:
    """Of train it knows all answers."""
    return 1.0 if int(task[1:]) < 14 else rate(0.4, "tip")(task, attempt)


def test_a_memorised_train_set_is_not_built_upon() -> None:
    said = asked_again(*work(SLOTS), memorising_train)[1]
    assert said.decisions[0].verdict is Verdict.REVERT
    assert said.standing.tip == said.standing.champion == SCAFFOLD


def test_what_is_right_on_the_tips_attempts_alone_is_not_built_upon() -> None:
    slots, said = asked_again(*work(SLOTS), memorising)
    assert said.decisions[0].verdict is Verdict.REVERT
    assert said.decisions[0].reason.endswith(UNCONFIRMED)
    assert said.standing.tip == said.standing.champion == SCAFFOLD
    names = {task.name for task in SLOTS if task.split is Split.VALIDATION}
    assert {task for task, _ in slots} == names, "a fixed train task shows nothing new"
    first = first_attempt_again(PATCH)
    assert {attempt for _, attempt in slots} <= {*range(first, first + MOST_PASSES)}
    assert first == PATCH.round * ATTEMPTS_PER_TIP + AGAIN and AGAIN + MOST_PASSES <= FRESH


def test_train_tasks_that_generate_instances_are_measured_again_too() -> None:
    generating = [replace(task, generates=True) for task in SLOTS]
    slots, said = asked_again(*work(generating), memorising)
    assert said.decisions[0].verdict is Verdict.REVERT
    assert {task for task, _ in slots} == {task.name for task in SLOTS}


def test_an_honest_jump_is_built_upon_and_says_that_it_was_confirmed() -> None:
    slots, said = asked_again(*work(SLOTS), lambda *_: 1.0)
    assert slots and said.decisions[0].verdict is Verdict.STACK
    assert "confirmed by" in said.decisions[0].reason
    assert said.standing.tip == PATCH


def test_no_jump_is_measured_again_where_that_is_switched_off() -> None:
    slots, said = asked_again(*work(SLOTS, jump=0), memorising)
    assert slots == [] and said.decisions[0].verdict is Verdict.STACK


def test_other_rules_measure_nothing_again() -> None:
    slots, _ = asked_again(*work(SLOTS, rule="greedy", attempts=1), memorising)
    assert slots == []


@pytest.mark.parametrize("stored", ['{"gate": {"risk": 0.02}}', "{}", '{"gate": {"risk": 0.02, "jump": 0.0}}'])
def test_older_runs_are_resumed_with_the_rule_that_they_began_with(stored: str) -> None:
    config = RunConfig.from_stored(stored)
    assert config.gate.jump == 0 and GateConfig().jump > 0
    assert config.differences(stored) == []
    usual = RunConfig(gate=GateConfig(risk=config.gate.risk))
    assert [one.key for one in usual.differences(stored)] == (["gate.jump"] if "jump" in stored else [])
    other = RunConfig(gate=GateConfig(risk=config.gate.risk, jump=0.2))
    assert "gate.jump: 0.0 -> 0.2" in [str(one) for one in other.differences(stored)]


def test_newer_runs_keep_their_own_value() -> None:
    stored = RunConfig(gate=GateConfig(jump=0.2)).canonical()
    assert RunConfig.from_stored(stored).gate.jump == 0.2
    assert [one.key for one in RunConfig().differences(stored)] == ["gate.jump"]
