"""Show progress on stderr: a live line in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from evolve.core.escaping import plain
from evolve.core.records import Decision, Fault, Outcome, TrialResult, Usage
from evolve.core.text import last_line

PLAIN_EVERY_SECONDS = 15.0


class Live:
    """Show a run's progress.

    priced: show dollars, not only tokens; clock: returns seconds.
    """

    def __init__(
        self, priced: bool, console: Console | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self.console = console or Console(stderr=True, highlight=False)
        self.usage = Usage()
        self.priced = priced
        self.done = self.planned = 0
        self._round, self._rounds = 0, 0
        self._started = self._printed = clock()
        self._decided = 0
        self._budget = ""
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Live:
        if self.console.is_terminal:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
            )
            self._bar = Progress(*columns, console=self.console, transient=True)
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def say(self, text: str) -> None:
        self.console.print(Text(plain(text)), soft_wrap=True)

    def round_started(self, number: int, total: int) -> None:
        if not self._rounds:
            self._started = self._clock()
        self._round, self._rounds = number, total

    def trials_planned(self, count: int) -> None:
        self.done, self.planned = 0, count
        if self._bar is not None:
            if self._task is not None:
                self._bar.remove_task(self._task)
            self._task = self._bar.add_task(self._title(), total=count)

    def trial_done(self, result: TrialResult) -> None:
        self.done += result.counts
        self.usage += result.usage.paid
        if result.outcome is Outcome.INFRA_ERROR and result.fault is not Fault.CAP:
            self.say(f"infrastructure error in {result.task}, retrying: {last_line(result.detail)}")
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self.done, description=self._title())
        elif self._clock() - self._printed > PLAIN_EVERY_SECONDS:
            self._printed = self._clock()
            self.say(f"{self._title()} {self.done}/{self.planned} trials")

    def budget_left(self, words: str) -> None:
        self._budget = f"; budget left: {words}" if words else ""

    def round_decided(self, number: int, decision: Decision) -> None:
        self._decided += number > 0
        self.say(f"round {number}: {decision.verdict} ({decision.reason})")

    def _title(self) -> str:
        tokens = self.usage.prompt_tokens + self.usage.completion_tokens
        cost = f", ${self.usage.cost_usd:.2f}" if self.priced else ""
        return f"round {self._round}/{self._rounds}, {tokens / 1000:.0f}k tokens{cost}{self._time_left()}{self._budget}"

    def _time_left(self) -> str:
        """The estimated time left, from the mean duration of this session's decided rounds."""
        if not self._decided or not self._rounds:
            return ""
        seconds_each = (self._clock() - self._started) / self._decided
        return f", about {max(self._rounds - self._round + 1, 0) * seconds_each / 60:.0f} min left"
