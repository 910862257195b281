"""The rule over names: which trials it asks for, what it decides, and whose turn it is then."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import fisher_exact

from evolve.core.attempts import first_attempt, first_attempt_again
from evolve.core.config import RunConfig
from evolve.core.gate_config import GateConfig
from evolve.core.records import (
    Candidate,
    Fault,
    Outcome,
    Split,
    StackFate,
    TrialResult,
    Usage,
    Verdict,
    stable_hash,
)
from evolve.core.voided import VoidedShare
from evolve.gate import Entrant, Judgement, NeedTrials, Standing, TaskSlot, initial_standing, judge, learn_tip
from evolve.gate.levels import Levels
from evolve.gate.recheck import MOST_PASSES
from evolve.gate.ruling import Assessment, Ruling
from evolve.gate.stack_rule import StackRule
from evolve.gate.standing import tip_slots
from evolve.gate.voids import chance_of_as_many
from tests.fakes import result
from tests.test_gate_levels import pair

TASKS = [TaskSlot(f"t{n:02}", Split.TRAIN if n < 14 else Split.VALIDATION, "easy") for n in range(20)]
SEED = Candidate("a" * 40, 0, None, "evolve/run/round-0000")
PATCH = Candidate("b" * 40, 1, SEED.commit, "evolve/run/round-0001")
NEXT = Candidate("c" * 40, 2, PATCH.commit, "evolve/run/round-0002")
LAST = Candidate("d" * 40, 3, NEXT.commit, "evolve/run/round-0003")
Reward = Callable[[str, int], float]


def rate(share: float, salt: str) -> Reward:
    """Passes by chance, the same way for the same slot."""
    return lambda task, attempt: float(random.Random(f"{salt}{task}{attempt}").random() < share)


def trials(asked: NeedTrials, reward: Reward, **changes: object) -> list[TrialResult]:
    made = [result(task, reward(task, attempt), attempt, candidate=asked.commits[0]) for task, attempt in asked.slots]
    return [replace(one, **changes) for one in made]  # type: ignore[arg-type]


def at_work(
    standing: Standing, reward: Reward, known: list[TrialResult] | None = None
) -> tuple[Standing, list[TrialResult]]:
    """The standing with its tip made ready, and the tip's trials."""
    tip = list(known or [])
    while isinstance(said := learn_tip(standing, tip), NeedTrials):
        assert said.commits == (standing.tip.commit,)
        tip += trials(said, reward)
    return said, tip


def ruled(
    standing: Standing, candidate: Candidate, tip: list[TrialResult], reward: Reward, own: Reward | None = None
) -> Judgement:
    own, new = own or rate(0.4, "tip"), []
    while isinstance(said := judge(standing, [Entrant(candidate, new)], tip), NeedTrials):
        more = trials(said, reward if said.commits == (candidate.commit,) else own)
        (new if said.commits == (candidate.commit,) else tip).extend(more)
    return said


def begun(tasks: Sequence[TaskSlot] = TASKS, **values: float) -> tuple[Standing, list[TrialResult]]:
    return at_work(initial_standing(tasks, GateConfig(**values), SEED), rate(0.4, "tip"))


