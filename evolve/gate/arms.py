"""The figures of scaffolds that were measured side by side: score, cost per solved task, best of several. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from evolve.core.records import TrialResult
from evolve.gate.comparison import Slot

MOST_SAMPLES = 32


@dataclass(frozen=True)
class ArmFigures:
    """One scaffold on a suite.

    Attributes:
        rewards: By (task, attempt), in [0, 1].
        attempts: How many of them there are.
        mean: Over tasks of the means over attempts; None if there is no trial. So are the next two.
        every: Share of tasks that pass on all attempts (pass^k over the attempts).
        at_best: With several samples of each attempt: the mean if the best one were known (pass@k).
        solved: Number of attempts that pass.
        tokens, usd, seconds, commands: Of an attempt in the mean, all its samples together.
        own_seconds: Of `seconds`, those in which no call of the model was in progress; None if unknown.
        total_tokens, total_usd: Of all attempts together.
    """

    name: str
    samples: int
    rewards: Mapping[Slot, float] = field(repr=False)
    attempts: int
    mean: float | None
    every: float | None
    at_best: float | None
    solved: int
    tokens: float
    usd: float
    seconds: float
    commands: float
    own_seconds: float | None
    total_tokens: int
    total_usd: float

    @property
    def tokens_per_solved(self) -> float | None:
        """None if nothing is solved."""
        return self.total_tokens / self.solved if self.solved else None

    @property
    def usd_per_solved(self) -> float | None:
        """None if nothing is solved."""
        return self.total_usd / self.solved if self.solved else None


def samples_within(one: float, budget: float) -> int:
    """How many samples of a cost come nearest to a budget, at least one and at most MOST_SAMPLES."""
    return min(max(round(budget / one), 1), MOST_SAMPLES) if one > 0 else 1


def figures(
    name: str,
    groups: Mapping[Slot, Sequence[TrialResult]],
    samples: int,
    rank: Callable[[TrialResult], int],
    passes: Callable[[TrialResult], bool],
) -> ArmFigures:
    """The figures of one arm.

    Args:
        groups: The trials of each attempt that count, in the order in which they were to be taken; an attempt lacking
            one of its samples is left out.
        rank: How good a trial looks without its verdict: of an attempt's samples the first of the best ones is chosen.
        passes: Whether a trial passes.
    """
    whole = {slot: list(trials) for slot, trials in groups.items() if len(trials) == samples}
    chosen = {slot: max(trials, key=rank) for slot, trials in whole.items()} if samples > 1 else _firsts(whole)
    rewards = {slot: trial.reward for slot, trial in chosen.items() if trial.reward is not None}
    spent = [trial for trials in whole.values() for trial in trials]
    count = max(len(whole), 1)
    own = [trial.own_seconds for trial in spent]
    tokens, usd = sum(trial.usage.tokens for trial in spent), sum(trial.usage.cost_usd for trial in spent)
    return ArmFigures(
        name=name,
        samples=samples,
        rewards=rewards,
        attempts=len(whole),
        mean=_mean_over_tasks(rewards),
        every=_mean_over_tasks({slot: float(passes(trial)) for slot, trial in chosen.items()}, least=True),
        at_best=_mean_over_tasks(_best(whole)) if samples > 1 else None,
        solved=sum(map(passes, chosen.values())),
        tokens=tokens / count,
        usd=usd / count,
        seconds=sum(trial.seconds for trial in spent) / count,
        commands=sum(trial.usage.commands for trial in spent) / count,
        own_seconds=None if None in own or not own else sum(s for s in own if s is not None) / count,
        total_tokens=tokens,
        total_usd=usd,
    )


def _firsts(whole: Mapping[Slot, Sequence[TrialResult]]) -> dict[Slot, TrialResult]:
    return {slot: trials[0] for slot, trials in whole.items()}


def _best(whole: Mapping[Slot, Sequence[TrialResult]]) -> dict[Slot, float]:
    return {slot: max(trial.reward or 0.0 for trial in trials) for slot, trials in whole.items()}


def _mean_over_tasks(values: Mapping[Slot, float], least: bool = False) -> float | None:
    """The mean over tasks of the mean over attempts, or of the least of them."""
    by_task: dict[str, list[float]] = {}
    for (task, _), value in values.items():
        by_task.setdefault(task, []).append(value)
    return fmean((min if least else fmean)(found) for found in by_task.values()) if by_task else None
