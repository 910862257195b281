"""What an imitated endpoint is made of: checks that refuse requests, and changes to prompts and answers."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Body = dict[str, Any]
JSON = "application/json"
LATEST = 1_000


@dataclass(frozen=True)
class Refusal:
    """An error, as the real endpoint words it. reason: its name in the ledger; headers: those beside its type."""

    status: int
    body: Any
    reason: str
    kind: str = JSON
    headers: tuple[tuple[str, str], ...] = ()

    def data(self) -> bytes:
        return (json.dumps(self.body) if self.kind == JSON else str(self.body)).encode()


class Ledger:
    """What the endpoint did, counted by itself: this is what it would bill."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.calls = 0
        self.billed: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.requests: list[Body] = []
        self.arrivals: list[float] = []
        self._firsts: dict[str, float] = {}

    def arrive(self, body: Body) -> None:
        with self._lock:
            self.requests = [*self.requests[1 - LATEST :], body]

    def refuse(self, reason: str) -> None:
        with self._lock:
            self.refused[reason] += 1

    def bill(self, tokens: Mapping[str, int]) -> None:
        with self._lock:
            self.calls += 1
            self.billed.update(tokens)

    def take_turn(self, most: int, seconds: float) -> float:
        """Count a request unless `most` came within `seconds`. Returns the seconds until the next may come, or 0."""
        with self._lock:
            now = time.monotonic()
            self.arrivals = [arrival for arrival in self.arrivals if arrival > now - seconds]
            if len(self.arrivals) >= most:
                return self.arrivals[0] + seconds - now
            self.arrivals.append(now)
            return 0.0

    def first_arrival(self, kind: str) -> float:
        """When the first request of this kind came, on the monotonic clock: now, if none did yet."""
        with self._lock:
            return self._firsts.setdefault(kind, time.monotonic())

    def cached_tokens(self, body: Body) -> int:
        """The tokens of the longest beginning that an earlier request had too; whole messages only."""
        with self._lock:
            earlier = [request["messages"] for request in self.requests[:-1]]
        return max((_tokens_in(_common(messages, body["messages"])) for messages in earlier), default=0)

    def report(self) -> dict[str, Any]:
        with self._lock:
            return {"calls": self.calls, "billed": dict(self.billed), "refused": dict(self.refused)}


def _common(left: list[Any], right: list[Any]) -> list[Any]:
    number = next((n for n, pair in enumerate(zip(left, right, strict=False)) if pair[0] != pair[1]), None)
    return left[: min(len(left), len(right))] if number is None else left[:number]


def _tokens_in(value: Any) -> int:
    return len(json.dumps(value)) // 4 if value else 0


Check = Callable[[Body, Ledger], Refusal | None]
# The prompt that the model sees, and the answer that the client gets.
Prompt = Callable[[Body], Body]
Shape = Callable[[Body, Body], Body]
Split = Callable[[Body], Iterable[Body]]


def no_check(body: Body, ledger: Ledger) -> Refusal | None:
    return None


@dataclass(frozen=True)
class Behaviour:
    """One way in which an endpoint differs.

    Attributes:
        name: For the ledger and for messages of tests.
        source: Where it was reported.
        check: Refuses a request, or returns None.
        prompt: Changes the request before the model sees it.
        shape: Changes the answer. Arguments: the request and the answer.
    """

    name: str
    source: str = ""
    check: Check = no_check
    prompt: Prompt = lambda body: body
    shape: Shape = lambda body, answer: answer


@dataclass(frozen=True)
class Slow:
    """Answers take `seconds`; those that are not streamed are given up after `patience` seconds with status 524.

    concerns: Which requests are slow; the others are answered at once.
    """

    seconds: float = 0.0
    patience: float = 100.0
    concerns: Callable[[Body], bool] = lambda body: True

    def seconds_of(self, body: Body) -> float:
        return self.seconds if self.concerns(body) else 0.0


@dataclass(frozen=True)
class Imitation:
    """A whole endpoint.

    Attributes:
        name: As on the command line.
        behaviours: In the order in which a request meets them.
        models: The names that it lists; None if it has no list.
        served: Names beyond those; None: any name.
        slow: How long answers take.
        split: Cuts a whole answer into the chunks of a stream.
        responses: What the Responses API refuses here; None if there is none.
    """

    name: str
    behaviours: tuple[Behaviour, ...]
    models: tuple[str, ...] | None = ("m",)
    served: tuple[str, ...] | None = ()
    slow: Slow = field(default_factory=Slow)
    split: Split | None = None
    responses: tuple[Check, ...] | None = None

    def response_refusal(self, body: Body, ledger: Ledger) -> Refusal | None:
        refusals = (check(body, ledger) for check in self.responses or ())
        return next((refusal for refusal in refusals if refusal), None)

    def refusal(self, body: Body, ledger: Ledger) -> Refusal | None:
        refusals = (behaviour.check(body, ledger) for behaviour in self.behaviours)
        return next((refusal for refusal in refusals if refusal), None)

    def prompt(self, body: Body) -> Body:
        for behaviour in self.behaviours:
            body = behaviour.prompt(body)
        return body

    def answer(self, body: Body, answer: Body) -> Body:
        for behaviour in self.behaviours:
            answer = behaviour.shape(body, answer)
        return answer

    def serves(self, model: object) -> bool:
        return self.served is None or model in (*(self.models or ()), *self.served)


def assistants(body: Body) -> Iterator[tuple[int, Body]]:
    """The assistant's messages of a request, with their positions."""
    messages = body.get("messages") or []
    return ((number, message) for number, message in enumerate(messages) if message.get("role") == "assistant")


def with_message(answer: Body, **fields: Any) -> Body:
    """The answer with these fields in its message."""
    choice = answer["choices"][0]
    return {**answer, "choices": [{**choice, "message": {**choice["message"], **fields}}]}


def message_of(answer: Body) -> Body:
    message: Body = answer["choices"][0]["message"]
    return message