def test_the_tip_is_run_on_everything_before_it_is_challenged() -> None:
    said = learn_tip(initial_standing(TASKS, GateConfig(), SEED), [])
    assert isinstance(said, NeedTrials)
    assert sorted(said.slots) == [(task.name, 0) for task in TASKS]
    standing, tip = begun()
    assert standing.tip == standing.champion == SEED
    assert {trial.attempt for trial in tip} == set(range(len(tip) // 20))


def test_a_challenger_first_runs_half_of_train_and_only_what_is_lacking() -> None:
    standing, tip = begun()
    said = judge(standing, [Entrant(PATCH, [])], tip)
    assert isinstance(said, NeedTrials)
    assert said.commits == (PATCH.commit,)
    assert len(said.slots) == 7
    assert {task for task, _ in said.slots} <= {task.name for task in TASKS if task.split is Split.TRAIN}
    begun_ = trials(NeedTrials(said.commits, said.slots[:3]), rate(1.0, ""))
    rest = judge(standing, [Entrant(PATCH, begun_)], tip)
    assert rest == said


def test_harm_is_reverted_early_and_the_tip_stays() -> None:
    standing, tip = begun()
    said = ruled(standing, PATCH, tip, lambda *_: 0.0)
    assert said.decisions[0].verdict is Verdict.REVERT
    assert said.decisions[0].evidence is not None and said.decisions[0].evidence.effect < 0
    assert "after 7 trials" in said.decisions[0].reason
    assert said.standing.tip == said.standing.champion == SEED


def test_what_looks_better_is_stacked_and_what_surely_is_becomes_champion() -> None:
    standing, tip = begun()
    said = ruled(standing, PATCH, tip, lambda *_: 1.0)
    assert said.decisions[0].verdict is Verdict.STACK
    assert (said.standing.tip, said.standing.champion) == (PATCH, SEED)
    assert "1 stacked, doubt" in said.decisions[0].reason
    assert re.search(
        r"^\+\d.* points against round 0 after .* % \(the stack: \+\d.* points over the champion, round 0\)$",
        said.decisions[0].reason,
    )
    standing, tip = begun(risk=0.3)
    said = ruled(standing, PATCH, tip, lambda *_: 1.0)
    assert said.decisions[0].verdict is Verdict.KEEP
    assert said.decisions[0].crowns
    assert said.standing.tip == said.standing.champion == PATCH


def test_a_tip_meets_its_challengers_on_attempts_that_it_never_had() -> None:
    standing, tip = begun()
    said = ruled(standing, PATCH, tip, lambda *_: 1.0)
    after, own = at_work(said.standing, lambda *_: 1.0)
    asked = judge(after, [Entrant(NEXT, [])], own)
    assert isinstance(asked, NeedTrials)
    assert min(attempt for _, attempt in asked.slots) >= first_attempt(PATCH) > max(trial.attempt for trial in tip)


def test_a_stack_may_be_promoted_by_a_round_that_reverts_its_own_patch() -> None:
    standing, tip = begun()
    stacked = ruled(standing, PATCH, tip, lambda *_: 1.0).standing
    loose = replace(stacked, rule=replace(stacked.rule, settings=GateConfig(risk=0.3)))
    after, own = at_work(loose, lambda *_: 1.0)
    said = ruled(after, NEXT, own, lambda *_: 0.0, lambda *_: 1.0)
    assert (said.decisions[0].verdict, said.decisions[0].fate) == (Verdict.REVERT, StackFate.PROMOTED)
    assert said.decisions[0].crowns
    assert said.standing.champion == said.standing.tip == PATCH


def test_a_stack_that_turns_out_worse_is_left_for_the_champion() -> None:
    standing, tip = begun()
    stacked = ruled(standing, PATCH, tip, lambda *_: 1.0).standing
    known = stacked.rule.level
    level = pair(known.mean, known.variance, -0.08, 0.0004, 0.0)
    after, own = at_work(replace(stacked, rule=replace(stacked.rule, level=level)), lambda *_: 0.0)
    said = ruled(after, NEXT, own, lambda *_: 0.0, lambda *_: 0.0)
    assert (said.decisions[0].verdict, said.decisions[0].fate) == (Verdict.REVERT, StackFate.GIVEN_UP)
    assert said.standing.tip == said.standing.champion == SEED
    assert len(said.standing.rule.own) * 20 == len(tip), "the champion's own trials count again"


def three_in_line() -> tuple[Standing, list[TrialResult]]:
    """A tip with two patches, which are believed to be worse than the first of them alone."""
    standing, tip = begun(generalise=False)
    first, own = at_work(ruled(standing, PATCH, tip, lambda *_: 1.0).standing, lambda *_: 0.7)
    rule = first.rule
    assert isinstance(rule, StackRule) and (first.tip, first.champion) == (PATCH, SEED)
    level = Levels(np.array([0.4, 0.6, 0.5]), 0.02**2 * np.eye(3))
    rule = replace(rule, level=level, earlier=(*rule.earlier, rule.seeds), seeds=rule.seeds.for_next_tip())
    return first.after(Ruling(True, StackFate.OPEN, Assessment(0.1, 0.1, 0.1, 30), rule, "likely"), NEXT), own


def test_a_tip_gives_way_to_an_earlier_scaffold_whose_trials_count_again() -> None:
    standing, before = three_in_line()
    after, own = at_work(standing, lambda *_: 0.5)
    said = ruled(after, LAST, own, lambda *_: 0.0, lambda *_: 0.5)
    (decision,) = said.decisions
    assert (decision.verdict, decision.fate, decision.back_to) == (Verdict.REVERT, StackFate.GIVEN_UP, 1)
    assert decision.reason.endswith("; back to round 1, probably better without the 1 stacked since then")
    assert (said.standing.tip, said.standing.champion, said.standing.rule.stacked) == (PATCH, SEED, 1)
    assert said.standing.taken == (SEED, PATCH, NEXT)
    assert tip_slots(said.standing, before) == {(trial.task, trial.attempt) for trial in before}


def same_but(usage: Usage, tip: list[TrialResult], standing: Standing) -> list[TrialResult]:
    """A challenger's trials, equal to the tip's in reward."""
    return [replace(trial, candidate=PATCH.commit, usage=usage) for trial in tip]


@pytest.mark.parametrize(
    ("tokens", "smaller", "taken"),
    [(100, 0.0, False), (80, 0.0, True), (120, 0.5, False), (100, 0.2, True), (100, 0.01, False)],
)
def test_a_tie_goes_to_the_cheaper_and_then_to_the_smaller(tokens: int, smaller: float, taken: bool) -> None:
    standing, tip = begun()
    tip = [replace(trial, usage=Usage(1, 50, 50)) for trial in tip]
    new = same_but(Usage(1, tokens - 50, 50), tip, standing)
    said = judge(standing, [Entrant(PATCH, new, smaller)], tip)
    if isinstance(said, NeedTrials):
        assert not taken, "nothing is decided by cost where more trials may tell"
        return
    assert (said.decisions[0].verdict is not Verdict.REVERT) is taken


def test_infrastructure_errors_are_no_evidence() -> None:
    standing, tip = begun()
    asked = judge(standing, [Entrant(PATCH, [])], tip)
    assert isinstance(asked, NeedTrials)
    broken = [result(task, None, attempt, candidate=PATCH.commit) for task, attempt in asked.slots]
    assert judge(standing, [Entrant(PATCH, broken)], tip) == asked


@settings(max_examples=15, deadline=None)
@given(st.permutations(TASKS), st.integers(0, 10**6))
def test_the_order_of_the_suite_changes_nothing(order: list[TaskSlot], salt: int) -> None:
    reward = rate(0.55, str(salt))
    one, other = (ruled(*work, reward) for work in ((s, PATCH, t) for s, t in (begun(), begun(order))))
    assert one.decisions[0] == other.decisions[0]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.0, 0.5))
