"""What a run will take, before its first trial: trials, tokens, dollars and hours, each as a range."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evolve.core.config import TASK_SECONDS, RunConfig
from evolve.core.launch import Launch
from evolve.core.records import Split, TrialResult
from evolve.gate import begin_rule, calibrate
from evolve.gate.plan import PASS_TRIALS
from evolve.gate.ruling import RuleMaker
from evolve.loop.judging import task_slots
from evolve.runs.jobs import planned_concurrency
from evolve.runs.model_check import CheckedModel
from evolve.runs.plugins import find_plugins
from evolve.runs.request import RunRequest
from evolve.runs.stored_config import stored
from evolve.store import Store
from evolve.suite.tasks import Suite

# Of a trial and of a proposal of which nothing is known: tokens, prompts and answers together.
TRIAL_TOKENS = (10_000, 100_000)
PROPOSAL_TOKENS = (10_000, 200_000)
# Agents send the conversation again with each call: most of their tokens are prompts.
ANSWER_SHARE = (0.05, 0.2)
# Agents that run on Node or are large programs don't start with much less, beside what the task's commands need.
AGENT_MEMORY_MB = 1024
# Fewer earlier trials say little about the next ones.
LATEST_TRIALS = 500  # of each run
LEAST_TRIALS = 20


@dataclass(frozen=True)
class Range:
    """From `low` to `high`."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.high:
            raise ValueError(f"not a range: {self.low} to {self.high}")

    def times(self, other: Range) -> Range:
        return Range(self.low * other.low, self.high * other.high)

    def plus(self, other: Range) -> Range:
        return Range(self.low + other.low, self.high + other.high)


@dataclass(frozen=True)
class Plan:
    """What a run will take, proposals included. usd, hours: None if price or speed is unknown; basis: in words.

    warning: That the suite can hardly show anything, in one line; "" for a suite that can.
    """

    rounds: int
    trials: Range
    tokens: Range
    usd: Range | None
    hours: Range | None
    basis: str
    warning: str = ""

    def lines(self) -> list[str]:
        """The plan in two lines, and the warning."""
        parts = [
            f"{_shown(self.trials)} trials",
            f"{_shown(self.tokens)} tokens",
            _dollars(self.usd),
            f"{_shown(self.hours)} hours" if self.hours else "hours unknown",
        ]
        rounds = "1 round" if self.rounds == 1 else f"{self.rounds} rounds"
        warning = [self.warning] if self.warning else []
        return [f"plan for {rounds}: {', '.join(parts)}", f"  ({self.basis})", *warning]


def _dollars(usd: Range | None) -> str:
    if usd is None:
        return "dollars unknown (no price)"
    return f"${_shown(usd)}" if usd.high else "$0"


def _shown(figures: Range) -> str:
    return f"{_number(figures.low)} to {_number(figures.high)}"


def _number(value: float) -> str:
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if value >= size:
            return f"{value / (1e3 if unit == 'k' else size):.3g}{unit}"
    return f"{value:.0f}" if value >= 10 or value == int(value) else f"{value:.2g}"


def plan_of(request: RunRequest, suite: Suite, rounds: int, checked: Sequence[CheckedModel]) -> Plan:
    """Plan a run from its suite and settings, earlier trials of this suite, and what the check of its models found."""
    config, earlier = request.config, earlier_trials(request, suite)
    begin = find_plugins(config, request.plugins).rule or begin_rule
    trials = trials_of(config, suite, rounds, begin)
    tokens, basis = tokens_per_trial(config, earlier)
    total = trials.times(tokens).plus(Range(rounds * PROPOSAL_TOKENS[0], rounds * PROPOSAL_TOKENS[1]))
    speed = next((model.preflight.tokens_per_second for model in checked if model.role == "scaffold"), None)
    seconds = seconds_per_trial(config, tokens, speed, earlier)
    jobs = planned_concurrency(request, suite).most
    hours = None if seconds is None else Range(*(s / 3600 / jobs for s in _both(trials.times(seconds))))
    return Plan(rounds, trials, total, dollars(config, total), hours, basis, size_warning(config, suite, begin))


def size_warning(config: RunConfig, suite: Suite, begin: RuleMaker = begin_rule) -> str:
    """Say that a suite has too few tasks for the gate to see even the largest gain; "" if it has enough."""
    tasks = task_slots(suite)
    share = calibrate.detection(tasks, config.gate, begin)
    if share >= calibrate.POWER:
        return ""
    count = "1 task" if len(tasks) == 1 else f"{len(tasks)} tasks"
    return (
        f"warning: {count} of train and validation are too few: of patches that solve all of them, where the seed "
        f"scaffold solves half, only {100 * share:.0f} % would be built upon; add tasks"
    )


