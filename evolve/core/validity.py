"""Whether a run's numbers can be relied on: VALID, or INVALID with the reasons, from evidence in its rows. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
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


@dataclass(frozen=True)
class TrialSummary:
    """What the evidence of a run rests on.

    Attributes:
        failed: Its infrastructure errors.
        graded: Of their attempts those that have a trial which counts.
        attempts: How many attempts have one.
        counted: How many trials count; `unrecorded`: how many of these have no recording.
        answered: How many of these had an answer of each set of models; `placed`: how many ran in each image.
    """

    failed: Sequence[TrialResult]
    graded: Collection[Slot]
    attempts: int
    counted: int
    unrecorded: int
    answered: Mapping[tuple[str, ...], int]
    placed: Mapping[str, int]


def run_evidence(trials: Iterable[TrialResult], has_recording: Callable[[TrialResult], bool]) -> RunEvidence:
    """Collect the evidence from a run's trials.

    Args:
        has_recording: Whether the recording of a trial is still there.
    """
    trials = list(trials)
    counted = [trial for trial in trials if trial.counts]
    conditions = [trial.condition for trial in counted if trial.condition]
    graded = {slot_of(trial) for trial in counted}
    return evidence_of(
        TrialSummary(
            failed=[trial for trial in trials if not trial.counts],
            graded=graded,
            attempts=len(graded),
            counted=len(counted),
            unrecorded=sum(not has_recording(trial) for trial in counted),
            answered=Counter(condition.endpoint_models for condition in conditions),
            placed=Counter(condition.base_image for condition in conditions),
        )
    )


def evidence_of(summary: TrialSummary) -> RunEvidence:
    """Collect the evidence from a summary of a run's trials."""
    failed, graded = summary.failed, summary.graded
    slots = {slot_of(trial) for trial in failed if trial.fault is not Fault.CAP}
    hit = {
        slot_of(trial)
        for trial in failed
        if _is_fault(trial) and not (may_spoil_grading(trial) and slot_of(trial) in graded)
    }
    ungraded = {slot_of(trial) for trial in failed if trial.fault is Fault.GRADER}.difference(graded)
    answered = {models: count for models, count in summary.answered.items() if models}
    placed: dict[tuple[str, ...], int] = {(image,): count for image, count in summary.placed.items() if image}
    return RunEvidence(
        attempts=summary.attempts + len(slots.difference(graded)),
        ungraded=len(ungraded),
        lost=len(hit.difference(graded) - ungraded),
        faulty=len(hit),
        counted=summary.counted,
        unrecorded=summary.unrecorded,
        answered=sum(answered.values()),
        drifted=_other_than_most(answered),
        placed=sum(placed.values()),
        moved=_other_than_most(placed),
    )


def _is_fault(trial: TrialResult) -> bool:
    """Whether something failed that no scaffold causes; older versions did not say what."""
    return trial.outcome is Outcome.INFRA_ERROR and trial.fault is not Fault.CAP


def slot_of(trial: TrialResult) -> Slot:
    """The attempt that a trial is one try of."""
    return trial.candidate, trial.task, trial.attempt


def _other_than_most(groups: Mapping[tuple[str, ...], int]) -> int:
    """How many of these sets, of which each occurs so often, lack the value that most of them have."""
    counts: Counter[str] = Counter()
    for values, count in groups.items():
        counts.update(dict.fromkeys(values, count))
    return sum(groups.values()) - max(counts.values(), default=0)


def weak_verifiers(trials: Iterable[TrialResult]) -> dict[VerifierMode, int]:
    """In how many tasks the tests ran in a way that is weaker than a container of their own, by that way."""
    return weak_modes((trial.verifier, trial.task) for trial in trials)


def weak_modes(pairs: Iterable[tuple[VerifierMode, str]]) -> dict[VerifierMode, int]:
    """The same, from pairs of a way and a task."""
    counts: Counter[VerifierMode] = Counter(mode for mode, _ in set(pairs) if mode is not VerifierMode.ISOLATED)
    return {mode: counts[mode] for mode in VerifierMode if counts[mode]}