def test_more_wins_never_turn_a_patch_that_is_built_upon_into_one_that_is_not(salt: int, extra: float) -> None:
    some, bonus = rate(0.55, str(salt)), rate(extra, f"extra{salt}")
    before, after = (
        ruled(*begun_with(PATCH), reward).decisions[0]  # without fresh trials, which need not go as the others did
        for reward in (some, lambda task, attempt: max(some(task, attempt), bonus(task, attempt)))
    )
    assert (after.verdict is not Verdict.REVERT) >= (before.verdict is not Verdict.REVERT)


def begun_with(candidate: Candidate) -> tuple[Standing, Candidate, list[TrialResult]]:
    standing, tip = begun(jump=0)
    return standing, candidate, tip


def test_a_stable_order_is_used() -> None:
    names = [task.name for task in initial_standing(TASKS, GateConfig(), SEED).tasks]
    assert names == sorted(names, key=stable_hash)


def test_greedy_keeps_what_scores_higher_once_and_never_measures_it_again() -> None:
    standing, tip = at_work(initial_standing(TASKS, GateConfig(rule="greedy", attempts=1), SEED), rate(0.4, "tip"))
    assert len(tip) == 20
    lucky = ruled(standing, PATCH, tip, rate(0.8, "lucky"))
    assert lucky.decisions[0].verdict is Verdict.KEEP
    assert lucky.decisions[0].evidence is None
    assert lucky.standing.tip == lucky.standing.champion == PATCH
    assert learn_tip(lucky.standing, []) == lucky.standing
    same = ruled(lucky.standing, NEXT, [], rate(0.4, "other"))
    assert same.decisions[0].verdict is Verdict.REVERT
    assert "after 20 trials" in same.decisions[0].reason


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.3, 0.7))
def test_trials_that_came_later_do_not_change_a_decision(salt: int, share: float) -> None:
    dice, chance, own = random.Random(salt), rate(share, str(salt)), rate(0.4, "tip")

    def more(commit: str, reward: Reward) -> list[TrialResult]:
        again = first_attempt_again(PATCH)
        attempts = [*range(8), *range(again, again + MOST_PASSES)]
        slots = tuple((task.name, attempt) for attempt in attempts for task in TASKS)
        made = trials(NeedTrials((commit,), slots), reward)
        return [replace(trial, usage=Usage(1, dice.randrange(1, 1000), 10)) for trial in made]

    all_old, all_new = more(SEED.commit, own), more(PATCH.commit, chance)
    standing = learn_tip(initial_standing(TASKS, GateConfig(), SEED), all_old)
    assert isinstance(standing, Standing)
    old, new = all_old[: 60 if salt % 2 else 40], []
    while isinstance(said := judge(standing, [Entrant(PATCH, new)], old), NeedTrials):
        pool, known = (all_new, new) if said.commits == (PATCH.commit,) else (all_old, old)
        known += [trial for trial in pool if (trial.task, trial.attempt) in said.slots]
    later = judge(standing, [Entrant(PATCH, all_new)], all_old)
    assert isinstance(later, Judgement)
    assert later.decisions[0] == said.decisions[0]


