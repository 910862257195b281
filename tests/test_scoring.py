"""The scores at a run's end: seed scaffold and champion side by side on the holdout."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import stdtrit

from evolve.core.config import RunConfig
from evolve.core.errors import InfraError
from evolve.core.records import Split, TrialSpec
from evolve.loop.measuring import take_turns
from evolve.loop.scoring import CHAMPION_LOOK, EARLY_SEED_LOOK, SEED_LOOK
from evolve.runs.results import fresh_coverage, fresh_scores, has_new_champion
from evolve.store import LookRow
from tests.fakes import ScoringEvaluator, task, trial_spec
from tests.test_loop import NAMES, RUN, Run, by_level, made, proposing, repository  # noqa: F401

HOLDOUT = 60
DRIFT = 0.6


def holdout_trials(run: Run) -> list[tuple[str, str, int]]:
    """Commit, task and attempt of the holdout's trials, in the order in which they ended."""
    return [(t.candidate, t.task, t.attempt) for t in run.store.trials(RUN) if t.split is Split.HOLDOUT]


def test_seed_and_champion_take_turns_on_the_holdout_after_all_rounds(made: Callable[..., Run]) -> None:  # noqa: F811
    run = made(proposing(4, 0), ScoringEvaluator(by_level))
    run.play(2)
    trials, seed, champion = run.store.trials(RUN), run.store.candidates(RUN)[0].commit, run.store.champion(RUN).commit
    measured = holdout_trials(run)
    assert all(t.split is Split.HOLDOUT for t in trials[-len(measured) :]), "the holdout comes last"
    assert [one[1:] for one in measured[::2]] == [one[1:] for one in measured[1::2]], "pairs on a slot"
    assert [one[0] for one in measured] == [seed, champion, champion, seed] * (len(measured) // 4)
    assert len(measured) == 2 * NAMES[Split.HOLDOUT]


def test_no_look_at_the_holdout_is_spent_while_the_seed_scaffold_is_champion(made: Callable[..., Run]) -> None:  # noqa: F811
    run = made(proposing(0), ScoringEvaluator(by_level))
    run.play(1)
    assert run.store.champion(RUN) == run.store.candidates(RUN)[0]
    assert not holdout_trials(run) and not run.store.holdout_looks(RUN)
    assert has_new_champion(run.store, RUN) is None, "it may go on"
    run.store.end_run(RUN, "done", "2026-01-01T00:00:00+00:00")
    assert has_new_champion(run.store, RUN) is False, "that nothing was gained is a result"
    covered = fresh_coverage(run.store, RUN, run.store.seed(RUN), RunConfig(scaffold=Path()))
    assert covered[Split.HOLDOUT].planned == 0


def test_a_later_champion_is_compared_with_a_seed_that_is_measured_anew(made: Callable[..., Run]) -> None:  # noqa: F811
    def lucky_at_last(text: str, one: TrialSpec) -> float:
        return 1.0 if one.task.split is Split.HOLDOUT and one.attempt == 1 else by_level(text, one)

    run = made(proposing(4, 0), ScoringEvaluator(lucky_at_last))
    run.play(2)
    seed, first, later = run.store.candidates(RUN)
    for _ in range(2):
        run.search.scorer.compare_on_holdout(seed, later)
        run.search.scorer.compare_on_holdout(seed, first)
    measured = holdout_trials(run)
    assert len(measured) == len(set(measured)) == 4 * NAMES[Split.HOLDOUT]
    attempts = {one.commit: {a for c, _, a in measured if c == one.commit} for one in (seed, first, later)}
    assert attempts == {seed.commit: {0, 1}, first.commit: {0}, later.commit: {1}}
    ends = [(one.commit, f"{name} at the end") for one, name in ((seed, "seed scaffold"), (first, "champion"))]
    looks = [(look.commit, look.why) for look in run.store.holdout_looks(RUN)]
    assert looks == [*ends, ends[0], (later.commit, "champion at the end")]
    shown = fresh_scores(run.store, RUN, seed)[Split.HOLDOUT]
    assert shown is not None and shown.mean == 0.5, "its score is that beside the champion, without the lucky attempt"


def test_a_comparison_that_was_cut_off_is_finished_on_the_same_attempts(made: Callable[..., Run]) -> None:  # noqa: F811
    def failing(text: str, one: TrialSpec) -> float:
        if one.task.split is Split.HOLDOUT and sum(s.task.split is Split.HOLDOUT for s in broken.specs) > 3:
            raise InfraError("the machine is gone")
        return by_level(text, one)

    broken = ScoringEvaluator(failing)
    with pytest.raises(InfraError):
        made(proposing(4), broken).play(1)
    again = made(proposing(), ScoringEvaluator(by_level))
    again.play(1)
    measured = holdout_trials(again)
    assert len(measured) == len(set(measured)) == 2 * NAMES[Split.HOLDOUT]
    assert {attempt for _, _, attempt in measured} == {0}
    assert [look.why for look in again.store.holdout_looks(RUN)] == ["seed scaffold at the end", "champion at the end"]


def test_a_run_of_an_earlier_version_keeps_its_seeds_measurement(made: Callable[..., Run]) -> None:  # noqa: F811
    run = made(proposing(4), ScoringEvaluator(by_level))
    run.search.start()
    seed = run.store.candidates(RUN)[0]
    slots = [(f"holdout-{n:02}", 0) for n in range(NAMES[Split.HOLDOUT])]
    run.store.add_holdout_look(RUN, seed.commit, "seed scaffold at the start", "2026-01-01T00:00:00+00:00")
    run.search.measurer.measure([seed.commit], slots, decides=False)
    run.play(1)
    assert [look.why for look in run.store.holdout_looks(RUN)] == ["seed scaffold at the start", "champion at the end"]
    assert len(holdout_trials(run)) == 2 * NAMES[Split.HOLDOUT]


def test_an_earlier_versions_run_without_a_new_champion_looks_at_its_seed_once_more(made: Callable[..., Run]) -> None:  # noqa: F811
    run = made(proposing(4), ScoringEvaluator(by_level))
    run.play(1)
    seed, later = run.store.candidates(RUN)
    early = [LookRow(seed.commit, why, "2026-01-01T00:00:00+00:00") for why in (EARLY_SEED_LOOK, CHAMPION_LOOK)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(run.store), "holdout_looks", lambda *_: early)
        patch.setattr(
            type(run.store), "add_holdout_look", lambda _, run, commit, why, at: early.append(LookRow(commit, why, at))
        )
        run.search.scorer.compare_on_holdout(seed, later)
    assert [(look.commit, look.why) for look in early[2:]] == [(seed.commit, SEED_LOOK), (later.commit, CHAMPION_LOOK)]
    assert {a for c, _, a in holdout_trials(run) if c == later.commit} == {0, 1}


def test_turns_keep_the_order_of_slots_and_miss_nothing() -> None:
    one, two = (
        [replace(trial_spec(task=task(name)), candidate=letter * 40, attempt=attempt) for name, attempt in slots]
        for letter, slots in (("a", (("x", 0), ("y", 0), ("x", 1))), ("b", (("y", 0), ("x", 1), ("z", 1))))
    )
    turns = [(s.candidate[0], s.task.name, s.attempt) for s in take_turns([one, two])]
    assert turns == [("a", "x", 0), ("b", "y", 0), ("a", "y", 0), ("a", "x", 1), ("b", "x", 1), ("b", "z", 1)]
    assert take_turns([one]) == one
    assert take_turns([]) == []


Order = Callable[[Sequence[Sequence[TrialSpec]]], list[TrialSpec]]


def one_after_the_other(queues: Sequence[Sequence[TrialSpec]]) -> list[TrialSpec]:
    return [spec for specs in queues for spec in specs]


def step(trials: int) -> np.ndarray:
    return DRIFT * (np.arange(trials) >= trials // 2)


def slope(trials: int) -> np.ndarray:
    return np.linspace(0, 2 * DRIFT, trials)


def false_claims(order: Order, drift: Callable[[int], np.ndarray], runs: int = 4000) -> float:
    """How often the claim's 95 % interval leaves out 0 for a scaffold that is compared with itself meanwhile."""
    queues = [
        [
            trial_spec(candidate=letter, task=task(f"t{n}"), attempt=attempt)
            for attempt in range(2)
            for n in range(HOLDOUT)
        ]
        for letter in "ab"
    ]
    queue, dice = order(queues), np.random.default_rng(1)
    places = np.array([int(one.task.name[1:]) for one in queue])
    signs = np.array([1 if one.candidate == "b" else -1 for one in queue])
    logits = dice.normal(-0.6, 1.5, (runs, HOLDOUT))[:, places] + drift(len(queue))
    rewards = dice.random(logits.shape) < 1 / (1 + np.exp(-logits))
    differences = np.array([(rewards * signs)[:, places == n].sum(axis=1) / 2 for n in range(HOLDOUT)])
    half = stdtrit(HOLDOUT - 1, 0.975) * differences.std(axis=0, ddof=1) / np.sqrt(HOLDOUT)
    return float((abs(differences.mean(axis=0)) > half).mean())


@pytest.mark.parametrize("drift", [step, slope])
def test_drift_makes_no_false_claims_where_both_take_turns(drift: Callable[[int], np.ndarray]) -> None:
    assert false_claims(take_turns, drift) <= 0.06


def test_it_makes_many_where_the_seed_is_measured_first() -> None:
    assert false_claims(one_after_the_other, step) > 0.3
