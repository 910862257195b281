"""Keep, revert, or run more trials: a pure function of the evidence.

A group-sequential rule on paired differences. Candidate and parent are compared on the same tasks and attempts; after
each look the statistic z = sum(d) / sqrt(sum(d^2)) over the paired differences d of rewards decides. For 0/1 rewards it
is McNemar's statistic without continuity correction (McNemar 1947, Psychometrika 12:153). Most patches are dropped
after the first look.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evolve.config import GateConfig
from evolve.records import Decision, Split, TrialResult, Verdict, stable_hash

Slot = tuple[str, int]


@dataclass(frozen=True)
class TaskSlot:
    """A task as the gate sees it."""

    name: str
    split: Split
    difficulty: str


@dataclass(frozen=True)
class MoreTrials:
    """The slots (task, attempt) which both the parent and the candidate need next."""

    slots: tuple[Slot, ...]


@dataclass(frozen=True)
class Evidence:
    """Paired differences candidate - parent, by slot, and the sums that the rule looks at."""

    differences: tuple[float, ...]
    validation_sum: float

    @property
    def total(self) -> float:
        return sum(self.differences)

    @property
    def z(self) -> float:
        """0 where no pair differs."""
        spread = math.sqrt(sum(d * d for d in self.differences))
        return self.total / spread if spread else 0.0


def looks(tasks: Sequence[TaskSlot], settings: GateConfig, first_attempt: int) -> list[tuple[Slot, ...]]:
    """The slots of each look, each containing the one before: half of train, train, train and validation, again."""
    train = [task for task in tasks if task.split is Split.TRAIN]
    validation = [task for task in tasks if task.split is Split.VALIDATION]
    half = _stratified_half(train)
    plan = [_slots(half, first_attempt), _slots(train, first_attempt)]
    for attempt in range(settings.attempts):
        before = plan[-1]
        fresh = _slots([*train, *validation], first_attempt + attempt)
        plan.append((*before, *(slot for slot in fresh if slot not in set(before))))
    return plan


def _slots(tasks: Sequence[TaskSlot], attempt: int) -> tuple[Slot, ...]:
    return tuple((task.name, attempt) for task in tasks)


def _stratified_half(tasks: Sequence[TaskSlot]) -> list[TaskSlot]:
    """Every other task within each difficulty, in an order that does not depend on how the suite lists them."""
    ordered = sorted(tasks, key=lambda task: (task.difficulty, stable_hash(task.name)))
    return ordered[::2]


def judge(
    tasks: Sequence[TaskSlot],
    parent: Sequence[TrialResult],
    candidate: Sequence[TrialResult],
    settings: GateConfig,
    first_attempt: int,
) -> Decision | MoreTrials:
    """The rule. `parent`, `candidate`: all trials known so far; infrastructure errors are left out here.

    Returns MoreTrials as long as the next look lacks trials of either.
    """
    old, new = _rewards(parent), _rewards(candidate)
    validation = {task.name for task in tasks if task.split is Split.VALIDATION}
    plan = looks(tasks, settings, first_attempt)
    for number, slots in enumerate(plan):
        if lacking := tuple(slot for slot in slots if slot not in old or slot not in new):
            return MoreTrials(lacking)
        evidence = _evidence(slots, old, new, validation)
        decision = _at_look(number, len(plan), evidence, settings)
        if decision is not None:
            return decision
    raise AssertionError("the last look always decides")


def _rewards(trials: Sequence[TrialResult]) -> dict[Slot, float]:
    return {(t.task, t.attempt): t.reward for t in trials if t.reward is not None}


def _evidence(
    slots: Sequence[Slot], old: Mapping[Slot, float], new: Mapping[Slot, float], validation: set[str]
) -> Evidence:
    differences = {slot: new[slot] - old[slot] for slot in slots}
    dropped = sum(d for (task, _), d in differences.items() if task in validation)
    return Evidence(tuple(differences.values()), dropped)


def _at_look(number: int, count: int, evidence: Evidence, settings: GateConfig) -> Decision | None:
    last = number == count - 1
    said = _said(evidence)
    if number >= 1 and not any(evidence.differences):
        return Decision(Verdict.REVERT, f"{said}; no difference anywhere")
    if number >= 2:
        needed = settings.last_keep_above if last else settings.keep_above
        if evidence.z > needed and evidence.validation_sum >= 0:
            return Decision(Verdict.KEEP, f"{said}; above {needed:g}")
    if last and evidence.validation_sum < 0:
        return Decision(Verdict.REVERT, f"{said}; worse on validation after all trials")
    if last:
        return Decision(Verdict.REVERT, f"{said}; not above {settings.last_keep_above:g} after all trials")
    bar = settings.drop_below[min(number, len(settings.drop_below) - 1)]
    if evidence.z < bar:
        return Decision(Verdict.REVERT, f"{said}; below {bar:g} at look {number + 1}")
    return None


def _said(evidence: Evidence) -> str:
    better = sum(d > 0 for d in evidence.differences)
    worse = sum(d < 0 for d in evidence.differences)
    pairs = len(evidence.differences)
    effect = 100 * evidence.total / pairs
    return f"{better} better, {worse} worse of {pairs} pairs: {effect:+.1f} points, z {evidence.z:.2f}"