def test_a_patch_that_changes_no_trial_is_dropped_after_train() -> None:
    standing, tip = begun()
    tip = [replace(trial, usage=Usage(3, 10 * trial.attempt + 50, 50)) for trial in tip]
    twin = [replace(trial, candidate=PATCH.commit, usage=Usage(3, 99, 50)) for trial in tip]
    said = judge(standing, [Entrant(PATCH, twin)], tip)
    assert isinstance(said, Judgement)
    assert (
        said.decisions[0].reason
        == "+0.0 ± 13.5 points against round 0 after 14 trials: every trial ended exactly as without the patch"
    )
    assert np.array_equal(said.standing.rule.own, standing.rule.own)
    alike = [replace(trial, usage=Usage(4, 100, 50)) for trial in twin]
    said = judge(standing, [Entrant(PATCH, alike)], tip)
    assert isinstance(said, NeedTrials) or "every trial" not in said.decisions[0].reason


def raced(standing: Standing, tip: list[TrialResult], **rates: Reward) -> Judgement:
    """A race of candidates with these rewards, on top of the tip."""
    field = [Candidate(name * 40, 10 + n, standing.tip.commit, name) for n, name in enumerate(rates)]
    new: dict[str, list[TrialResult]] = {one.commit: [] for one in field}
    while isinstance(said := judge(standing, [Entrant(one, new[one.commit]) for one in field], tip), NeedTrials):
        for commit in said.commits:
            known = {(trial.task, trial.attempt) for trial in new.get(commit, tip)}
            lacking = NeedTrials((commit,), tuple(slot for slot in said.slots if slot not in known))
            new.get(commit, tip).extend(trials(lacking, rates.get(commit[0], rate(0.4, "tip"))))
    return said


def test_of_a_race_one_is_stacked_and_what_was_as_good_waits_to_be_merged() -> None:
    said = raced(*begun(), d=lambda *_: 0.0, e=lambda *_: 1.0, f=lambda *_: 1.0)
    assert [decision.verdict for decision in said.decisions] == [Verdict.REVERT, Verdict.STACK, Verdict.REVERT]
    assert "behind others of its race" in said.decisions[0].reason
    assert said.standing.tip.commit == "e" * 40
    assert [one.commit for one in said.standing.waiting] == ["f" * 40]
    assert said.standing.to_merge(3) == said.standing.waiting


def test_nothing_waits_behind_one_that_is_dropped_or_for_longer_than_a_race() -> None:
    assert raced(*begun(), d=lambda *_: 0.0, e=rate(0.2, "e")).standing.waiting == ()
    after, own = at_work(raced(*begun(), d=lambda *_: 1.0, e=lambda *_: 1.0).standing, lambda *_: 1.0)
    assert after.waiting
    assert ruled(after, NEXT, own, lambda *_: 0.0, lambda *_: 1.0).standing.waiting == ()


