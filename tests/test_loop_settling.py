"""Rounds without a patch, and the end of a run: tip and champion are measured until it is decided what is stacked."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from evolve.core.attempts import ATTEMPTS_PER_TIP
from evolve.core.records import StackFate, TrialSpec, Verdict
from evolve.gate.settling import LAST_PASSES, last_passes
from evolve.loop import search
from tests.fakes import ScoringEvaluator
from tests.test_loop import RUN, Run, opened, proposing, verdicts, write_repository

SOME_BETTER, MUCH_BETTER = 4, 9
# Decisions are on attempts below it.
LIMIT = ATTEMPTS_PER_TIP + 1024


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_repository(tmp_path_factory.mktemp("repository"))


@pytest.fixture
def made(repository: Path, tmp_path: Path) -> Iterator[Callable[..., Run]]:
    with opened(repository, tmp_path) as make:
        yield make


def by_chance(text: str, spec: TrialSpec) -> float:
    """Passes with a chance of a tenth for each level, and three more."""
    level = int(text.split("=")[1].split()[0])
    return float(random.Random(f"{level}{spec.task.name}{spec.attempt}").random() < (level + 3) / 10)


@pytest.fixture
def long_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A short run ends as a long one does."""
    monkeypatch.setattr(search, "last_passes", lambda rounds: LAST_PASSES)


def fates(run: Run) -> list[StackFate]:
    return [row.decision.fate for row in run.store.rounds(RUN) if row.decision]


def test_a_round_without_a_patch_measures_tip_and_champion_side_by_side(made: Callable[..., Run]) -> None:
    levels = (SOME_BETTER, None, None, None, None, -2, 0)
    run = made(proposing(*levels), evaluator := ScoringEvaluator(by_chance))
    run.play(7)
    assert verdicts(run)[:6] == ["baseline", "stack", "refused", "refused", "refused", "refused"]
    assert fates(run)[6] is StackFate.PROMOTED, "by the trials of the rounds before"
    assert run.store.champion(RUN).round == 1
    seed, tip = (candidate.commit for candidate in run.store.candidates(RUN)[:2])
    slots = {
        commit: {(spec.task.name, spec.attempt) for spec in evaluator.specs if spec.candidate == commit}
        for commit in (seed, tip)
    }
    shared = {(task, attempt) for task, attempt in slots[seed] if attempt // ATTEMPTS_PER_TIP == 1}
    assert len(shared) == 5 * 20 and shared <= slots[tip], "on the same attempts, and so on the same seeds"
    standing = made(proposing(1), ScoringEvaluator(by_chance)).search.start()
    assert standing.champion == run.store.champion(RUN), "the rows give the same standing"


@pytest.mark.usefixtures("long_end")
def test_what_is_stacked_last_is_measured_until_it_is_decided(made: Callable[..., Run]) -> None:
    run = made(proposing(SOME_BETTER), ScoringEvaluator(by_chance))
    run.play(1)
    assert verdicts(run) == ["baseline", "keep"]
    decision = run.store.rounds(RUN)[1].decision
    assert decision and decision.verdict is Verdict.KEEP and "side by side" in decision.reason
    assert decision.evidence and decision.evidence.doubt <= 0.01
    again = made(proposing(MUCH_BETTER, 0), ScoringEvaluator(by_chance))
    again.play(2)
    assert verdicts(again)[:2] == ["baseline", "keep"], "the rows give the same decisions"


@pytest.mark.parametrize(("last", "passes"), [(1, 0), (4, 1)])
def test_a_short_run_ends_with_few_trials(
    made: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, last: int, passes: int
) -> None:
    monkeypatch.setattr(search, "last_passes", lambda rounds: last_passes(last))
    run = made(proposing(SOME_BETTER), evaluator := ScoringEvaluator(by_chance))
    run.play(1)
    seed = run.store.candidates(RUN)[0].commit
    again = [spec for spec in evaluator.specs if spec.candidate == seed and spec.attempt // ATTEMPTS_PER_TIP == 1]
    assert len({(spec.task.name, spec.attempt) for spec in again}) == 20 * passes


def test_a_long_run_ends_with_more_passes_and_a_first_look_with_none() -> None:
    assert [last_passes(rounds) for rounds in (0, 1, 2, 3, 4, 10, 17, 18, 100)] == [0, 0, 0, 0, 1, 4, 7, 8, 8]


@pytest.mark.usefixtures("long_end")
def test_a_cut_during_the_last_measuring_changes_nothing(made: Callable[..., Run]) -> None:
    class Cut(ScoringEvaluator):
        def measure(self, specs, on_result, may_start=lambda: True) -> None:  # type: ignore[no-untyped-def]
            chosen = list(specs)
            if len({spec.candidate for spec in chosen}) == 2 and all(spec.attempt < LIMIT for spec in chosen):
                super().measure(chosen[:7], on_result, may_start)
                raise KeyboardInterrupt
            super().measure(chosen, on_result, may_start)

    model = proposing(SOME_BETTER)
    with pytest.raises(KeyboardInterrupt):
        made(model, Cut(by_chance)).play(1)
    run = made(model, ScoringEvaluator(by_chance))
    run.play(1)
    assert verdicts(run) == ["baseline", "keep"]
    trials = [(trial.candidate, trial.task, trial.attempt) for trial in run.store.trials(RUN)]
    assert len(trials) == len(set(trials))


def test_a_kill_after_a_refusal_loses_nothing(made: Callable[..., Run]) -> None:
    class Killed(ScoringEvaluator):
        def measure(self, specs, on_result, may_start=lambda: True) -> None:  # type: ignore[no-untyped-def]
            chosen = list(specs)
            if len({spec.candidate for spec in chosen}) == 2:
                super().measure(chosen[:7], on_result, may_start)
                raise KeyboardInterrupt
            super().measure(chosen, on_result, may_start)

    model = proposing(SOME_BETTER, None, -2, 0)
    with pytest.raises(KeyboardInterrupt):
        made(model, Killed(by_chance)).play(4)
    assert verdicts(made(model, ScoringEvaluator(by_chance)))[:2] == ["baseline", "stack"]
    run = made(model, ScoringEvaluator(by_chance))
    run.play(4)
    trials = [(trial.candidate, trial.task, trial.attempt) for trial in run.store.trials(RUN)]
    assert len(trials) == len(set(trials))
