"""Null copies in a run: they take rounds of their own, are recorded, and are invisible to everything else."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from evolve.core.attempts import ATTEMPTS_PER_TIP
from evolve.core.errors import InfraError
from evolve.core.records import Decision, Proposal, TrialSpec, Verdict
from evolve.maintenance.doctor.lineages import run_record
from evolve.report.promises import null_copy_lines
from evolve.runs.history import history_rows
from evolve.store import RoundRow
from tests.fakes import ScoringEvaluator
from tests.test_loop import RUN, SEED_TEXT, Run, by_level, made, proposing, repository, verdicts  # noqa: F401

EVERY_SECOND: dict[str, Any] = {"null_share": 0.5}


def test_a_copy_changes_nothing_and_nobody_sees_it(made: Callable[..., Run]) -> None:  # noqa: F811
    model = proposing(0, 4)
    run = made(model, ScoringEvaluator(by_level), **EVERY_SECOND)
    run.play(4)
    rows = run.store.rounds(RUN)
    copies = [row.number for row in rows if row.is_null_copy]
    assert copies == [2, 4]
    for row in (rows[number] for number in copies):
        assert row.candidate and row.parent and row.decision
        assert run.lineage.files(row.candidate.commit) == run.lineage.files(row.parent.commit)
        assert row.decision.verdict is Verdict.REVERT and row.decision.would_be is not None
        first = row.number * ATTEMPTS_PER_TIP
        own = run.store.trials(RUN, row.candidate.commit)
        assert own and all(first <= trial.attempt < first + ATTEMPTS_PER_TIP for trial in own)
    assert [facts.round for facts in run.search.lessons.history.results()] == [1, 3]
    assert [lesson.round for lesson in run.store.lessons(RUN)] == [1, 3]
    assert "copy" not in (run.folder / "memory.md").read_text()
    assert "copy" not in json.dumps(model.requests)
    assert run.store.champion(RUN).round in (0, 3)


def test_the_run_goes_as_without_copies(made: Callable[..., Run]) -> None:  # noqa: F811
    run = made(proposing(4, 0), ScoringEvaluator(by_level), **EVERY_SECOND)
    run.play(3)
    copies = [row.is_null_copy for row in run.store.rounds(RUN)]
    others = [verdict for verdict, is_copy in zip(verdicts(run), copies, strict=True) if not is_copy]
    assert others == ["baseline", "keep", "revert"]


@pytest.mark.parametrize("race", [1, 2])
def test_a_run_with_copies_that_was_cut_off_takes_the_same_decisions(made: Callable[..., Run], race: int) -> None:  # noqa: F811
    def failing(text: str, spec: TrialSpec) -> float:
        if spec.attempt >= ATTEMPTS_PER_TIP and len({s.attempt for s in broken.specs}) > 3:
            raise InfraError("the machine is gone")
        return by_level(text, spec)

    broken, model = ScoringEvaluator(failing), proposing(4, 0, 5, 3)
    with pytest.raises(InfraError):
        made(model, broken, race=race, **EVERY_SECOND).play(4)
    again = made(model, ScoringEvaluator(by_level), race=race, **EVERY_SECOND)
    again.play(4)
    slots = [(t.candidate, t.task, t.attempt) for t in again.store.trials(RUN)]
    assert len(slots) == len(set(slots))
    decided = verdicts(again)
    assert len(decided) == 5 and len(model.requests) == 2
    made(proposing(), ScoringEvaluator(by_level), race=race, **EVERY_SECOND).play(4)
    assert verdicts(again) == decided


def test_rows_branches_and_notes_of_copies_agree(made: Callable[..., Run]) -> None:  # noqa: F811
    run = made(proposing(4), ScoringEvaluator(by_level), **EVERY_SECOND)
    run.play(2)
    row = run.store.run(RUN)
    assert row is not None
    record = run_record(run.store, run.folder.parent, row, at_work=False)
    copy = run.store.rounds(RUN)[2]
    assert copy.candidate and record.rounds[2].commit == copy.candidate.commit
    assert run.lineage.resolve(copy.candidate.branch) == copy.candidate.commit
    shown = history_rows(run.store.view("history", RUN), run.store.trials(RUN), run.store.rounds(RUN))
    assert [one["null_copy"] is not None for one in shown] == [False, False, True]


def rounds(*would_be: Verdict | None) -> list[RoundRow]:
    proposal = Proposal("", "", (), null_copy=True)
    return [
        RoundRow(n, None, "", None, proposal, Decision(Verdict.REVERT, "", would_be=one), n)
        for n, one in enumerate(would_be)
    ]


def test_the_line_counts_copies_and_names_the_promise() -> None:
    assert null_copy_lines(rounds(None, None), 0.01) == []
    assert null_copy_lines(rounds(Verdict.REVERT, Verdict.REVERT), 0.01) == [
        "null copies: 0 of 2 kept (promised at most 1 %)"
    ]
    assert null_copy_lines(rounds(Verdict.KEEP, Verdict.STACK, Verdict.REVERT, None), 0.025) == [
        "null copies: 1 of 3 kept (promised at most 2.5 %); 1 more would have been built upon"
    ]
