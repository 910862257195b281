"""Patches that have memorised what their proposer saw, in the loop: measured again, and not built upon."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evolve.core.attempts import AGAIN, ATTEMPTS_PER_TIP
from evolve.core.errors import InfraError
from evolve.core.records import Split, TrialSpec, Verdict
from evolve.gate.recheck import UNCONFIRMED
from tests import test_loop
from tests.fakes import ScoringEvaluator, task
from tests.test_loop import RUN, Run, by_level, opened, proposing, repository, verdicts

__all__ = ["repository"]
MEMORISER = 9


@pytest.fixture
def generating(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs on a suite whose tasks generate an instance per attempt."""
    monkeypatch.setattr(test_loop, "task", lambda *words: replace(task(*words), generates=True))
    with opened(repository, tmp_path) as make:
        yield make


class Memorised:
    """A patch of level 9 knows the answers to all instances that the seed scaffold ever had, of any split."""

    def __init__(self) -> None:
        self.seen: set[int | None] = set()

    def __call__(self, text: str, spec: TrialSpec) -> float:
        level = int(text.split("=")[1].split()[0])
        if level != MEMORISER:
            self.seen |= {spec.instance_seed} if level == 1 else set()
            return by_level(text, spec)
        return 1.0 if spec.instance_seed in self.seen else by_level(test_loop.SEED_TEXT, spec)


def reasons(run: Run) -> list[str]:
    return [row.decision.reason for row in run.store.rounds(RUN)[1:] if row.decision]


def test_memorised_instances_are_not_built_upon_and_an_honest_patch_is(generating: Callable[..., Run]) -> None:
    evaluator = ScoringEvaluator(Memorised())
    run = generating(proposing(MEMORISER, 4), evaluator)
    run.play(2)
    assert verdicts(run) == [Verdict.BASELINE, Verdict.REVERT, Verdict.KEEP]
    assert reasons(run)[0].endswith(UNCONFIRMED)
    assert "confirmed by" in reasons(run)[1]
    memoriser, honest = (candidate.commit for candidate in run.store.candidates(RUN)[1:])
    slots = {commit: _own_slots(evaluator, commit) for commit in (memoriser, honest)}
    assert slots[memoriser] and slots[honest]
    assert {attempt // ATTEMPTS_PER_TIP for _, attempt in slots[memoriser]} == {1}
    assert not {seed for seed, _ in slots[memoriser]} & {seed for seed, _ in slots[honest]}
    assert not any(spec.task.split is Split.HOLDOUT for spec in evaluator.specs if spec.candidate == memoriser)


def _own_slots(evaluator: ScoringEvaluator, commit: str) -> set[tuple[int | None, int]]:
    """Instances and attempts on which a candidate was measured again."""
    specs = [spec for spec in evaluator.specs if spec.candidate == commit]
    return {
        (spec.instance_seed, spec.attempt) for spec in specs if AGAIN <= spec.attempt % ATTEMPTS_PER_TIP < 2 * AGAIN
    }


def test_without_the_rule_they_are_built_upon(generating: Callable[..., Run]) -> None:
    run = generating(proposing(MEMORISER), ScoringEvaluator(Memorised()), jump=0)
    run.play(1)
    assert verdicts(run)[1] in (Verdict.KEEP, Verdict.STACK)


def test_a_run_that_was_cut_off_among_the_fresh_trials_takes_the_same_decision(generating: Callable[..., Run]) -> None:
    memorised = Memorised()

    def failing(text: str, spec: TrialSpec) -> float:
        if spec.attempt >= ATTEMPTS_PER_TIP + AGAIN and len(broken.specs) % 7 == 0:
            raise InfraError("the machine is gone")
        return memorised(text, spec)

    broken, model = ScoringEvaluator(failing), proposing(MEMORISER)
    with pytest.raises(InfraError):
        generating(model, broken).play(1)
    assert any(trial.attempt >= ATTEMPTS_PER_TIP + AGAIN for trial in generating(model, broken).store.trials(RUN))
    again = generating(model, ScoringEvaluator(memorised))
    again.play(1)
    assert verdicts(again) == [Verdict.BASELINE, Verdict.REVERT]
    assert reasons(again)[0].endswith(UNCONFIRMED)
    slots = [(trial.candidate, trial.task, trial.attempt) for trial in again.store.trials(RUN)]
    assert len(slots) == len(set(slots))
    last = generating(model, ScoringEvaluator(by_level))
    assert last.search.start().champion.round == 0, "the stored decision is the one that its rows give"
