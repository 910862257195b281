"""Show progress on stderr: a live view in a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live as Screen
from rich.text import Text

from evolve.core.escaping import plain
from evolve.core.records import Decision, Fault, Outcome, TrialResult
from evolve.core.text import last_line
from evolve.loop.events import Event
from evolve.report.dashboard import Look, dashboard
from evolve.report.progress import Progress

PLAIN_EVERY_SECONDS = 15.0
DRAWN_PER_SECOND = 2.0
# Lines of the terminal that are left to what is printed above the view.
LEFT_FREE = 3


class Live:
    """Show a run's progress.

    priced: show dollars, not only tokens; clock: returns seconds.
    """

    def __init__(
        self, priced: bool, console: Console | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self.console = console or Console(stderr=True, highlight=False)
        self.priced = priced
        self.state = Progress()
        self._lock = threading.Lock()
        self._printed = clock()
        self._budget = ""
        self._rounds: list[str] = []
        self._screen: Screen | None = None

    def __enter__(self) -> Live:
        # A terminal that can't move its cursor gets plain lines.
        if self.console.is_terminal and not self.console.is_dumb_terminal:
            self._screen = Screen(
                self, console=self.console, transient=True, refresh_per_second=DRAWN_PER_SECOND, redirect_stdout=False
            )
            self._screen.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._screen is not None:
            self._screen.stop()
            self._screen = None
            # The view showed them; now they stay.
            for line in self._rounds:
                self.say(line)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        look = Look(options.max_width, max(options.size.height - LEFT_FREE, 1), self.priced, options.ascii_only)
        with self._lock:
            lines = dashboard(self.state, look, self._clock())
        yield from lines

    def say(self, text: str) -> None:
        # A terminal gets lines broken between words; a log keeps each line whole.
        self.console.print(Text(plain(text)), soft_wrap=not self.console.is_terminal)

    def hear(self, event: Event) -> None:
        with self._lock:
            self.state.hear(event, self._clock())

    def round_started(self, number: int, total: int) -> None:
        with self._lock:
            self.state.round_started(number, total, self._clock())

    def trials_planned(self, count: int) -> None:
        with self._lock:
            self.state.trials_planned(count, self._clock())

    def trial_done(self, result: TrialResult) -> None:
        with self._lock:
            self.state.trial_done(result)
        if result.outcome is Outcome.INFRA_ERROR and result.fault is not Fault.CAP:
            self.say(f"infrastructure error in {result.task}, retrying: {last_line(result.detail)}")
        if self._screen is None and self._clock() - self._printed > PLAIN_EVERY_SECONDS:
            self._printed = self._clock()
            self.say(f"{self._title()} {self.state.batch_done}/{self.state.planned} trials")

    def budget_left(self, words: str) -> None:
        self._budget = f"; budget left: {words}" if words else ""

    def round_decided(self, number: int, decision: Decision) -> None:
        with self._lock:
            self.state.round_decided(number, decision)
        line = f"round {number}: {decision.verdict} ({decision.reason})"
        if self._screen is None:
            self.say(line)
        else:
            self._rounds.append(line)

    def _title(self) -> str:
        """The state in one line, for logs."""
        state, spent = self.state, self.state.spent
        where = f"round {state.round}/{state.rounds}" if state.rounds else "round 0" if state.run else ""
        cost = f"${spent.cost_usd:.2f}" if self.priced else ""
        known = (where, state.stage, f"{spent.tokens / 1000:.0f}k tokens", cost, state.time_left(self._clock()))
        return f"{', '.join(filter(None, known))}{self._budget}"
