"""Whose fault the end of a call is, by what the endpoint does for others meanwhile; and the time that is given back."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.budget.answers import Answers, SharedAnswers
from evolve.budget.rate import Rates
from evolve.budget.turns import PacedModel
from evolve.core.errors import EndpointError, HostRefused
from evolve.core.records import Fault, Limits, Usage
from evolve.llm import ChatModel
from evolve.llm.client import OpenAIModel
from evolve.sandbox.scaffold_container import ScaffoldProcess
from evolve.trial.gateway import Door, Gateway
from evolve.trial.gateway.endurance import MAX_UNANSWERED_RETRIES
from evolve.trial.gateway.spans import Span, covered_seconds, merged, without
from evolve.trial.scaffold_run import fault_of, wait_for_end
from tests.fakes import FolderWorkspace, ScriptedModel, completion
from tests.faults.endpoint import FaultyEndpoint
from tests.faults.faulty_server import Plan
from tests.faults.test_endpoint import Scaffold
from tests.test_gateway import USER, call, chat, client, code
from tests.test_gateway_limits import wait_until
from tests.upstream import Upstream, refuses, says

BUSY = refuses(429, retry_after="3")


@contextmanager
def serving(folder: Path, model: ChatModel, answers: Answers | None = None, **limits: Any) -> Iterator[Gateway]:
    folder.mkdir(exist_ok=True)
    spec = getattr(model, "_spec", None) or Upstream(1).spec()
    door = Door("opaque", "Mend it.", "/work", 7, spec, Limits(**limits))
    with Gateway(door, model, FolderWorkspace(folder), folder, answers) as served:
        yield served


def give_up(served: Gateway, seconds: float) -> None:
    """Make a call, and hang up after so many seconds."""
    with client(served) as api, pytest.raises(openai.APITimeoutError):
        api.chat.completions.create(model="any", messages=[USER], timeout=seconds)


def test_giving_up_while_another_call_is_answered_is_the_scaffolds_fault(tmp_path: Path, upstream: Upstream) -> None:
    upstream.script(BUSY, says(), BUSY)
    with serving(tmp_path, OpenAIModel(upstream.spec())) as served, ThreadPoolExecutor(1) as pool:
        given_up = pool.submit(give_up, served, 2)
        wait_until(lambda: len(upstream.requests()) == 1)
        assert chat(served)[0] == 200
        given_up.result()
        served.wait_for_calls()
        wait_until(lambda: served.refusals["gave_up"] == 1)
    assert served.fault is None and len(upstream.requests()) == 2


def test_giving_up_while_another_trial_is_answered_is_too(tmp_path: Path, upstream: Upstream) -> None:
    upstream.script(BUSY, says(), BUSY)
    path = tmp_path / "spending.db"
    with (
        serving(tmp_path / "one", OpenAIModel(upstream.spec()), SharedAnswers(path)) as one,
        serving(tmp_path / "two", OpenAIModel(upstream.spec()), SharedAnswers(path)) as two,
        ThreadPoolExecutor(1) as pool,
    ):
        given_up = pool.submit(give_up, one, 2)
        wait_until(lambda: len(upstream.requests()) == 1)
        assert chat(two)[0] == 200
        given_up.result()
        one.wait_for_calls()
        wait_until(lambda: one.refusals["gave_up"] == 1)
    assert one.fault is None and two.fault is None


def test_calls_that_fail_together_are_given_up_together(tmp_path: Path, upstream: Upstream) -> None:
    upstream.script(BUSY, says(), BUSY)
    with serving(tmp_path, OpenAIModel(upstream.spec())) as served, ThreadPoolExecutor(2) as pool:
        first = pool.submit(give_up, served, 2)
        wait_until(lambda: len(upstream.requests()) == 1)
        assert chat(served)[0] == 200
        # It begins after the answer, but while the first call fails.
        second = pool.submit(give_up, served, 1)
        first.result(), second.result()
        served.wait_for_calls()
        wait_until(lambda: served.refusals["gave_up"] == 2)
    assert served.fault is None


@pytest.mark.parametrize("script", [[BUSY], [says(), BUSY], [BUSY, BUSY, says()]])
def test_giving_up_while_nobody_is_answered_is_the_endpoints(tmp_path: Path, upstream: Upstream, script: Any) -> None:
    upstream.script(*script)
    with serving(tmp_path, OpenAIModel(upstream.spec(), longest_wait=1.0)) as served:
        if script[0] != BUSY:
            assert chat(served)[0] == 200
        give_up(served, 0.5)
        if script[-1] != BUSY:
            # It recovers before anyone notices that the client has gone.
            assert chat(served)[0] == 200
        served.wait_for_calls()
    assert isinstance(served.fault, EndpointError) and "gave up" in str(served.fault)


def test_giving_up_a_call_that_evolve_holds_back_is_the_scaffolds_fault(tmp_path: Path) -> None:
    model, spec = ScriptedModel(), Upstream(1).spec()
    paced = PacedModel(model, spec, Rates(requests=1, window=5), tmp_path / "rates.db")
    with serving(tmp_path, paced) as served:
        assert chat(served)[0] == 200
        time.sleep(0.1)
        give_up(served, 0.2)
        served.wait_for_calls()
        wait_until(lambda: served.refusals["gave_up"] == 1)
    assert served.fault is None and len(model.requests) == 1


def test_many_calls_at_once_that_fail_while_one_is_answered_use_up_the_retries(
    tmp_path: Path, upstream: Upstream
) -> None:
    upstream.script(*[refuses(429)] * 20, says(), refuses(429))
    model = OpenAIModel(upstream.spec(), longest_wait=0.2)
    with serving(tmp_path, model) as served, ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: chat(served)[0], range(16)))
    assert served.fault is None and served.budget.exhausted == "retries"
    assert sorted(answers) == [200, *[403] * 15]


def test_many_calls_at_once_that_fail_in_an_outage_are_the_endpoints_fault(tmp_path: Path, upstream: Upstream) -> None:
    upstream.script(refuses(503))
    model = OpenAIModel(upstream.spec(), longest_wait=0.2)
    with serving(tmp_path, model) as served, ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: code(chat(served)), range(16)))
    assert isinstance(served.fault, EndpointError) and {*answers} == {(503, "infrastructure")}
    assert served.budget.usage.retries <= MAX_UNANSWERED_RETRIES + 16


def test_calls_in_a_row_never_use_up_the_retries(tmp_path: Path, upstream: Upstream) -> None:
    upstream.script(*[*[refuses(503)] * 5, says()] * (MAX_UNANSWERED_RETRIES // 5 + 2))
    with serving(tmp_path, OpenAIModel(upstream.spec(), longest_wait=0.001)) as served:
        assert {chat(served)[0] for _ in range(MAX_UNANSWERED_RETRIES // 5 + 2)} == {200}
    assert served.budget.usage.retries > MAX_UNANSWERED_RETRIES and served.fault is None


def test_what_the_host_adds_and_the_endpoint_refuses_stops_the_run(tmp_path: Path) -> None:
    with serving(tmp_path, ScriptedModel(HostRefused("seed", "it refuses `seed`"))) as served:
        assert code(chat(served)) == (503, "infrastructure")
    assert isinstance(served.fault, HostRefused) and fault_of(served.fault) is Fault.ACCOUNT


def test_a_refusal_that_only_looks_like_one_of_the_hosts_additions_is_the_scaffolds(tmp_path: Path) -> None:
    model = ScriptedModel(HostRefused("seed", "it refuses `seed`"), completion("OK", tokens=3))
    with serving(tmp_path, model) as served:
        assert code(chat(served, response_format={"type": "Unsupported parameter: 'seed'"})) == (400, "invalid_request")
        assert served.budget.left()["calls"] == Limits().calls - 1
    assert served.fault is None and served.events[0]["error"]["status"] == 400
    assert set(model.requests[1]) == {"model", "messages", "max_tokens", "seed"}


def commands_until_refused(served: Gateway, seconds: float) -> float:
    """Run one command after the other for at most so long; returns how long the last one that ran began after."""
    began = last = time.monotonic()
    while time.monotonic() < began + seconds:
        at = time.monotonic()
        if call(served, "/evolve/run", {"command": "sleep 0.05"})[0] != 200:
            break
        last = at
    return last - began


def test_time_in_which_commands_run_is_not_given_back(tmp_path: Path, failing: FaultyEndpoint) -> None:
    failing.begin(Plan(share=1, kinds=("hang",), until=3))
    worked: list[float] = []
    with serving(tmp_path, OpenAIModel(failing.spec(), 0.02, 0.5), seconds=0.8) as served:

        def work() -> None:
            stuck = threading.Thread(target=quietly_chat, args=(served,), daemon=True)
            stuck.start()
            worked.append(commands_until_refused(served, 10))

        wait_for_end(cast(ScaffoldProcess, Scaffold(work)), served, 0.8)
    assert worked[0] < 1.2 and served.budget.usage.lost_seconds > 1.4
    assert served.fault is None and served.budget.exhausted == "seconds"


def quietly_chat(served: Gateway) -> None:
    with suppress(OSError, http.client.HTTPException):
        chat(served)


def test_time_before_another_request_is_not_given_back(tmp_path: Path, failing: FaultyEndpoint) -> None:
    failing.begin(Plan(share=1, kinds=("hang",), until=1))
    with serving(tmp_path, OpenAIModel(failing.spec(), 0.02, 5.0), seconds=30) as served:
        stuck = threading.Thread(target=quietly_chat, args=(served,), daemon=True)
        stuck.start()
        time.sleep(1.5)
        assert call(served, "/evolve/read", {"path": "none"})[0] == 404
        stuck.join()
    assert served.budget.usage.lost_seconds > 4.9
    assert 0.3 < served.budget.given_back < served.budget.usage.lost_seconds - 1.2


def test_time_in_which_another_call_is_answered_is_not_given_back(tmp_path: Path) -> None:
    together = threading.Barrier(2)

    class Model(ScriptedModel):
        def complete(self, body: Any, on_lost: Any = None) -> dict[str, Any]:
            together.wait()
            if body["messages"] == [USER]:
                time.sleep(2)
                on_lost(Usage(lost_seconds=2))
            else:
                time.sleep(1)
            return completion()

    with serving(tmp_path, Model(), seconds=30) as served, ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda text: chat(served, messages=[{**USER, "content": text}]), ["hi", "other"]))
    assert 0.2 < served.budget.given_back < 1.2


def test_a_connection_that_is_closed_halfway_is_noticed(tmp_path: Path, upstream: Upstream) -> None:
    """The scaffold's process ends, and with it its socket."""
    upstream.script(BUSY, says(), BUSY)
    with serving(tmp_path, OpenAIModel(upstream.spec())) as served:
        with socket.socket(socket.AF_UNIX) as plain:
            plain.connect(str(served.path))
            body = json.dumps({"messages": [USER]})
            head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
            plain.sendall((head + body).encode())
            wait_until(lambda: len(upstream.requests()) == 1)
            assert chat(served)[0] == 200
        served.wait_for_calls()
        wait_until(lambda: served.refusals["gave_up"] == 1)
    assert served.fault is None


SPANS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)).map(lambda pair: (min(pair), max(pair))), max_size=8)


def moments(spans: list[Span]) -> set[int]:
    return {at for start, end in spans for at in range(int(start), int(end))}


@given(SPANS, SPANS)
def test_spans_are_sets_of_moments(spans: list[Span], others: list[Span]) -> None:
    assert moments(merged(spans)) == moments(spans)
    left = without(spans, others)
    assert moments(left) == moments(spans) - moments(others)
    assert covered_seconds(left) == len(moments(left)) and left == merged(left)
