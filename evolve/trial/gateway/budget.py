"""A trial's budget: each call of the model reserves its cost before and settles it after, so parallel calls fit in."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from evolve.budget.rate import longest_wait
from evolve.core.errors import EndpointError
from evolve.core.records import Limits, ModelSpec, Usage
from evolve.trial.gateway.spans import LostTime, Span, covered_seconds
from evolve.trial.gateway.wire import FINAL, Refusal

# Of a recording: events, and bytes as they are stored. Requests in progress when it is full are recorded too.
MAX_EVENTS = 10_000
MAX_RECORDED = 64_000_000
# The longest time, in seconds, that a trial is given back, apart from waits for its turns under limits per minute.
MAX_LOST_SECONDS = 600.0


@dataclass(frozen=True, eq=False)
class Reservation:
    """The most that one running call of a model may use, in tokens: its prompt and the longest allowed answer."""

    prompt: int
    answer: int
    model: ModelSpec


class TrialBudget:
    """What a trial has spent, what its running calls may still cost, and the limit that was reached."""

    def __init__(
        self,
        limits: Limits,
        model: ModelSpec,
        deadline: float,
        patience: float = 0.0,
        small: ModelSpec | None = None,
    ) -> None:
        """Start with nothing spent.

        Args:
            small: a second model, whose calls the same limits hold for.
            deadline: monotonic time; time that is given back extends it.
            patience: seconds after the deadline for which new work waits for the running calls to end.
        """
        self._patience = patience
        self.limits, self.model, self.deadline = limits, model, deadline
        self._models = (model,) if small is None else (model, small)
        self.usage = Usage()
        # Of `usage`, what the host's own calls took: they are billed, but don't use up what the scaffold may have.
        self._hosts = Usage()
        self.exhausted = ""
        self._events = self.recorded = 0
        self._closed = False
        self._reserved: list[Reservation] = []
        self._time = LostTime()
        self._unanswered = 0
        self._changed = threading.Condition()

    def left(self) -> dict[str, float]:
        """What is left of each limit, ignoring what the running calls may cost."""
        used, hosts, commands = self.usage, self._hosts, self.limits.commands
        left = {
            "calls": max(self.limits.calls - used.calls + hosts.calls, 0),
            "tokens": max(self.limits.tokens - used.tokens + hosts.tokens, 0),
            "usd": max(self.limits.usd - used.cost_usd + hosts.cost_usd, 0.0),
            "seconds": max(self.deadline + self.given_back - time.monotonic(), 0.0),
        }
        return left if commands is None else {**left, "commands": max(commands - used.commands, 0)}

    @property
    def given_back(self) -> float:
        """Seconds by which the deadline is extended, see `spans`."""
        with self._changed:
            return covered_seconds(self._time.given_back())

    def give_back(self, seconds: float) -> None:
        """Extend the deadline: the last `seconds` were lost through no fault of the scaffold."""
        now = time.monotonic()
        with self._changed:
            self._time.lose(now - seconds, now)
            self._changed.notify_all()

    @contextmanager
    def request(self) -> Iterator[None]:
        """Note when a recorded request arrives and ends."""
        with self._changed:
            self._time.arrive()
        try:
            yield
        finally:
            with self._changed:
                self._time.leave()

    @contextmanager
    def working(self) -> Iterator[None]:
        """Note that a command runs until the block ends: this time is not given back."""
        key = object()
        with self._changed:
            self._time.start_work(key)
        try:
            yield
        finally:
            with self._changed:
                self._time.end_work(key)

    def note_progress(self, spans: Iterable[Span]) -> None:
        """Note that a call was being answered: this time is not given back for other calls."""
        with self._changed:
            self._time.progress(spans)

    def count_unanswered(self, retries: int) -> int:
        """Add to the number of repeated tries of calls that are not answered (yet), and return it."""
        with self._changed:
            self._unanswered += retries
            return self._unanswered

    def record_loss(self, lost: Usage) -> None:
        """Count a failed or delayed try of a call, or a call of the host's own between tries.

        Raises EndpointError when more is lost than may be given back.
        """
        with self._changed:
            self.usage += lost
            self._hosts += lost
        self.give_back(lost.lost_seconds)
        most = MAX_LOST_SECONDS + max(longest_wait(model, self.limits) for model in self._models)
        if self.given_back > most:
            raise EndpointError(f"model endpoint: it failed for over {most:g} seconds of one trial")

    def wait_until_idle(self, seconds: float) -> bool:
        """Wait up to `seconds` for the running calls; returns whether all have ended."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._reserved, seconds)

    def reserve(
        self, prompt: int | Callable[[], int], answer: int, least: int = 1, model: ModelSpec | None = None
    ) -> Reservation:
        """Start a call that asks for at most `answer` tokens; fewer may be reserved.

        Waits for the running calls if they may need what is left. Raises Refusal if nothing is left.

        Args:
            prompt: the most tokens of its prompt; a function is asked again when a running call has ended, whose count
                may show that there are fewer.
            least: the fewest tokens of the answer that are of use.
            model: which one is called; None: the trial's.
        """
        model = model or self.model
        with self._changed:
            while True:
                self._await_time()
                self._refuse_spent(model, "calls", "tokens", "usd", "seconds", "record")
                most = prompt if isinstance(prompt, int) else prompt()
                room, bound = self._room(most, model)
                if room >= answer or not self._reserved:
                    break
                self._changed.wait(self.left()["seconds"])
            if room < least:
                raise self.spent(bound, f": the prompt may have {most} tokens, a token for each byte not counted yet")
            self.usage += Usage(calls=1)
            reservation = Reservation(most, min(answer, room), model)
            self._reserved.append(reservation)
            return reservation

    def pause(self, until: float) -> None:
        """Wait until this monotonic time, or until the trial is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed, max(until - time.monotonic(), 0.0))

    def check(self, model: ModelSpec | None = None) -> None:
        """Raise Refusal if no call of this model may start any more; None: the trial's."""
        with self._changed:
            self._refuse_spent(model or self.model, "calls", "tokens", "usd", "seconds", "record")

    def settle(self, reservation: Reservation, spent: Usage) -> None:
        """Replace a reservation by the actual usage; a call that outlived its trial is already charged in full."""
        with self._changed:
            if reservation in self._reserved:
                self._reserved.remove(reservation)
                self.usage += spent
            self._changed.notify_all()

    def cost(self, reservation: Reservation) -> Usage:
        """The most that a call may cost; the call itself is not counted."""
        prompt, answer = reservation.prompt, reservation.answer
        return Usage(0, prompt, answer, reservation.model.highest_cost_usd(prompt, answer), 0)

    def start_command(self) -> float:
        """Count one command; returns the seconds that it may take. Raises Refusal."""
        with self._changed:
            self._await_time()
            self._refuse_spent(
                self.model, "seconds", "record", *(() if self.limits.commands is None else ("commands",))
            )
            self.usage += Usage(commands=1)
            return self.left()["seconds"]

    def count_event(self, size: int) -> None:
        """Count one recorded event of `size` bytes."""
        with self._changed:
            self._events += 1
            self.recorded += size

    def close(self) -> None:
        """Let nothing start any more, and charge running calls in full."""
        with self._changed:
            self._closed = True
            for reservation in self._reserved:
                self.usage += self.cost(reservation)
            self._reserved.clear()
            self._changed.notify_all()

    def late_refusal(self) -> Refusal | None:
        """The refusal of an answer that came after the deadline; None before it."""
        return None if self.left()["seconds"] > 0 else self.spent("seconds")

    def _await_time(self) -> None:
        """After the deadline, wait for the running calls: one that fails gives time back."""
        while self._reserved and not self._closed and self.left()["seconds"] <= 0:
            end = self.deadline + self.given_back + self._patience
            if not self._changed.wait(max(end - time.monotonic(), 0.0)):
                return

    def _refuse_spent(self, model: ModelSpec, *names: str) -> None:
        if self._closed:
            raise Refusal(FINAL, "budget", "the trial is over")
        left = self.left() | {"record": min(MAX_EVENTS - self._events, MAX_RECORDED - self.recorded)}
        for name in names:
            # A model without a price is not limited by dollars.
            if left[name] <= 0 and not (name == "usd" and model.cost_usd(1, 1) == 0):
                raise self.spent(name)

    def spent(self, name: str, why: str = "") -> Refusal:
        """Note that a limit is reached; returns the refusal of what would exceed it. `why`: ends its sentence."""
        self.exhausted = name
        return Refusal(FINAL, "budget", f"the trial's budget of {name} is spent{why}")

    def _room(self, prompt: int, model: ModelSpec) -> tuple[int, str]:
        """The most tokens that this model's answer may have while others run, and the limit that sets it."""
        reserved = [self.cost(reservation) for reservation in self._reserved]
        tokens = self.left()["tokens"] - sum(cost.prompt_tokens + cost.completion_tokens for cost in reserved) - prompt
        usd = self.left()["usd"] - sum(cost.cost_usd for cost in reserved) - model.highest_cost_usd(prompt, 0)
        token_price = model.highest_cost_usd(0, 1)
        by_usd = usd / token_price if token_price else math.inf if usd >= 0 else 0.0
        return (int(tokens), "tokens") if tokens <= by_usd else (int(by_usd), "usd")
