"""The plan of a round: all tasks of a small suite, and samples of a large one that cost no more."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.core.config import RunConfig
from evolve.core.errors import BadInput
from evolve.core.gate_config import RULE_VERSION, GateConfig
from evolve.core.records import Candidate, Split, TrialResult
from evolve.gate import Entrant, Judgement, NeedTrials, TaskSlot, begin_rule, initial_standing, judge, learn_tip
from evolve.gate.plan import PASS_TRIALS, Part, SuitePlan, plan
from evolve.gate.prior import EstimatedEffect, LearnedPrior, mixed_prior
from evolve.gate.ruling import Ruling
from evolve.gate.stack_rule import StackRule
from evolve.gate.task_difficulty import TaskDifficulty
from tests.test_gate_standing import PATCH, SEED, at_work, rate, ruled, trials

PASSES = (1, 2, 3, 4, 6, 8)


def planned(train: int, validation: int, draw: int = 0, stage_trials: int = 0) -> SuitePlan:
    first, last = list(range(train)), list(range(train, train + validation))
    return plan(first[::2], first, last, PASSES, stage_trials=stage_trials).drawn(draw)


def slots(parts: Sequence[Part]) -> list[tuple[int, int]]:
    return [(part.attempt, task) for part in parts for task in part.tasks]


@pytest.mark.parametrize(("train", "validation"), [(28, 16), (14, 6), (5, 0), (44, 0)])
def test_a_small_suite_runs_whole_in_every_round(train: int, validation: int) -> None:
    one = planned(train, validation)
    assert one.drawn(17) is one
    assert one.trials[-1] == 8 * (train + validation)
    assert one.pass_parts(3) == (Part(3, one.everything),)


@given(st.integers(0, 400), st.integers(0, 400), st.integers(0, 1000), st.sampled_from([0, 1, 7, 100]))
def test_a_large_suite_costs_no_more_than_a_small_one(
    train: int, validation: int, draw: int, stage_trials: int
) -> None:
    if train + validation <= PASS_TRIALS or not train:
        return
    one = planned(train, validation, draw, stage_trials)
    run = slots(list(chain(*one.stages)))
    assert len(run) == len(set(run)) == 8 * PASS_TRIALS
    assert sorted(run) == sorted(chain(*(slots(one.pass_parts(number)) for number in range(8))))
    seen = {task for _, task in slots(one.pass_parts(0))}
    assert len(seen & {*one.validation}) >= min(16, validation), "validation can be judged by itself"
    tries = np.bincount([task for _, task in run], minlength=one.count)
    for split in (one.train, one.validation):
        if split:
            assert np.ptp(tries[list(split)]) <= 1, "no task again before all others had their turn"


def test_each_round_draws_its_own_tasks_by_its_number() -> None:
    assert planned(300, 100, 1) == planned(300, 100, 1)
    assert set(slots(planned(300, 100, 1).stages[0])) != set(slots(planned(300, 100, 2).stages[0]))


def test_nothing_is_taken_before_train_and_validation_were_run() -> None:
    for train, validation, least in ((300, 100, 44), (300, 0, 44), (28, 16, 44), (20, 0, 20)):
        one = planned(train, validation)
        assert one.trials[one.screens] == least


def test_short_stages_ask_again_after_a_few_trials_and_take_after_half_of_train_and_all_of_validation() -> None:
    one = planned(325, 175, stage_trials=7)
    assert one.trials[:6] == (7, 14, 22, 30, 37, 44)
    assert one.trials[one.screens] == 30
    assert {task for _, task in slots(list(chain(*one.stages[: one.screens + 1])))} >= {
        task for _, task in slots(one.validation_parts(0))
    }
    assert [one.trials[rung] for rung in one.rungs[:3]] == [14, 30, 44]
    assert one.trials[one.idle_from] == 30


def test_short_stages_without_validation_take_after_all_of_train() -> None:
    one = planned(300, 0, stage_trials=7)
    assert one.trials[one.screens] == PASS_TRIALS
    assert one.trials[one.idle_from] == PASS_TRIALS


def run_by(commit: str, asked: NeedTrials) -> list[TrialResult]:
    return trials(replace(asked, commits=(commit,)), rate(0.4, commit))


def test_a_race_drops_its_worse_half_at_rungs_alone() -> None:
    standing, tip = at_work(initial_standing(MANY, GateConfig(race=2), SEED), rate(0.4, "tip"))
    raced = [Entrant(Candidate(str(number) * 40, number, SEED.commit, "x"), []) for number in (1, 2)]
    asked = []
    while isinstance(said := judge(standing, raced, tip), NeedTrials) and len(said.commits) == 2:
        asked.append(len(said.slots))
        raced = [replace(one, trials=[*one.trials, *run_by(one.candidate.commit, said)]) for one in raced]
    assert asked == [7, 7]


def test_a_run_that_began_before_large_suites_had_values_of_their_own_keeps_the_earlier_ones() -> None:
    since = ("stage_trials", "large_worth", "learn_from_dropped")
    gate = {key: value for key, value in GateConfig().model_dump(mode="json").items() if key not in since}
    stored = json.dumps({"gate": gate})
    before = RunConfig.from_stored(stored).gate
    assert (before.stage_trials, before.large_worth, before.learn_from_dropped) == (0, before.worth, False)
    assert not RunConfig().differences(stored)


def test_many_patches_of_a_large_suite_change_the_prior_less_than_those_of_a_small_one() -> None:
    """They run few trials each, and the error of their tip's level is in all of them."""
    bad = EstimatedEffect(-0.1, 0.1)
    before, first = LearnedPrior(tried=(bad,) * 49, patches=49), mixed_prior((bad,) * 50)

    def moved(*sizes: int) -> float:
        rule = replace(StackRule.begin(GateConfig(), planned(*sizes)), prior=before)
        after = rule._remember(np.full((1, sum(sizes)), np.nan), bad)
        return float(np.abs(after.prior.weights - first).sum())

    assert 0 < moved(300, 100) < moved(28, 16) / 3