def time_warnings(config: RunConfig, suite: Suite) -> list[str]:
    """A line about tasks whose trials nothing limits in time; none if the run does."""
    unlimited = [task for task in suite.tasks if task.agent_seconds is None]
    if config.limits.seconds is not None or not unlimited:
        return []
    count = "1 task sets" if len(unlimited) == 1 else f"{len(unlimited)} tasks set"
    return [f"{count} no agent.timeout_sec: a trial may take a day; --limit seconds=3600 would end it after an hour"]


def memory_warnings(launch: Launch, suite: Suite) -> list[str]:
    """A line about tasks with little memory for an agent that works in their containers; none for one that doesn't."""
    sizes = [task.sandbox.memory_mb for task in suite.tasks if task.sandbox.memory_mb is not None]
    small = [size for size in sizes if size < AGENT_MEMORY_MB]
    if not launch.in_task or not small:
        return []
    count = "1 task has" if len(small) == 1 else f"{len(small)} tasks have"
    return [
        f"{count} less than {AGENT_MEMORY_MB} MB of memory (the least: {min(small)}), which the agent shares; "
        "tools of Node need more: set environment.memory_mb = 2048 in task.toml"
    ]


def trials_of(config: RunConfig, suite: Suite, rounds: int, begin: RuleMaker = begin_rule) -> Range:
    """The seed's trials, those of the rounds, and the final scores. `begin` makes the gate's rule."""
    tasks = task_slots(suite)
    measured, holdout = len(suite.split(Split.TRAIN, Split.VALIDATION)), len(suite.split(Split.HOLDOUT))
    at_first = config.gate.tip_passes * (min(measured, PASS_TRIALS) if config.gate.rule == "evolve" else measured)
    scores = config.score_attempts_at(measured) * measured + 2 * config.holdout_attempts_at(holdout) * holdout
    fixed = at_first + scores
    low, high = calibrate.trial_range(tasks, config.gate, begin)
    return Range(round(fixed + rounds * low), round(fixed + rounds * high))


def tokens_per_trial(config: RunConfig, earlier: Sequence[TrialResult]) -> tuple[Range, str]:
    """Tokens of one trial, and where the figure comes from."""
    if len(earlier) >= LEAST_TRIALS:
        low, high = np.quantile([trial.usage.tokens for trial in earlier], (0.1, 0.9))
        return Range(
            float(low), float(high)
        ), f"tokens and time as in {len(earlier)} earlier trials of this suite and model"
    low, high = (min(tokens, config.limits.tokens) for tokens in TRIAL_TOKENS)
    return Range(low, high), f"assuming {low:,} to {high:,} tokens a trial; its limit is {config.limits.tokens:,}"


def dollars(config: RunConfig, tokens: Range) -> Range | None:
    """The cost of tokens at the model's prices; None if a price is unknown."""
    spec = config.model_spec
    if not spec.priced:
        return None
    costs = [
        spec.cost_usd(round(n * (1 - share)), round(n * share))
        for n, share in zip(_both(tokens), ANSWER_SHARE, strict=True)
    ]
    return Range(min(costs), max(costs))


def seconds_per_trial(
    config: RunConfig, tokens: Range, speed: float | None, earlier: Sequence[TrialResult]
) -> Range | None:
    """Seconds of one trial, as earlier ones took or at the model's speed in tokens a second; None if unknown."""
    if len(earlier) >= LEAST_TRIALS:
        low, high = np.quantile([trial.seconds for trial in earlier], (0.1, 0.9))
        return Range(float(low), float(high))
    if not speed:
        return None
    longest = config.limits.seconds or TASK_SECONDS
    low, high = (min(n * share / speed, longest) for n, share in zip(_both(tokens), ANSWER_SHARE, strict=True))
    return Range(low, max(low, high))


def earlier_trials(request: RunRequest, suite: Suite) -> list[TrialResult]:
    """The latest trials that count, of runs with the same suite and model; none if there are no results yet."""
    if not Store.exists(request.database):
        return []
    with Store.open(request.database) as store:
        alike = [
            row.id for row in store.runs()
            if stored(row, "suite_digest") == suite.digest and row.model == request.config.model
        ]  # fmt: skip
        return [trial for run in alike for trial in store.latest_trials(run, LATEST_TRIALS) if trial.counts]


def _both(figures: Range) -> tuple[float, float]:
    return figures.low, figures.high
