"""Whether a run's numbers can be relied on: VALID, or INVALID with the reasons, from evidence in its rows. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass

from evolve.core.records import Fault, Outcome, TrialResult, VerifierMode
from evolve.core.voided import may_spoil_grading

# Shares of attempts above which a run is invalid. What is missing is not missing by chance.
MOST_UNGRADED = 0.02
MOST_LOST = 0.02
# Of attempts that were hit by a fault at least once: they were run again, but something is wrong.
MOST_FAULTY = 0.25
# Of trials that count.
MOST_UNRECORDED = 0.01
MOST_DRIFTED = 0.05

Slot = tuple[str, str, int]


@dataclass(frozen=True)
class Validity:
    """Whether a run is valid. `reasons`: why it is not, a line each."""

    reasons: tuple[str, ...] = ()

    @property
    def valid(self) -> bool:
        return not self.reasons

    def __str__(self) -> str:
        return "VALID" if self.valid else f"INVALID: {'; '.join(self.reasons)}"


@dataclass(frozen=True)
class RunEvidence:
    """What a run's trials show.

    Attributes:
        attempts: How many attempts (scaffold, task and number) were started.
        ungraded: How many of them have no result because their grader failed; `lost`: by other faults.
        faulty: How many of them a fault hit at least once that no scaffold causes.
        counted: How many trials count; `unrecorded`: how many of these have no recording.
        answered: How many of these say which model answered; `drifted`: how many of these another one than most.
        placed: How many say in which scaffold's image they ran; `moved`: how many of these in another one than most.
    """

    attempts: int = 0
    ungraded: int = 0
    lost: int = 0
    faulty: int = 0
    counted: int = 0
    unrecorded: int = 0
    answered: int = 0
    drifted: int = 0
    placed: int = 0
    moved: int = 0


def validity(evidence: RunEvidence) -> Validity:
    """Judge a run by its evidence, with the thresholds of this module."""
    shares = (
        (evidence.ungraded, evidence.attempts, MOST_UNGRADED, "attempts could not be graded"),
        (evidence.lost, evidence.attempts, MOST_LOST, "attempts have no result because of faults"),
        (evidence.faulty, evidence.attempts, MOST_FAULTY, "attempts were hit by faults"),
        (evidence.unrecorded, evidence.counted, MOST_UNRECORDED, "trials have no recording"),
        (evidence.drifted, evidence.answered, MOST_DRIFTED, "trials were answered by another model than the others"),
        (evidence.moved, evidence.placed, MOST_DRIFTED, "trials ran in another scaffold's image than the others"),
    )
    reasons = [f"{count} of {total} {what}" for count, total, most, what in shares if count > most * total]
    return Validity(tuple(reasons if evidence.counted else ["no trial counts"]))


def run_evidence(trials: Iterable[TrialResult], has_recording: Callable[[TrialResult], bool]) -> RunEvidence:
    """Collect the evidence from a run's trials.

    Args:
        has_recording: Whether the recording of a trial is still there.
    """
    trials = list(trials)
    counted = [trial for trial in trials if trial.counts]
    slots, graded = {_slot(trial) for trial in trials if trial.fault is not Fault.CAP}, {_slot(t) for t in counted}
    hit = {
        _slot(trial)
        for trial in trials
        if _is_fault(trial) and not (may_spoil_grading(trial) and _slot(trial) in graded)
    }
    ungraded = {_slot(trial) for trial in trials if trial.fault is Fault.GRADER} - graded
    names = [trial.condition.endpoint_models for trial in counted if trial.condition]
    images = [(trial.condition.base_image,) for trial in counted if trial.condition and trial.condition.base_image]
    answered = [models for models in names if models]
    return RunEvidence(
        attempts=len(slots | graded),
        ungraded=len(ungraded),
        lost=len(hit - graded - ungraded),
        faulty=len(hit),
        counted=len(counted),
        unrecorded=sum(not has_recording(trial) for trial in counted),
        answered=len(answered),
        drifted=_other_than_most(answered),
        placed=len(images),
        moved=_other_than_most(images),
    )


def _is_fault(trial: TrialResult) -> bool:
    """Whether something failed that no scaffold causes; older versions did not say what."""
    return trial.outcome is Outcome.INFRA_ERROR and trial.fault is not Fault.CAP


def _slot(trial: TrialResult) -> Slot:
    return trial.candidate, trial.task, trial.attempt


def _other_than_most(values: Sequence[Collection[Hashable]]) -> int:
    """How many of these sets lack the value that most of them have."""
    counts = Counter(value for group in values for value in group)
    return len(values) - max(counts.values(), default=0)


def weak_verifiers(trials: Iterable[TrialResult]) -> dict[VerifierMode, int]:
    """In how many tasks the tests ran in a way that is weaker than a container of their own, by that way."""
    tasks = {(trial.verifier, trial.task) for trial in trials if trial.verifier is not VerifierMode.ISOLATED}
    counts: Counter[VerifierMode] = Counter(mode for mode, _ in tasks)
    return {mode: counts[mode] for mode in VerifierMode if counts[mode]}