def test_sampled_scores_are_unbiased_and_their_errors_hold() -> None:
    """The tip's level by samples of 400 tasks that are unequally hard, over many tips."""
    dice, misses = np.random.default_rng(5), []
    for salt in range(150):
        rates = dice.beta(0.7, 1.0, 400)
        line = StackRule.begin(GateConfig(), planned(260, 140), salt)
        while line.tip_needs_trials():
            line = after_tip_trials(line, rates, dice)
        assert line.tip_trials <= 3 * PASS_TRIALS
        misses.append((line.level.mean - rates.mean()) / line.level.variance**0.5)
    assert abs(np.mean(misses)) < 0.25
    assert 0.75 < np.std(misses) < 1.15


def after_tip_trials(line: StackRule, rates: np.ndarray, dice: np.random.Generator) -> StackRule:
    rewards = np.full((8, len(rates)), np.nan)
    for part in line.next_tip_parts():
        tasks = list(part.tasks)
        rewards[part.attempt, tasks] = dice.random(len(tasks)) < rates[tasks]
    return line.with_tip_trials(rewards)


def test_challengers_of_samples_are_compared_without_bias() -> None:
    """Null patches of one tip on tasks of their own: their estimated effects scatter as their errors say."""
    dice, scores = np.random.default_rng(6), []
    rates = dice.beta(0.7, 1.0, 400)
    line = StackRule.begin(GateConfig(generalise=False), planned(260, 140))
    for _ in range(40):
        line = after_tip_trials(line, rates, dice)
    for _ in range(150):
        new = (dice.random((8, 400)) < rates).astype(float)
        effect = line.level.effect(line.score(line._up_to(2, new)))
        scores.append(effect.effect / effect.error)
        said = line.judge(new)
        assert isinstance(said, Ruling)
        line = replace(line, plan=said.rule.plan)
    assert abs(np.mean(scores)) < 0.3
    assert 0.8 < np.std(scores) < 1.2


