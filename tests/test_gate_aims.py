"""Cheaper at no loss, bounds on cost and time, and protected tasks: decisions around the gate's rule."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.core.config import RunConfig
from evolve.core.errors import BadInput
from evolve.core.gate_config import GateConfig
from evolve.core.records import Candidate, Split, TrialResult, Usage, Verdict, stable_hash
from evolve.gate import Entrant, Judgement, NeedTrials, Standing, TaskSlot, initial_standing, judge, learn_tip
from evolve.gate.aims import Aims, Answer, broken_bound, concerns, looks, not_worse, quantile
from evolve.loop.judging import aims_of, protected_tasks
from evolve.suite.tasks import Suite
from tests.fakes import result, task

SEED, PATCH = Candidate("s" * 40, 0, None, "seed"), Candidate("p" * 40, 1, "s" * 40, "patch")
SPLITS = [Split.TRAIN] * 14 + [Split.VALIDATION] * 8
TASKS = tuple(TaskSlot(f"task-{n:02}", split, "easy") for n, split in enumerate(SPLITS))
Course = Callable[[str, int], tuple[float, int]]


def course(rate: float, tokens: int, name: str) -> Course:
    """Rewards at a rate, and about so many tokens."""

    def trial(task: str, attempt: int) -> tuple[float, int]:
        drawn = random.Random(stable_hash(name, task, attempt))
        return float(drawn.random() < rate), round(tokens * drawn.uniform(0.8, 1.25))

    return trial


def run(need: NeedTrials, by_commit: dict[str, list[TrialResult]], courses: dict[str, Course]) -> None:
    splits = {slot.name: slot.split for slot in TASKS}
    for commit in need.commits:
        known = {(trial.task, trial.attempt) for trial in by_commit[commit]}
        for name, attempt in need.slots:
            if (name, attempt) not in known:
                reward, tokens = courses[commit](name, attempt)
                usage, seconds = Usage(1, tokens, 0), tokens / 1000
                by_commit[commit].append(
                    result(name, reward, attempt, split=splits[name], usage=usage, seconds=seconds, candidate=commit)
                )


def decided(aims: Aims, seed: Course, patch: Course) -> tuple[Judgement, dict[str, list[TrialResult]], Standing]:
    by_commit: dict[str, list[TrialResult]] = {SEED.commit: [], PATCH.commit: []}
    courses = {SEED.commit: seed, PATCH.commit: patch}
    initial = initial_standing(TASKS, GateConfig(), SEED, aims=aims)
    while isinstance(standing := learn_tip(initial, by_commit[SEED.commit]), NeedTrials):
        run(standing, by_commit, courses)
    while isinstance(
        said := judge(standing, [Entrant(PATCH, by_commit[PATCH.commit])], by_commit[SEED.commit]), NeedTrials
    ):
        run(said, by_commit, courses)
    return said, by_commit, initial


SOLVED = course(1.0, 30_000, "seed")


def test_the_objective_cost_keeps_a_patch_that_is_cheaper_and_as_good() -> None:
    said, by_commit, initial = decided(Aims(objective="cost"), SOLVED, course(1.0, 12_000, "patch"))
    assert said.decisions[0].verdict in (Verdict.STACK, Verdict.KEEP)
    again = learn_tip(initial, by_commit[SEED.commit])
    assert isinstance(again, Standing)
    folded = judge(again, [Entrant(PATCH, by_commit[PATCH.commit])], by_commit[SEED.commit])
    assert isinstance(folded, Judgement)
    assert folded.decisions == said.decisions, "the same rows give the same decision"


@pytest.mark.parametrize(
    ("before", "after", "salt"), [(0.5, 0.62, 48), (0.4, 0.55, 94), (0.5, 0.62, 1), (0.75, 0.9, 2)]
)
def test_trials_of_the_tip_that_come_later_change_no_decision(before: float, after: float, salt: int) -> None:
    protected = frozenset({"task-00", "task-15", "task-20"})
    aims = Aims(objective="cost", margin=0.1) if salt % 2 else Aims(protected=protected, protect_margin=0.3)
    seed, patch = course(before, 30_000, f"seed {salt}"), course(after, 12_000, f"patch {salt}")
    said, by_commit, initial = decided(aims, seed, patch)
    first = min(trial.attempt for trial in by_commit[SEED.commit])
    later = NeedTrials((SEED.commit,), tuple((slot.name, first + attempt) for attempt in range(8) for slot in TASKS))
    run(later, by_commit, {SEED.commit: seed})
    again = learn_tip(initial, by_commit[SEED.commit])
    assert isinstance(again, Standing)
    folded = judge(again, [Entrant(PATCH, by_commit[PATCH.commit])], by_commit[SEED.commit])
    assert isinstance(folded, Judgement) and folded.decisions == said.decisions


def test_a_cheaper_patch_that_gives_up_is_not_kept() -> None:
    said, _, _ = decided(Aims(objective="cost"), SOLVED, course(0.8, 3_000, "patch"))
    assert said.decisions[0].verdict is Verdict.REVERT
    assert "within 5 points of the tip" in said.decisions[0].reason


def test_a_dearer_patch_is_not_kept_for_the_objective_cost_though_it_solves_more() -> None:
    said, _, _ = decided(Aims(objective="cost"), course(0.3, 20_000, "seed"), course(0.9, 60_000, "patch"))
    assert said.decisions[0].verdict is Verdict.REVERT


@pytest.mark.parametrize(
    ("aims", "words"),
    [
        (Aims(max_cost_ratio=2.0), "costs 3"),
        (Aims(max_seconds_ratio=2.5), "times the seed's time, at most 2.5 are allowed"),
        (Aims(max_cost_ratio=3.8, max_seconds_ratio=3.8), ""),
        (Aims(), ""),
    ],
)
def test_no_kept_patch_costs_or_lasts_more_than_allowed(aims: Aims, words: str) -> None:
    said, _, _ = decided(aims, course(0.3, 10_000, "seed"), course(0.95, 31_000, "patch"))
    assert words in said.decisions[0].reason
    assert (said.decisions[0].verdict is Verdict.REVERT) == bool(words)


def without(names: set[str], other: Course) -> Course:
    return lambda task, attempt: (0.0, 1000) if task in names else other(task, attempt)


def test_protected_tasks_may_not_get_worse() -> None:
    lost = {"task-00", "task-20"}
    seed = course(0.3, 1000, "seed")

    def kept(task: str, attempt: int) -> tuple[float, int]:
        return (1.0, 1000) if task in lost else seed(task, attempt)

    better = without(lost, course(1.0, 1000, "patch"))
    assert decided(Aims(), kept, better)[0].decisions[0].verdict is not Verdict.REVERT
    said, _, _ = decided(Aims(protected=frozenset(lost)), kept, better)
    assert said.decisions[0].verdict is Verdict.REVERT and "protected" in said.decisions[0].reason
    others = Aims(protected=frozenset({"task-01", "task-02"}), protect_margin=0.3)
    assert decided(others, kept, better)[0].decisions[0].verdict is not Verdict.REVERT


@given(st.floats(0.001, 0.999))
def test_the_quantile_is_that_of_the_normal_distribution(share: float) -> None:
    assert quantile(share) == pytest.approx(NormalDist().inv_cdf(share), abs=1e-6)


def test_so_many_harmful_patches_pass_as_is_stated() -> None:
    rng, passed = random.Random(1), 0
    for _ in range(2000):
        pairs = [float(rng.random() < 0.6) - float(rng.random() < 0.7) for _ in range(60)]
        passed += not_worse(pairs, 0.1, 0.05) is Answer.YES
    assert passed / 2000 < 0.065
    assert not_worse([0.0] * 3, 0.1, 0.05) is Answer.UNCLEAR is not_worse([], 0.1, 0.05)
    assert not_worse([0.0] * 60, 0.1, 0.05) is Answer.YES
    assert not_worse([-1.0, -1.0, 0.0] * 20, 0.1, 0.05) is Answer.NO


def test_each_look_at_a_concern_asks_for_more_passes() -> None:
    assert [looks(passes) for passes in (1, 2, 6, 8)] == [[0, 1], [0, 2], [0, 2, 4, 6], [0, 2, 4, 8]]


def test_a_bound_needs_the_seeds_trials_and_compares_the_same_tasks() -> None:
    new = [result("x", usage=Usage(1, 100)), result("y", usage=Usage(1, 900))]
    aims = Aims(max_cost_ratio=1.5)
    assert broken_bound(aims, new) == ""
    known = aims.with_seed([result("x", usage=Usage(1, 80))], {("x", 0)})
    assert broken_bound(known, new) == ""
    assert "11.25 times" in broken_bound(aims.with_seed([result("y", usage=Usage(1, 80))], {("y", 0)}), new)


def test_where_the_seed_is_hardly_known_its_mean_stands_for_the_other_tasks() -> None:
    known = Aims(max_cost_ratio=1.5).with_seed([result("x", usage=Usage(1, 80))], {("x", 0)})
    new = [result(name, usage=Usage(1, 100)) for name in "xyz"]
    assert broken_bound(known, new) == ""
    assert "3.75 times" in broken_bound(known, [result(name, usage=Usage(1, 300)) for name in "xyz"])


def test_a_large_suite_is_not_run_whole_to_find_out_about_one_patch() -> None:
    names, aims = [f"t{n}" for n in range(500)], Aims(objective="cost", protected=frozenset({"t1", "t2"}))
    [all_of_them, protected] = concerns(aims, names, "p")
    assert len(all_of_them.tasks) == 500 and len(all_of_them.drawn) == 48
    assert protected.drawn == protected.tasks == {"t1", "t2"}
    assert concerns(aims, reversed(names), "p")[0].drawn == all_of_them.drawn != concerns(aims, names, "q")[0].drawn


def test_protect_names_tasks_and_tags() -> None:
    suite = Suite(Path(), (task("a"), task("b", Split.VALIDATION), task("c", Split.HOLDOUT)))
    assert protected_tasks(suite, ["a", "b"]) == ["a", "b"]
    with pytest.raises(BadInput, match="protect c"):
        protected_tasks(suite, ["c"])
    found = aims_of(suite, RunConfig(protect=("b",), objective="cost"))
    assert (found.protected, found.objective, found.in_usd) == (frozenset({"b"}), "cost", False)