def test_rules_that_keep_all_merge_another_branch_from_time_to_time() -> None:
    standing, tip = begun(rule="archive", attempts=1, merge_every=3)  # type: ignore[arg-type]
    assert [len(standing.to_merge(number)) for number in (1, 3)] == [0, 0]
    after = ruled(standing, PATCH, tip, lambda *_: 1.0).standing
    after = replace(after, rule=replace(after.rule, tip=0), tip=SEED)  # type: ignore[type-var]
    after = ruled(after, NEXT, tip, rate(0.5, "next")).standing
    chosen = replace(after, rule=replace(after.rule, tip=2), tip=NEXT)  # type: ignore[type-var]
    assert [chosen.to_merge(number) for number in (1, 2, 3)] == [(), (), (PATCH,)]


def voids(trials: Sequence[TrialResult], share: float = 1.0, **changes: object) -> list[TrialResult]:
    """The trials, before a share of which a try was voided by the endpoint."""
    void = {"outcome": Outcome.INFRA_ERROR, "reward": None, "fault": Fault.ENDPOINT, **changes}
    some = trials[: round(share * len(trials))]
    return [*(replace(trial, **void) for trial in some), *trials]  # type: ignore[arg-type]


def with_voids(candidate: Candidate, share: float, tip_share: float = 0.0, **changes: object) -> Judgement:
    """The judgement on a challenger that surely is better, of whose attempts a share was voided."""
    standing, tip = begun(risk=0.3)
    tip, new = voids(tip, tip_share), list[TrialResult]()
    while isinstance(said := judge(standing, [Entrant(candidate, new)], tip), NeedTrials):
        if said.commits == (candidate.commit,):
            new += voids(trials(said, lambda *_: 1.0), share, **changes)
        else:
            tip += trials(said, rate(0.4, "tip"))
    return said


def test_a_patch_that_voids_clearly_more_than_the_tip_is_not_built_upon() -> None:
    said = with_voids(PATCH, 0.9)
    assert said.decisions[0].verdict is Verdict.REVERT
    assert "voided" in said.decisions[0].reason and "0 of" in said.decisions[0].reason
    assert said.standing.tip == said.standing.champion == SEED


@pytest.mark.parametrize(
    ("share", "tip_share", "changes"), [(0.0, 0.0, {}), (0.1, 0.0, {}), (0.5, 0.5, {}), (0.9, 0.0, {"outage": True})]
)
def test_faults_that_hit_the_tip_as_often_or_everybody_decide_nothing(
    share: float, tip_share: float, changes: dict[str, object]
) -> None:
    assert with_voids(PATCH, share, tip_share, **changes).decisions[0].verdict is Verdict.KEEP


def test_what_is_run_later_does_not_change_a_decision_about_voided_attempts() -> None:
    standing, tip = begun(risk=0.3)
    new: list[TrialResult] = []
    while isinstance(said := judge(standing, [Entrant(PATCH, new)], tip), NeedTrials):
        new += voids(trials(said, lambda *_: 1.0), 0.9)
    later = [replace(trial, attempt=trial.attempt + 100) for trial in tip]
    more = [replace(trial, attempt=trial.attempt + 100) for trial in new if trial.counts]
    for entrant in (new, [*new, *more * 9]):
        again = judge(standing, [Entrant(PATCH, entrant)], [*tip, *voids(later)])
        assert isinstance(again, Judgement) and again.decisions == said.decisions


def test_a_run_of_an_earlier_version_ignores_voided_attempts() -> None:
    assert RunConfig.from_stored("{}").gate.voided_risk == 0
    stored = json.loads(RunConfig().canonical())
    del stored["gate"]["voided_risk"]
    assert RunConfig().differences(json.dumps(stored)) == []
    assert [one.key for one in RunConfig(gate=GateConfig(voided_risk=0.5)).differences(json.dumps(stored))] == [
        "gate.voided_risk"
    ]
    assert RunConfig.from_stored(RunConfig().canonical()) == RunConfig()


@given(st.integers(0, 12), st.integers(0, 12), st.integers(0, 12), st.integers(0, 12))
def test_the_chance_of_as_many_voids_is_fishers(new: int, of_new: int, tip: int, of_tip: int) -> None:
    new, tip = min(new, of_new), min(tip, of_tip)
    table = [[new, of_new - new], [tip, of_tip - tip]]
    expected = fisher_exact(table, alternative="greater").pvalue
    assert chance_of_as_many(VoidedShare(new, of_new), VoidedShare(tip, of_tip)) == pytest.approx(expected)
