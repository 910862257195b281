"""How many trials run at once: chosen before a run, and adapted to what the model's endpoint tolerates. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from evolve import llm
from evolve.budget.rate import Rates, most_trials
from evolve.core.records import Fault, ModelSpec, SandboxSpec, TrialResult

# More trials than this keep one container engine and one process that writes rows busy for little gain.
CEILING = 32
# Trials at once at the start of a run with a remote model, about which nothing is known yet.
FIRST = 8
# Of a worker process: 66 MB are resident after its imports, and 125 MB after a trial of 100 calls and 800 kB.
WORKER_MB = 128
# From these shares on, there are too many trials at once: of calls that were tried again, and of time lost.
RETRY_SHARE = 0.05
LOST_SHARE = 0.25
# Expected of a container whose task sets no size: the machine alone limits it, but few use more.
UNSIZED_MB = 2048
# What is left of the number of trials after that.
CUT = 0.75


@dataclass(frozen=True)
class Machine:
    """What this machine has: processors, and memory in MB that is free for trials."""

    processors: int
    memory_mb: int


@dataclass(frozen=True)
class Concurrency:
    """How many trials may run at once, how many do at the start, and why, in words; "" if the user said so."""

    most: int
    first: int
    reason: str = ""

    def describe(self, rates: Rates) -> str:
        """One line about the trials at once, and about the limits per minute."""
        trials = f"{self.most} {'trial' if self.most == 1 else 'trials'} at once"
        if self.first < self.most:
            trials = f"{self.first} trials at once, later up to {self.most}"
        line = f"{trials} ({self.reason})" if self.reason else trials
        return line if rates.unlimited else f"{line}; at most {_describe_rates(rates)} a minute"


def _describe_rates(rates: Rates) -> str:
    amounts = {"requests": rates.requests, "tokens": rates.tokens}
    return " and ".join(f"{number:,} {name}" for name, number in amounts.items() if number is not None)


def trial_memory_mb(scaffold: SandboxSpec, tasks: Iterable[SandboxSpec]) -> int:
    """The memory that one trial is expected to need: the containers of scaffold, task and verifier, and its worker."""
    largest = max((_expected_mb(task) for task in tasks), default=0)
    return _expected_mb(scaffold) + 2 * largest + WORKER_MB


def _expected_mb(spec: SandboxSpec) -> int:
    return UNSIZED_MB if spec.memory_mb is None else spec.memory_mb


def choose_concurrency(
    asked: int, machine: Machine, trial_mb: int, model: ModelSpec, max_tokens: int, own_server: bool = False
) -> Concurrency:
    """Choose the number of trials at once.

    Args:
        asked: The number that the user wants; 0 if none.
        trial_mb: The most memory of one trial.
        max_tokens: The most tokens of one answer.
        own_server: The model's server is the user's own, wherever it runs: its speed depends on who else asks it.
    """
    if asked:
        return Concurrency(asked, asked)
    if model.in_process or own_server or llm.is_local(model.base_url or ""):
        reason = "one per processor" if model.in_process else "one per processor, as the model's server is your own"
        return Concurrency(machine.processors, machine.processors, reason)
    by_memory = max(machine.memory_mb // trial_mb, 1)
    by_rates = most_trials(Rates(model.requests_per_minute, model.tokens_per_minute), max_tokens)
    most = min(CEILING, by_memory, by_rates or CEILING)
    reason = f"memory for {by_memory}, the endpoint is remote"
    return Concurrency(most, min(most, FIRST), reason)


@dataclass(frozen=True)
class Totals:
    """What the trials since the last change of pace add up to: numbers of trials, calls and retries; seconds."""

    trials: int = 0
    calls: int = 0
    retries: int = 0
    seconds: float = 0.0
    lost_seconds: float = 0.0

    def with_result(self, result: TrialResult) -> Totals:
        used = result.usage.paid
        return Totals(
            self.trials + 1,
            self.calls + used.calls,
            self.retries + used.retries,
            self.seconds + result.seconds,
            self.lost_seconds + used.lost_seconds,
        )

    @property
    def crowded(self) -> bool:
        """Whether the endpoint refused or delayed too many of their calls."""
        return self.retries > RETRY_SHARE * self.calls or self.lost_seconds > LOST_SHARE * self.seconds


@dataclass(frozen=True)
class Pace:
    """The number of trials at once as it adapts: a share of it less when calls are refused, slowly more otherwise.

    Attributes:
        most: The number is never above this, and never below 1.
        limit: The number now.
        cuts: How often it was lowered. A trial that started before the last cut says nothing about the number now.
        rising: No cut yet, so each trial without refusals adds one.
    """

    most: int
    limit: int
    cuts: int = 0
    rising: bool = True
    totals: Totals = field(default_factory=Totals)

    def after(self, result: TrialResult, cuts: int, running: int) -> Pace:
        """The pace after a trial.

        Args:
            cuts: `cuts` when the trial started.
            running: The trials that ran when it ended, itself included. A trial that runs alone fails for other
                reasons, and while fewer run than may, nothing is learned about more.
        """
        if cuts != self.cuts or running <= 1 < self.limit:
            return self
        if result.fault is Fault.ENDPOINT:
            return self._cut()
        if not result.counts:
            return self
        totals = self.totals.with_result(result)
        if totals.trials >= self.limit and totals.crowded:
            return self._cut()
        wanted = 1 if self.rising and not totals.crowded else self.limit
        if totals.trials < wanted:
            return replace(self, totals=totals)
        busy = running >= self.limit
        return replace(self, limit=min(self.limit + busy, self.most), totals=Totals())

    def _cut(self) -> Pace:
        limit = max(min(int(self.limit * CUT), self.limit - 1), 1)
        return Pace(self.most, limit, self.cuts + 1, rising=False)