@pytest.mark.parametrize(
    ("settings", "sizes", "learns"),
    [
        (GateConfig(), (260, 140), True),
        (GateConfig(learn_from_dropped=False), (260, 140), False),
        (GateConfig(), (28, 16), False),
    ],
)
def test_dropped_patches_of_a_large_suite_tell_how_easy_their_tasks_are(
    settings: GateConfig, sizes: tuple[int, int], learns: bool
) -> None:
    """Patches without effect: as far off as is claimed, and the tip's level stays what it is."""
    dice = np.random.default_rng(8)
    rates = dice.beta(0.7, 1.0, sum(sizes))
    line = StackRule.begin(settings.model_copy(update={"generalise": False}), planned(*sizes))
    for _ in range(4):
        line = after_tip_trials(line, rates, dice)
    after = line
    for _ in range(120):
        new = (dice.random((8, sum(sizes))) < rates).astype(float)
        said = after._drop(after._up_to(2, new), "")
        assert isinstance(said.rule, StackRule)
        after = said.rule
    known, truth = after.difficulty.easiness, rates - rates.mean()
    if not learns:
        assert known.tolist() == line.difficulty.easiness.tolist()
        return
    error2 = float(np.mean((known - truth) ** 2))
    assert error2 < np.mean((line.difficulty.easiness - truth) ** 2) / 2, "they told much more than the tip alone"
    assert 0.6 < error2 / after.difficulty.doubt.mean() < 1.5
    assert abs(after.level.mean - rates.mean()) < 2.5 * after.level.variance**0.5


def test_rates_shrink_as_far_as_the_tasks_are_alike() -> None:
    dice = np.random.default_rng(7)
    even, uneven = (TaskDifficulty.empty(200) for _ in range(2))
    chances = np.where(np.arange(200) < 100, 0.05, 0.95)
    for _ in range(2):
        even = even.with_rewards((dice.random((1, 200)) < 0.5).astype(float), 0.5)
        uneven = uneven.with_rewards((dice.random((1, 200)) < chances).astype(float), 0.5)
    assert np.std(even.easiness) < 0.2 < np.std(uneven.easiness)
    assert even.spread == pytest.approx(0.5, abs=0.05)
    assert uneven.spread == pytest.approx(0.22, abs=0.07)


def test_numeric_rewards_have_their_own_spread() -> None:
    dice = np.random.default_rng(8)
    means = dice.random(40)
    numeric = TaskDifficulty.empty(40).with_rewards(means + 0.03 * dice.standard_normal((6, 40)), float(means.mean()))
    assert not numeric.binary
    assert numeric.spread < 0.1
    assert TaskDifficulty.empty(40).with_rewards(np.zeros((6, 40)), 0.0).spread > 0.1, "a few zeros may be chance"


MANY = [TaskSlot(f"t{n:03}", Split.TRAIN if n % 3 else Split.VALIDATION, "easy") for n in range(150)]


def test_a_run_on_a_large_suite_folds_its_rows_to_the_same_decisions() -> None:
    standing, tip = at_work(initial_standing(MANY, GateConfig(), SEED, salt=3), rate(0.4, "tip"))
    assert len(tip) == 2 * PASS_TRIALS
    new = []
    while isinstance(said := judge(standing, [Entrant(PATCH, new)], tip), NeedTrials):
        new += trials(said, rate(0.8, "new"))
    again = learn_tip(initial_standing(MANY[::-1], GateConfig(), SEED, salt=3), tip)
    assert not isinstance(again, NeedTrials)
    later = judge(again, [Entrant(PATCH, new)], tip)
    assert isinstance(later, Judgement)
    assert later.decisions == said.decisions
    assert later.standing.tip == PATCH
    first, second = (learn_tip(after.standing, []) for after in (said, later))
    assert first == second


def test_what_a_reverted_patch_ran_on_is_drawn_anew() -> None:
    standing, tip = at_work(initial_standing(MANY, GateConfig(), SEED), rate(0.4, "tip"))
    asked = []
    for number in (1, 2):
        candidate = Candidate(str(number) * 40, number, SEED.commit, "x")
        said = judge(standing, [Entrant(candidate, [])], tip)
        assert isinstance(said, NeedTrials)
        asked.append({*said.slots})
        standing = ruled(standing, candidate, tip, lambda *_: 0.0).standing
    assert len(asked[0]) == len(asked[1]) == 7
    assert len(asked[0] & asked[1]) < 4


def test_a_run_that_began_under_another_version_of_the_rule_is_refused() -> None:
    with pytest.raises(BadInput, match=f"version {RULE_VERSION - 1} of the rule"):
        begin_rule(GateConfig(version=RULE_VERSION - 1), planned(14, 6), 0)
    assert begin_rule(GateConfig(version=1, rule="greedy"), planned(14, 6), 0)
