"""What a trial may spend: held before the model is asked and settled after it, so that calls at once stay within it."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from evolve.core.errors import EndpointError
from evolve.core.records import Limits, ModelSpec, Usage
from evolve.trial.gateway.wire import Refusal

MAX_EVENTS = 10_000
MAX_RECORDED = 64_000_000
# Seconds that a trial is given back at most.
LOST_AT_MOST = 600.0


@dataclass(frozen=True, eq=False)
class Reservation:
    """What one running call may cost, in tokens: its prompt, by estimate, and the longest answer allowed to it."""

    prompt: int
    answer: int


Span = tuple[float, float]


def covered_seconds(spans: Sequence[Span]) -> float:
    """Seconds that lie within at least one of the spans (begin, end): calls at once lose the same time."""
    total, upto = 0.0, -math.inf
    for begin, end in sorted(spans):
        total += max(end - max(begin, upto), 0.0)
        upto = max(upto, end)
    return total


class TrialBudget:
    """What the trial has spent, what its running calls may still cost, and the name of the limit that was met."""

    def __init__(self, limits: Limits, model: ModelSpec, deadline: float, patience: float = 0.0) -> None:
        """deadline: on the monotonic clock; it moves by what is given back.

        patience: seconds after it for which whoever wants to begin something waits for the calls that run.
        """
        self._patience = patience
        self.limits, self.model, self.deadline = limits, model, deadline
        self.usage = Usage()
        self.exhausted = ""
        self._events = self._recorded = 0
        self._closed = False
        self._held: list[Reservation] = []
        self._lost: list[Span] = []
        self._change = threading.Condition()

    def left(self) -> dict[str, float]:
        """What is left of each amount, whatever the running calls may cost."""
        used, commands = self.usage, self.limits.commands
        left = {
            "calls": max(self.limits.calls - used.calls, 0),
            "tokens": max(self.limits.tokens - used.prompt_tokens - used.completion_tokens, 0),
            "usd": max(self.limits.usd - used.cost_usd, 0.0),
            "seconds": max(self.deadline + self.given_back - time.monotonic(), 0.0),
        }
        return left if commands is None else {**left, "commands": max(commands - used.commands, 0)}

    @property
    def given_back(self) -> float:
        """Seconds by which the trial may last longer: those in which at least one of its calls was held up."""
        return covered_seconds(self._lost)

    def give_back(self, seconds: float) -> None:
        """The `seconds` until now were lost by no fault of the scaffold."""
        now = time.monotonic()
        with self._change:
            self._lost.append((now - seconds, now))
            self._change.notify_all()

    def lose(self, lost: Usage) -> None:
        """A try of a call failed, or was waited for. Raises EndpointError once more than LOST_AT_MOST is lost."""
        with self._change:
            self.usage += lost
        self.give_back(lost.lost_seconds)
        if self.given_back > LOST_AT_MOST:
            raise EndpointError(f"model endpoint: it failed for over {LOST_AT_MOST:g} seconds of one trial")

    def quiet(self, seconds: float) -> bool:
        """Whether all running calls end within that many seconds."""
        with self._change:
            return self._change.wait_for(lambda: not self._held, seconds)

    def take(self, prompt: int, answer: int) -> Reservation:
        """Begin a call of about `prompt` tokens that asks for at most `answer`; its answer may be given fewer.

        Where the running calls may need what is left, waits until they have ended. Raises Refusal if nothing is left.
        """
        with self._change:
            while True:
                self._await_time()
                self._refuse_spent("calls", "tokens", "usd", "seconds", "record")
                room, bound = self._room(prompt)
                if room >= answer or not self._held:
                    break
                self._change.wait(self.left()["seconds"])
            if room < 1:
                raise self._spent(bound)
            self.usage += Usage(calls=1)
            hold = Reservation(prompt, min(answer, room))
            self._held.append(hold)
            return hold

    def check(self) -> None:
        """Raises Refusal where no call may begin any more."""
        with self._change:
            self._refuse_spent("calls", "tokens", "usd", "seconds", "record")

    def settle(self, hold: Reservation, spent: Usage) -> None:
        """The call has ended; a call that outlived its trial has been charged in full."""
        with self._change:
            if hold in self._held:
                self._held.remove(hold)
                self.usage += spent
            self._change.notify_all()

    def cost(self, hold: Reservation) -> Usage:
        """All that a call may have cost, the call itself aside."""
        return Usage(0, hold.prompt, hold.answer, self.model.cost_usd(hold.prompt, hold.answer), 0)

    def command(self) -> float:
        """Count one command; -> seconds that it may take. Raises Refusal."""
        with self._change:
            self._await_time()
            self._refuse_spent("seconds", "record", *(() if self.limits.commands is None else ("commands",)))
            self.usage += Usage(commands=1)
            return self.left()["seconds"]

    def record(self, size: int) -> None:
        """Count one event of so many characters."""
        with self._change:
            self._events += 1
            self._recorded += size

    def close(self) -> None:
        """Nothing begins any more; what still runs is charged as if it took all that it may."""
        with self._change:
            self._closed = True
            for hold in self._held:
                self.usage += self.cost(hold)
            self._held.clear()
            self._change.notify_all()

    def late(self) -> Refusal | None:
        """What an answer is refused with that came after the trial's time."""
        return None if self.left()["seconds"] > 0 else self._spent("seconds")

    def _await_time(self) -> None:
        """Where the time is over, wait for the calls that run: one that fails gives time back."""
        while self._held and not self._closed and self.left()["seconds"] <= 0:
            end = self.deadline + self.given_back + self._patience
            if not self._change.wait(max(end - time.monotonic(), 0.0)):
                return

    def _refuse_spent(self, *names: str) -> None:
        if self._closed:
            raise Refusal(429, "budget", "the trial is over")
        left = self.left() | {"record": min(MAX_EVENTS - self._events, MAX_RECORDED - self._recorded)}
        for name in names:
            # Dollars bar nothing that costs nothing.
            if left[name] <= 0 and not (name == "usd" and self.model.cost_usd(1, 1) == 0):
                raise self._spent(name)

    def _spent(self, name: str) -> Refusal:
        self.exhausted = name
        return Refusal(429, "budget", f"the trial's budget of {name} is spent")

    def _room(self, prompt: int) -> tuple[int, str]:
        """Tokens that an answer to such a prompt may have beside the running calls, and which limit bounds it."""
        held = [self.cost(hold) for hold in self._held]
        tokens = self.left()["tokens"] - sum(h.prompt_tokens + h.completion_tokens for h in held) - prompt
        usd = self.left()["usd"] - sum(h.cost_usd for h in held) - self.model.cost_usd(prompt, 0)
        each = self.model.cost_usd(0, 1)
        by_usd = usd / each if each else math.inf if usd >= 0 else 0.0
        return (int(tokens), "tokens") if tokens <= by_usd else (int(by_usd), "usd")
