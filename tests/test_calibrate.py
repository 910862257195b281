"""The scaffold against itself: noise, power, cost; and how it is said."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.core.gate_config import GateConfig
from evolve.core.records import Fault, Split, TrialResult, Usage
from evolve.gate import TaskSlot
from evolve.gate.calibrate import (
    Cost,
    Luck,
    Noise,
    Power,
    complete_passes,
    cost,
    estimate,
    noise,
    power,
    scatter_of,
    smallest_gain,
)
from evolve.report.calibration import calibration_lines
from tests.fakes import result

TASKS = [TaskSlot(f"t{n}", Split.TRAIN if n < 28 else Split.VALIDATION, "easy") for n in range(44)]


def passes(rates: list[float], attempts: int, seed: int = 0) -> list[TrialResult]:
    chance = random.Random(seed)
    return [
        result(f"t{n}", float(chance.random() < rate), attempt)
        for attempt in range(attempts)
        for n, rate in enumerate(rates)
    ]


def test_the_noise_floor_agrees_with_comparisons_that_were_run_and_with_the_binomial() -> None:
    found = noise(passes([0.0, 0.1, 0.5, 0.9, 1.0] * 8, attempts=21))
    assert found.pairs == 210
    assert found.seen == pytest.approx(found.difference, rel=0.25)
    assert found.one_pass == pytest.approx(math.sqrt(8 * (0.25 + 0.09 + 0.09)) / 40, rel=0.15)


def test_uninformative_tasks_are_named() -> None:
    found = noise(passes([0.0, 1.0, 0.0, 0.5], attempts=8))
    assert (found.always, found.never) == (["t1"], ["t0", "t2"])
    assert found.rates["t1"] == 1
    assert found.score == pytest.approx(sum(found.rates.values()) / 4)


def test_the_smallest_gain_that_a_suite_can_show_falls_with_its_size_and_its_spread() -> None:
    def smallest(tasks: int, reward: float | None = None) -> float | None:
        slots = [
            TaskSlot(f"t{n}", Split.TRAIN if 3 * n < 2 * tasks else Split.VALIDATION, "easy") for n in range(tasks)
        ]
        trials = passes([0.2, 0.5, 0.7] * (tasks // 3), attempts=2)
        if reward is not None:
            trials = [replace(trial, reward=reward + 0.01 * trial.attempt) for trial in trials]
        return smallest_gain(slots, trials, GateConfig())

    few, many, numeric = smallest(12), smallest(90), smallest(12, 0.5)
    assert many is not None and numeric is not None
    assert many < (few or 1) and numeric < (few or 1)
    assert smallest_gain(TASKS[:12], passes([0.99] * 12, 2), GateConfig()) is None, "no room above the score"


def test_a_single_pass_has_no_comparison() -> None:
    found = noise(passes([0.5] * 10, attempts=1))
    assert found.seen is None
    assert found.one_pass == 0


def test_uneven_attempts_are_refused() -> None:
    with pytest.raises(ValueError, match="same attempts"):
        noise([result("a", 1.0, 0), result("a", 1.0, 1), result("b", 1.0, 0)])
    with pytest.raises(ValueError, match="same attempts"):
        noise([])


def test_what_could_not_be_graded_leaves_no_pass() -> None:
    lost = result("b", None, 1, fault=Fault.GRADER)
    trials = [result("a", 1.0, 0), result("a", 1.0, 1), result("b", 1.0, 0), lost, result("c", None, 0)]
    assert complete_passes(trials) == [trials[0], trials[2]]
    assert noise(complete_passes(trials)).attempts == 1 and complete_passes([lost]) == []


def test_the_power_is_that_of_the_gate() -> None:
    found = power(TASKS, Luck({task.name: 0.4 for task in TASKS}), GateConfig(), candidates=80)
    assert 0.02 <= found.null <= 0.25
    assert found.smallest is not None
    assert 0.1 <= found.smallest <= 0.3
    assert 14 <= found.trials <= 100


def test_where_there_is_no_room_there_is_no_gain() -> None:
    found = power(TASKS, Luck({task.name: 1.0 for task in TASKS}), GateConfig(), candidates=5)
    assert (found.null, found.smallest) == (0.0, None)
    assert 14 <= found.trials <= 28 * 1.05


def test_the_cost_is_trials_times_what_one_takes() -> None:
    seen = [replace(result("a", 1.0, n), seconds=7.2, usage=Usage(cost_usd=0.01)) for n in range(3)]
    assert cost(seen, per_round=25.0, rounds=100, jobs=2) == Cost(2500.0, pytest.approx(2.5), pytest.approx(25.0))


def test_the_lines_of_a_calibration() -> None:
    found = Noise({"a": 0.0, "b": 0.5}, 4, 0.03, 0.05, 6)
    text = "\n".join(calibration_lines(found, Power(0.1, 0.2, 30.0), Cost(3000, 1.25, 4.0), 100, priced=True))
    assert "one pass over all tasks has a standard deviation of 3.0 points" in text
    assert "two passes 4.2 points; observed over 6 pairs of passes: 5.0 points" in text
    assert "never passed: 1 tasks: a" in text
    assert "smallest gain built upon with 80 % probability: 20.0 points" in text
    assert "100 rounds: about 3000 trials, 1.2 hours, $4.00" in text
    text = "\n".join(calibration_lines(found, Power(0.1, None, 30.0), Cost(3000, 0.4, 4.0), 100, priced=False))
    assert "100 rounds: about 3000 trials, 24 min, cost unknown" in text
    assert "above 40.0 points" in text


def test_a_run_is_estimated_from_the_seed_scaffolds_trials() -> None:
    seen = [replace(trial, seconds=3.6, usage=Usage(cost_usd=0.01)) for trial in passes([0.4] * 44, attempts=2)]
    found = estimate(TASKS, [*seen, result("hold", 1.0)], GateConfig(), rounds=100, jobs=2)
    assert 1400 <= found.trials <= 10000
    assert found.hours == pytest.approx(found.trials * 3.6 / 2 / 3600)
    assert found.usd == pytest.approx(found.trials * 0.01)


def test_a_rule_of_more_passes_than_ours_is_estimated_too() -> None:
    seen = passes([0.4] * 44, attempts=1)
    found = estimate(TASKS, seen, GateConfig(rule="greedy", attempts=9), rounds=1, jobs=1)
    assert found.trials == pytest.approx(9 * 44 * 1.05)


def test_scatter_is_one_for_passes_and_failures_and_less_for_numbers() -> None:
    assert noise(passes([0.2, 0.5, 0.9], attempts=6)).scatter == 1
    assert noise([result("a", reward, n) for n, reward in enumerate((0.4, 0.5, 0.6))]).scatter == pytest.approx(0.04)
    assert scatter_of({"a": {0: 0.3, 1: 0.3}}) == 0
    assert scatter_of({"a": {0: 0.3}}) == 1


@given(st.floats(0.02, 0.98), st.floats(0.001, 1))
def test_simulated_rewards_have_the_mean_and_scatter_that_are_asked_for(mean: float, scatter: float) -> None:
    drawn = Luck({"a": mean}, scatter).draw(np.random.default_rng(7), ["a"], (4000,))[:, 0]
    assert ((drawn >= 0) & (drawn <= 1)).all()
    assert drawn.mean() == pytest.approx(mean, abs=0.05)
    assert drawn.var() == pytest.approx(scatter * mean * (1 - mean), rel=0.5, abs=0.003)


def test_the_surest_rewards_do_not_vary() -> None:
    drawn = Luck({"a": 0.25, "b": 1.0, "c": 0.0}, 0.0).draw(np.random.default_rng(1), ["a", "b", "c"], (2,))
    assert drawn.tolist() == [[0.25, 1.0, 0.0]] * 2
    assert Luck({"a": 1.0}, 0.3).draw(np.random.default_rng(1), ["a"], ()).tolist() == [1.0]


def test_numbers_show_smaller_gains_than_passes_and_failures_do() -> None:
    rates = {task.name: 0.4 for task in TASKS}
    steady = power(TASKS, Luck(rates, 0.1), GateConfig(), candidates=60)
    lucky = power(TASKS, Luck(rates), GateConfig(), candidates=60)
    assert steady.smallest is not None and lucky.smallest is not None
    assert steady.smallest < lucky.smallest


def test_the_rule_is_named_with_what_is_not_usual() -> None:
    found, figures = noise(passes([0.5] * 4, attempts=2)), (Power(0.1, 0.2, 30.0), Cost(3000, 1.25, 4.0), 100)
    assert "rule evolve:" in calibration_lines(found, *figures, priced=True)
    changed = GateConfig(risk=0.05, generalise=False)
    assert "rule evolve with risk=0.05, generalise=False:" in calibration_lines(found, *figures, True, changed)
    assert "rule greedy:" in calibration_lines(found, *figures, True, GateConfig(rule="greedy"))
