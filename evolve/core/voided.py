"""The share of a scaffold's attempts that faults have voided which it may have caused itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from evolve.core.records import Fault, Scored, VerifierMode


@dataclass(frozen=True)
class VoidedShare:
    """How many attempts had a try that a fault of the endpoint or the grader voided, and how many there were."""

    voided: int = 0
    attempts: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.voided <= self.attempts:
            raise ValueError(f"of {self.attempts} attempts, {self.voided} can't be voided")

    def __str__(self) -> str:
        return f"{self.voided} of {self.attempts}"


def voided_share(trials: Iterable[Scored]) -> VoidedShare:
    """The share of attempts (task and number) that were voided.

    An outage, in which nobody is answered, voids none, nor does a grader that can't grade the untouched state either.
    However often an attempt is run again, it counts once.
    """
    attempts, voided = set(), set()
    for trial in trials:
        attempts.add((trial.task, trial.attempt))
        if _may_be_its_own(trial):
            voided.add((trial.task, trial.attempt))
    return VoidedShare(len(voided), len(attempts))


def may_spoil_grading(trial: Scored) -> bool:
    """Whether the scaffold may have caused that its trial has no grade: its state could not be graded again."""
    return trial.fault is Fault.GRADER and trial.verifier is not VerifierMode.ISOLATED


def _may_be_its_own(trial: Scored) -> bool:
    return may_spoil_grading(trial) or (trial.fault is Fault.ENDPOINT and not trial.outage)
