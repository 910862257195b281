"""Strategies that choose parents from all that was measured, and the rule around them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from evolve.core.gate_config import GateConfig
from evolve.core.records import StackFate
from evolve.gate.plan import Part, plan
from evolve.gate.population import Population
from evolve.gate.ruling import NeedPart, Ruling
from evolve.gate.select import STRATEGIES, Member, ancestors, archive, best, clade, front_counts, pareto

TASKS = 20


def member(parent: int | None, solved: float) -> Member:
    return Member(parent, (np.arange(TASKS) < solved * TASKS).astype(float)[None])


def drawn(strategy: Any, members: list[Member], times: int = 2000) -> Any:
    dice = np.random.default_rng(0)
    return np.bincount([strategy(members, dice) for _ in range(times)], minlength=len(members)) / times


def test_the_best_is_the_oldest_among_equals() -> None:
    assert best([member(None, 0.2), member(0, 0.6), member(0, 0.6), member(1, 0.5)]) == 1


def test_an_archive_favours_high_scores_and_few_children() -> None:
    shares = drawn(archive, [member(None, 0.5), member(0, 0.5), member(0, 0.7), member(1, 0.0)])
    # By hand: sigmoid(0) / 3, sigmoid(0) / 2, sigmoid(2), sigmoid(-5), as shares of their sum.
    weights = np.array([0.5 / 3, 0.5 / 2, 0.8808, 0.0067])
    assert shares == pytest.approx(weights / weights.sum(), abs=0.03)


def test_a_clade_is_worth_what_its_line_is() -> None:
    poor_with_good_children = [member(None, 0.3), member(0, 0.3), member(1, 0.9), member(1, 0.9), member(0, 0.35)]
    shares = drawn(clade, poor_with_good_children)
    assert shares[2] + shares[3] > 0.8
    assert shares[1] > shares[4]


def test_a_front_is_of_those_who_are_best_somewhere() -> None:
    rewards = np.array([[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]], float)
    # The task that nobody solves has everyone on its front. The last two of equal use: the better stays.
    assert front_counts(rewards).tolist() == [0, 3, 2, 0]
    shares = drawn(pareto, [Member(None, rewards[:1]), Member(0, rewards[1:2]), Member(0, rewards[2:3])])
    assert shares[0] == 0
    assert shares[1] == pytest.approx(0.6, abs=0.03)


def begun(rule: Any, salt: int = 0) -> Population:
    start = Population(GateConfig(rule=rule, attempts=1), plan(range(7), range(14), range(14, 20), (1,)), salt)
    assert start.tip_needs_trials()
    return start.with_tip_pass(member(None, 0.4).rewards[0])


def ruled(population: Any, solved: float) -> Ruling:
    said = population.judge(member(0, solved).rewards)
    assert isinstance(said, Ruling)
    return said


@pytest.mark.parametrize("rule", list(STRATEGIES))
def test_all_that_solves_something_stays_and_the_highest_score_is_champion(rule: str) -> None:
    population = begun(rule)
    assert not population.tip_needs_trials()
    assert population.judge(np.full((1, TASKS), np.nan)) == NeedPart(Part(0, tuple(range(TASKS))))
    better, worse, broken = (ruled(population, solved) for solved in (0.5, 0.3, 0.0))
    assert (better.taken, better.fate) == (True, StackFate.PROMOTED)
    assert (worse.taken, worse.fate) == (True, StackFate.OPEN)
    assert not broken.taken
    assert worse.tip in (0, 1)


@pytest.mark.parametrize("rule", list(STRATEGIES))
def test_the_choice_of_parents_is_a_function_of_the_salt(rule: str) -> None:
    def parents(salt: int) -> list[int | None]:
        population: Any = begun(rule, salt)
        found = []
        for number in range(12):
            said = population.judge((np.random.default_rng(number).random((1, TASKS)) < 0.5).astype(float))
            found.append(said.tip)
            population = said.rule
        return found

    assert parents(1) == parents(1)
    assert parents(1) != parents(2)


FAMILY = (member(None, 0.3), member(0, 0.5), member(0, 0.8), member(1, 0.6), member(2, 0.4))


def test_ancestors_go_back_to_the_seed() -> None:
    assert ancestors(FAMILY, 3) == (3, 1, 0)
    assert ancestors(FAMILY, 0) == (0,)


def test_what_is_merged_comes_from_another_branch() -> None:
    population = begun("pareto")
    places = [replace(population, members=FAMILY, tip=tip).other_branch() for tip in range(5)]
    assert places == [None, 2, 3, 2, 3]
