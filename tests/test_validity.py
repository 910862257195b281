"""Whether a run counts as valid: each threshold, and what is evidence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from evolve.core.coverage import Coverage, coverage
from evolve.core.records import Fault, StoredFile, TrialCondition, TrialResult, VerifierMode
from evolve.core.validity import (
    MOST_DRIFTED,
    MOST_FAULTY,
    MOST_LOST,
    MOST_UNGRADED,
    MOST_UNRECORDED,
    RunEvidence,
    Validity,
    run_evidence,
    validity,
    weak_verifiers,
)
from evolve.core.voided import voided_share
from evolve.report.validity import validity_lines, with_coverage
from evolve.runs.evidence import judge_trials
from tests.fakes import result

LIMITS = {
    "ungraded": ("attempts", MOST_UNGRADED, "could not be graded"),
    "lost": ("attempts", MOST_LOST, "no result because of faults"),
    "faulty": ("attempts", MOST_FAULTY, "hit by faults"),
    "unrecorded": ("counted", MOST_UNRECORDED, "have no recording"),
    "drifted": ("answered", MOST_DRIFTED, "another model"),
    "moved": ("placed", MOST_DRIFTED, "another scaffold's image"),
}


@pytest.mark.parametrize("name", LIMITS)
def test_each_share_has_a_limit(name: str) -> None:
    total, most, words = LIMITS[name]
    sound = RunEvidence(attempts=1000, counted=1000, answered=1000, placed=1000)
    assert validity(sound).valid
    assert validity(replace(sound, **{name: int(most * 1000)})).valid
    found = validity(replace(sound, **{name: int(most * 1000) + 1}))
    assert not found.valid and words in str(found) and f"{int(most * 1000) + 1} of 1000" in str(found)
    assert getattr(sound, total) == 1000


def test_all_reasons_are_given_in_one_line() -> None:
    found = validity(RunEvidence(attempts=10, ungraded=5, faulty=5, counted=5))
    assert str(found) == "INVALID: 5 of 10 attempts could not be graded; 5 of 10 attempts were hit by faults"
    assert str(Validity()) == "VALID"


def test_a_run_without_results_is_not_valid() -> None:
    assert str(validity(RunEvidence())) == "INVALID: no trial counts"


def failed(fault: Fault, attempt: int = 0) -> TrialResult:
    return result(reward=None, attempt=attempt, fault=fault)


def test_evidence_counts_attempts_not_rows() -> None:
    trials = [
        *(failed(Fault.GRADER, 0) for _ in range(3)),
        failed(Fault.ENGINE, 1), result(attempt=1),
        failed(Fault.GRADER, 2), result(attempt=2),
        failed(Fault.OTHER, 3),
        failed(Fault.CAP, 4),
        result(attempt=5),
    ]  # fmt: skip
    found = run_evidence(trials, lambda _: True)
    assert (found.attempts, found.ungraded, found.lost, found.faulty, found.counted) == (5, 1, 1, 4, 3)


def test_a_cut_off_trial_is_no_fault() -> None:
    found = run_evidence([result(), failed(Fault.CAP, 1)], lambda _: True)
    assert validity(found).valid and found.attempts == 1


def answered(*models: str, image: str = "i", attempt: int = 0) -> TrialResult:
    return result(attempt=attempt, condition=TrialCondition(endpoint_models=models, base_image=image))


def test_drift_is_what_differs_from_most() -> None:
    trials = [*(answered("a", attempt=n) for n in range(8)), answered("b", image="j"), answered("a", "c"), answered()]
    found = run_evidence(trials, lambda _: True)
    assert (found.answered, found.drifted, found.placed, found.moved) == (10, 1, 11, 1)
    assert not validity(found).valid
    assert run_evidence([result()], lambda _: True).answered == 0


def test_a_missing_recording_counts_unless_gc_removed_it(tmp_path: Path) -> None:
    stored = StoredFile("run/trials/a.gz", "0" * 64)
    trials = [result(attempt=0, recording=stored)]
    assert "1 of 1 trials have no recording" in str(judge_trials(trials, tmp_path, "run").validity)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "gc.json").write_text('{"files": ["run/trials/a.gz"]}')
    assert judge_trials(trials, tmp_path, "run").validity.valid
    assert not judge_trials([*trials, result(attempt=1)], tmp_path, "run").validity.valid
    assert judge_trials([result()], tmp_path, "run").validity.valid


def test_weaker_verifiers_are_named_with_their_tasks() -> None:
    trials = [result("a"), result("b", verifier=VerifierMode.LIVE), result("b", attempt=1, verifier=VerifierMode.LIVE)]
    weak = weak_verifiers(trials)
    assert weak == {VerifierMode.LIVE: 1}
    assert validity_lines(Validity(), weak) == [
        "run: VALID", "verifier: live in 1 task (the tests ran beside the agent's processes)",
    ]  # fmt: skip


def test_coverage_counts_graded_attempts_of_the_planned_ones() -> None:
    trials = [result(attempt=0), failed(Fault.GRADER, 1), failed(Fault.ENGINE, 2), result(attempt=2)]
    assert (coverage(trials), coverage(trials, 8), coverage([])) == (Coverage(2, 3), Coverage(2, 8), Coverage())
    assert str(Coverage(2, 3)) == "2 of 3" and not Coverage(2, 3).complete
    with pytest.raises(ValueError, match="can't be graded"):
        Coverage(3, 2)


def test_coverage_stands_beside_a_score() -> None:
    assert (
        with_coverage("98.0 % (± 5.0 points; +72.0 over the seed)", Coverage(2, 3))
        == "98.0 % (± 5.0 points; +72.0 over the seed; 2 of 3 graded)"
    )
    assert with_coverage("not measured", Coverage(0, 3)) == "not measured (0 of 3 graded)"
    assert with_coverage("not measured", Coverage()) == "not measured"


def test_a_try_without_a_grade_counts_as_voided_only_where_its_state_was_gone() -> None:
    isolated, shared = failed(Fault.GRADER, 0), replace(failed(Fault.GRADER, 1), verifier=VerifierMode.SHARED)
    assert voided_share([isolated, result(attempt=1)]).voided == 0
    assert voided_share([isolated, shared, result(attempt=1)]).voided == 1


def test_what_a_scaffold_may_have_voided_itself_makes_no_run_invalid() -> None:
    shared = [replace(failed(Fault.GRADER, n), verifier=VerifierMode.SHARED) for n in range(4)]
    found = run_evidence([*shared, *(result(attempt=n) for n in range(4))], lambda _: True)
    assert (found.faulty, found.ungraded) == (0, 0) and validity(found).valid
    assert run_evidence([*shared, result(attempt=9)], lambda _: True).ungraded == 4
