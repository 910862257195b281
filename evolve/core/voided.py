"""The share of a scaffold's attempts that faults of the model's API have voided."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from evolve.core.records import Fault, TrialResult


@dataclass(frozen=True)
class VoidedShare:
    """How many attempts had a try that a fault of the endpoint voided, and how many there were."""

    voided: int = 0
    attempts: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.voided <= self.attempts:
            raise ValueError(f"of {self.attempts} attempts, {self.voided} can't be voided")

    def __str__(self) -> str:
        return f"{self.voided} of {self.attempts}"


def voided_share(trials: Iterable[TrialResult]) -> VoidedShare:
    """The share of attempts (task and number) that were voided; an outage, in which nobody is answered, voids none.

    However often an attempt is run again, it counts once.
    """
    attempts, voided = set(), set()
    for trial in trials:
        attempts.add((trial.task, trial.attempt))
        if trial.fault is Fault.ENDPOINT and not trial.outage:
            voided.add((trial.task, trial.attempt))
    return VoidedShare(len(voided), len(attempts))
