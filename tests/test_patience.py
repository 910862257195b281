"""Calls of a model that its API fails: repeated by the policy that trials follow, until its patience is at its end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from evolve.core.errors import AccountError, BudgetExhausted, EndpointError, EvolveError, HostRefused, RequestRefused
from evolve.core.records import Usage
from evolve.executor.patience import Patience, PatientModel
from evolve.host.circuit_breaker import Policy
from evolve.host.signals import Stop
from evolve.llm.client import ATTEMPTS, OpenAIModel
from tests.fakes import ScriptedModel, completion
from tests.upstream import Upstream, refuses, says

FAST = Policy(failures_to_open=2, first_pause=0.02, longest_pause=0.05, patience=60.0)
BODY = {"messages": [{"role": "user", "content": "Say hello."}], "seed": 7}
AWAY = EndpointError("model endpoint: connection refused")


def patient(
    model: Any, policy: Policy = FAST, notices: list[str] | None = None, stop: Stop | None = None
) -> PatientModel:
    return PatientModel(model, Patience(policy, (notices if notices is not None else []).append, stop or Stop()))


def test_a_call_is_repeated_unchanged_until_the_endpoint_answers() -> None:
    model, notices, lost = ScriptedModel(AWAY, AWAY, AWAY, completion("hello")), list[str](), list[Usage]()
    answer = patient(model, notices=notices).complete(BODY, lost.append)
    assert answer == completion("hello") and model.requests == [BODY] * 4
    first, second, last = notices
    assert first == "the model's API fails (model endpoint: connection refused): no new calls for 0 s"
    assert second.startswith("the model's API still fails (")
    assert last == "the model's API answers again: resuming"
    total = sum(lost, Usage())
    assert total.retries == 3 and 0.05 < total.lost_seconds < 5 and total.calls == total.tokens == 0


def test_a_call_that_succeeds_at_once_loses_nothing() -> None:
    lost, notices = list[Usage](), list[str]()
    patient(ScriptedModel(), notices=notices).complete(BODY, lost.append)
    assert lost == [] and notices == []


def test_an_outage_that_outlasts_the_patience_is_an_error_of_one_line() -> None:
    short = Policy(failures_to_open=2, first_pause=0.02, longest_pause=0.05, patience=0.2)
    began = time.monotonic()
    with pytest.raises(EndpointError, match=r"the model's API failed for 0 s: .*; run the same command again"):
        patient(ScriptedModel(AWAY), short).complete(BODY)
    assert 0.2 <= time.monotonic() - began < 10


@pytest.mark.parametrize(
    "error",
    [
        AccountError("no credit"),
        HostRefused("seed", "the endpoint refuses `seed`"),
        BudgetExhausted("spent"),
        RequestRefused(400, "odd", "no"),
        KeyboardInterrupt(),
    ],
)
def test_what_waiting_does_not_fix_is_raised_at_once(error: BaseException) -> None:
    model = ScriptedModel(raising(error), completion("hello"))
    wrapped = patient(model)
    with pytest.raises(type(error)):
        wrapped.complete(BODY)
    assert len(model.requests) == 1
    assert wrapped.complete(BODY) == completion("hello"), "the next call is free to start"


def raising(error: BaseException) -> Callable[[Any], dict[str, Any]]:
    def complete(body: Any) -> dict[str, Any]:
        raise error

    return complete


@pytest.mark.parametrize("answered", [RequestRefused(400, "odd", "no"), HostRefused("seed", "no")])
def test_a_refusal_shows_that_the_endpoint_answers(answered: EvolveError) -> None:
    notices: list[str] = []
    with pytest.raises(type(answered)):
        patient(ScriptedModel(AWAY, AWAY, answered), notices=notices).complete(BODY)
    assert notices[-1] == "the model's API answers again: resuming"


def test_a_user_who_asks_to_stop_waits_for_no_pause() -> None:
    slow, stop, began = Policy(1, 60.0), Stop(), time.monotonic()
    threading.Timer(0.2, lambda: setattr(stop, "requested", True)).start()
    with pytest.raises(KeyboardInterrupt):
        patient(ScriptedModel(AWAY), slow, stop=stop).complete(BODY)
    assert time.monotonic() - began < slow.first_pause / 2


class Counting:
    """Fails until it has been asked `times` times; knows how many calls ran at once while it failed."""

    def __init__(self, times: int) -> None:
        self.left, self.running, self.most_while_open, self.lock = times, 0, 0, threading.Lock()
        self.opened = threading.Event()

    def complete(self, body: Any, on_lost: Any = None) -> dict[str, Any]:
        with self.lock:
            self.running += 1
            self.left -= 1
            failing = self.left >= 0
            if self.opened.is_set() and failing:
                self.most_while_open = max(self.most_while_open, self.running)
        time.sleep(0.01)
        with self.lock:
            self.running -= 1
        if failing:
            raise AWAY
        return completion("hello")


def test_calls_in_several_threads_share_one_breaker() -> None:
    notices: list[str] = []
    model = Counting(12)

    def notify(text: str) -> None:
        notices.append(text)
        if len(notices) == 2:  # all that had started before the first pause have ended
            model.opened.set()

    policy = Policy(failures_to_open=4, first_pause=0.03, longest_pause=0.05, patience=60.0)
    shared = Patience(policy, notify, Stop())
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: PatientModel(model, shared).complete(BODY), range(4)))
    assert answers == [completion("hello")] * 4 and model.most_while_open == 1
    *failures, last = notices
    assert last.endswith("resuming") and 1 < len(failures) <= 9 and all(" fail" in text for text in failures)


def test_an_endpoint_that_was_away_for_longer_than_a_call_tries_is_waited_for(upstream: Upstream) -> None:
    upstream.script(*[refuses(503)] * (2 * ATTEMPTS + 1), says("hello"))
    lost: list[Usage] = []
    answer = patient(OpenAIModel(upstream.spec(), 0.01)).complete({"model": "m", **BODY}, lost.append)
    assert answer["choices"][0]["message"]["content"] == "hello"
    assert all(body == upstream.bodies()[0] for body in upstream.bodies())
    assert sum(lost, Usage()).retries == 2 * ATTEMPTS + 1
