"""Several challengers at once: who falls behind, who is judged, and what the others tell."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolve.gate.race import BEHIND, Challenger, ChallengerNeeds, RaceResult, race
from evolve.gate.ruling import Ruling
from evolve.gate.stack_rule import StackRule
from tests.test_gate_stack_rule import PASSES, TASKS, begun, rewards


def nothing() -> Any:
    return np.full((PASSES, TASKS), np.nan)


def ended(*field: Any) -> RaceResult:
    said = race(begun(), [Challenger(one) for one in field])
    assert isinstance(said, RaceResult)
    return said


def test_all_run_the_first_stage_then_the_better_half_goes_on() -> None:
    line, field = begun(), [nothing() for _ in range(4)]
    asked = race(line, [Challenger(one) for one in field])
    assert isinstance(asked, ChallengerNeeds) and asked.part is not None
    assert (asked.places, len(asked.part.tasks)) == ((0, 1, 2, 3), 7)
    for one, rate in zip(field, (0.0, 1.0, 0.3, 1.0), strict=True):
        one[0, list(asked.part.tasks)] = rate
    asked = race(line, [Challenger(one) for one in field])
    assert isinstance(asked, ChallengerNeeds)
    assert asked.places == (1, 3)


def test_the_best_wins_and_the_others_are_dropped() -> None:
    said = ended(rewards(0.0, PASSES, 1), rewards(0.9, PASSES, 2), rewards(0.2, PASSES, 3))
    assert said.winner == 1
    assert [ruling.taken for ruling in said.rulings] == [False, True, False]
    assert said.rulings[0].why == said.rulings[2].why == BEHIND
    assert said.rulings[0].assessment.trials == 7


def test_what_is_good_and_falls_behind_waits_and_what_is_bad_does_not() -> None:
    good = np.ones((PASSES, TASKS))
    assert ended(good, good, np.zeros((PASSES, TASKS))).waiting == (1,)
    bad = rewards(0.1, PASSES, 4)
    assert ended(bad, bad).waiting == ()


def test_one_alone_is_judged_as_ever() -> None:
    new = rewards(0.5, PASSES, 5)
    alone, said = begun().judge(new), ended(new).rulings[0]
    assert isinstance(alone, Ruling)
    assert (alone.taken, alone.assessment) == (said.taken, said.assessment)


def test_the_losers_tell_of_the_tip_too() -> None:
    winner, loser = np.ones((PASSES, TASKS)), rewards(0.5, PASSES, 6)
    alone, raced = ended(winner), ended(winner, loser)
    told, silent = (said.rulings[0].rule for said in (raced, alone))
    assert isinstance(told, StackRule) and isinstance(silent, StackRule)
    assert (len(told.prior.tried), len(silent.prior.tried)) == (2, 1)
    assert raced.rulings[0].assessment.effect != alone.rulings[0].assessment.effect


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 9))
def test_a_race_takes_one_at_most_and_rules_on_all(seed: int, count: int) -> None:
    dice = np.random.default_rng(seed)
    field = [(dice.random((PASSES, TASKS)) < dice.random()).astype(float) for _ in range(count)]
    said = ended(*field)
    assert len(said.rulings) == count
    assert sum(ruling.taken for ruling in said.rulings) == said.rulings[said.winner].taken
    assert said.winner not in said.waiting


@pytest.mark.parametrize("seed", range(10))
def test_the_order_of_entry_matters_among_equals_alone(seed: int) -> None:
    dice = np.random.default_rng(seed)
    field = [rewards(rate, PASSES, 100 * seed + k) for k, rate in enumerate((0.1, 0.9, 0.3, 0.2))]
    order = dice.permutation(4).tolist()
    assert order[ended(*(field[place] for place in order)).winner] == ended(*field).winner == 1
