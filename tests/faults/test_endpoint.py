"""A model's API that fails in every way: each fault is met, counted once, and never the scaffold's."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast

import openai
import pytest

from evolve import embedded
from evolve.core.errors import AccountError, EndpointError
from evolve.core.records import Fault, Limits
from evolve.llm.client import ATTEMPTS, OpenAIModel
from evolve.loop.propose.direct import Conversation
from evolve.sandbox.scaffold_container import ScaffoldProcess
from evolve.trial.gateway import Door, Gateway, budget
from evolve.trial.recording import TIME_FIELDS
from evolve.trial.scaffold_run import wait_for_end
from tests.fakes import FolderWorkspace
from tests.faults.endpoint import FaultyEndpoint
from tests.faults.faulty_server import KINDS, Plan
from tests.test_gateway import client
from tests.upstream import Upstream, after, raw, refuses, says

USER: Any = {"role": "user", "content": "Mend it."}
TRY_SECONDS = 0.8
SLOW = ("hang", "drip")


@pytest.fixture
def endpoint(failing: FaultyEndpoint) -> FaultyEndpoint:
    return failing


@contextmanager
def serving(folder: Path, source: FaultyEndpoint | Upstream, stream: bool = False, **limits: Any) -> Iterator[Gateway]:
    """A gateway before an endpoint: no try of a call lasts longer than TRY_SECONDS, and no wait is long."""
    spec = source.spec(stream=stream, prompt_price=1.0, completion_price=2.0)
    door = Door("opaque", "Mend it.", "/work", 7, spec, Limits(**limits))
    with Gateway(door, OpenAIModel(spec, 0.02, TRY_SECONDS), FolderWorkspace(folder), folder) as served:
        yield served


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_fault_costs_a_try_and_nothing_else(
    tmp_path: Path, endpoint: FaultyEndpoint, kind: str, stream: bool
) -> None:
    endpoint.begin(Plan(share=1, kinds=(kind,), until=1))
    before = time.monotonic()
    with serving(tmp_path, endpoint, stream, seconds=30) as served, client(served) as api:
        started = time.monotonic()
        answer = api.chat.completions.create(model="any", messages=[USER])
        least, left, most = time.monotonic() - started, served.budget.left()["seconds"], time.monotonic() - before
    (event,), used, counts = served.events, served.budget.usage, endpoint.counts()
    assert counts["faults"] == {kind: 1} and counts["whole"] == 1
    assert answer.choices[0].message.content == embedded.complete(event["request"])["choices"][0]["message"]["content"]
    assert (used.calls, used.retries) == (1, 1)
    assert (used.prompt_tokens, used.completion_tokens) == (counts["prompt_tokens"], counts["completion_tokens"])
    assert used.cost_usd == pytest.approx((used.prompt_tokens + 2 * used.completion_tokens) / 1e6)
    assert used.lost_seconds > (TRY_SECONDS * 0.9 if kind in SLOW else 0)
    assert 30 - most <= left - used.lost_seconds <= 30 - least
    assert set(event) == {"kind", "request", "response", *TIME_FIELDS} and "retries" not in json.dumps(event)
    assert served.fault is None


def test_an_endpoint_that_fails_again_and_again_is_a_fault_of_the_trial(
    tmp_path: Path, endpoint: FaultyEndpoint
) -> None:
    endpoint.begin(Plan(share=1))
    with serving(tmp_path, endpoint) as served, client(served) as api, pytest.raises(openai.InternalServerError):
        api.chat.completions.create(model="any", messages=[USER])
    assert isinstance(served.fault, EndpointError) and served.fault.fault is Fault.ENDPOINT
    assert (served.budget.usage.retries, served.budget.usage.tokens) == (ATTEMPTS - 1, 0)
    assert endpoint.counts()["whole"] == 0


def test_an_endpoint_that_is_away_is_a_fault_of_the_trial(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        gone = FaultyEndpoint(listener.getsockname()[1])
    with serving(tmp_path, gone) as served, client(served) as api, pytest.raises(openai.InternalServerError):
        api.chat.completions.create(model="any", messages=[USER])
    assert isinstance(served.fault, EndpointError) and served.budget.usage.retries == ATTEMPTS - 1


@pytest.mark.parametrize(
    "answer",
    [
        refuses(429, "insufficient_quota", "You exceeded your current quota"),
        refuses(402, None, "Insufficient credits"),
        refuses(401, "invalid_api_key"),
        refuses(403),
        raw(json.dumps({"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}})),
        raw(json.dumps({"error": {"code": "402", "message": "This request requires more credits"}})),
    ],
)
def test_an_account_that_is_refused_ends_the_call_at_once(tmp_path: Path, upstream: Upstream, answer: Any) -> None:
    upstream.script(answer)
    with serving(tmp_path, upstream) as served, client(served) as api, pytest.raises(openai.InternalServerError):
        api.chat.completions.create(model="any", messages=[USER])
    assert isinstance(served.fault, AccountError) and served.fault.fault is Fault.ACCOUNT
    assert len(upstream.requests()) == 1 and served.budget.usage.retries == 0


def test_lost_time_is_not_the_trials(tmp_path: Path, endpoint: FaultyEndpoint) -> None:
    endpoint.begin(Plan(share=1, kinds=("hang",), until=2))
    before = time.monotonic()
    with serving(tmp_path, endpoint, seconds=30.0) as served, client(served) as api:
        began = time.monotonic()
        assert api.chat.completions.create(model="any", messages=[USER]).choices
        left, at_work = served.budget.left()["seconds"], 30.0 + served.budget.given_back
        assert at_work - (time.monotonic() - before) <= left <= at_work - (time.monotonic() - began) + 0.1
    # Each span ends where it is booked, a moment after it was measured: two neighbours overlap by that moment.
    assert -1e-6 < served.budget.usage.lost_seconds - served.budget.given_back < 0.1
    assert served.budget.given_back > 2 * 0.9 * TRY_SECONDS and served.budget.exhausted == ""


def test_who_begins_after_the_time_waits_for_what_may_be_given_back(tmp_path: Path, endpoint: FaultyEndpoint) -> None:
    endpoint.begin(Plan(share=1, kinds=("hang",), until=1))
    with serving(tmp_path, endpoint, seconds=0.6) as served, client(served) as api:
        first = in_background(lambda: api.chat.completions.create(model="any", messages=[USER]))
        time.sleep(0.65)
        assert served.budget.left()["seconds"] == 0
        assert served.budget.start_command() > 0
        first.join()
    assert served.budget.exhausted == ""


def test_more_than_may_be_lost_is_a_fault(
    tmp_path: Path, endpoint: FaultyEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "MAX_LOST_SECONDS", TRY_SECONDS / 2)
    endpoint.begin(Plan(share=1, kinds=("hang",)))
    with (
        serving(tmp_path, endpoint, seconds=0.5) as served,
        client(served) as api,
        pytest.raises(openai.InternalServerError),
    ):
        api.chat.completions.create(model="any", messages=[USER])
    assert isinstance(served.fault, EndpointError) and "failed for over" in str(served.fault)
    assert served.budget.exhausted == "" and endpoint.counts()["calls"] == 1


@pytest.mark.parametrize("kind", SLOW)
def test_a_scaffold_that_gives_up_while_the_endpoint_fails_is_no_evidence(
    tmp_path: Path, endpoint: FaultyEndpoint, kind: str
) -> None:
    endpoint.begin(Plan(share=1, kinds=(kind,), until=1))
    with serving(tmp_path, endpoint) as served, client(served) as api:
        with pytest.raises(openai.APITimeoutError):
            api.chat.completions.create(model="any", messages=[USER], timeout=0.2)
        served.wait_for_calls()
    assert isinstance(served.fault, EndpointError) and "gave up" in str(served.fault)
    assert endpoint.counts()["calls"] == 1 and served.events == []


def test_a_scaffold_that_gives_up_on_a_slow_answer_has_itself_to_blame(tmp_path: Path, upstream: Upstream) -> None:
    upstream.script(after(0.5, says()))
    with serving(tmp_path, upstream) as served, client(served) as api:
        with pytest.raises(openai.APITimeoutError):
            api.chat.completions.create(model="any", messages=[USER], timeout=0.1)
        served.wait_for_calls()
    assert served.fault is None and served.budget.usage.tokens == 20


class Scaffold:
    """Stands for a scaffold's container: it ends when its work does."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._thread = in_background(work)

    def wait(self, seconds: float) -> bool:
        self._thread.join(max(seconds, 0.0))
        return not self._thread.is_alive()


def in_background(work: Callable[[], object]) -> threading.Thread:
    def quietly() -> None:
        with suppress(openai.OpenAIError):
            work()

    thread = threading.Thread(target=quietly, daemon=True)
    thread.start()
    return thread


def ended(served: Gateway, api: openai.OpenAI, seconds: float, pause: float = 0.0) -> bool:
    """Whether a scaffold that makes one call, and rests then, ends by itself."""

    def work() -> None:
        api.chat.completions.create(model="any", messages=[USER])
        time.sleep(pause)

    return wait_for_end(cast(ScaffoldProcess, Scaffold(work)), served, seconds)


def test_a_scaffold_has_the_time_that_was_lost(tmp_path: Path, endpoint: FaultyEndpoint) -> None:
    endpoint.begin(Plan(share=1, kinds=("hang",), until=1))
    with serving(tmp_path, endpoint, seconds=0.5) as served, client(served) as api:
        assert ended(served, api, 0.5, pause=0.2)
    assert served.fault is None and served.budget.exhausted == ""


def test_a_scaffold_that_takes_longer_than_was_lost_is_out_of_time(tmp_path: Path, endpoint: FaultyEndpoint) -> None:
    endpoint.begin(Plan(share=1, kinds=("hang",), until=1))
    with serving(tmp_path, endpoint, seconds=0.5) as served, client(served) as api:
        assert not ended(served, api, 0.5, pause=5)
    assert served.fault is None


def test_a_slow_answer_uses_up_the_trials_time(tmp_path: Path, upstream: Upstream) -> None:
    upstream.script(after(0.6, says()))
    with serving(tmp_path, upstream, seconds=0.3) as served, client(served) as api:
        assert ended(served, api, 0.3, pause=0)
    assert served.fault is None and served.budget.exhausted == "seconds"


def test_an_endpoint_that_never_comes_back_is_no_timeout(
    tmp_path: Path, endpoint: FaultyEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "MAX_LOST_SECONDS", TRY_SECONDS * 1.5)
    endpoint.begin(Plan(share=1, kinds=SLOW))
    with serving(tmp_path, endpoint, seconds=0.3) as served, client(served) as api:
        ended(served, api, 0.3)
    assert isinstance(served.fault, EndpointError)


def test_a_proposal_tells_what_was_lost(endpoint: FaultyEndpoint) -> None:
    endpoint.begin(Plan(share=1, kinds=("unavailable",), until=2))
    spec = endpoint.spec()
    talk = Conversation(OpenAIModel(spec, 0.02), spec, 7, [USER])
    talk.ask([])
    assert (talk.usage.calls, talk.usage.retries) == (1, 2) and talk.usage.lost_seconds > 0


def test_a_plan_depends_on_seed_and_number_alone() -> None:
    faults = [Plan(3, 0.2).fault(number) for number in range(1, 5001)]
    assert faults == [Plan(3, 0.2).fault(number) for number in range(1, 5001)]
    assert 0.17 < sum(map(bool, faults)) / 5000 < 0.23 and {*faults} == {"", *KINDS}
    assert faults != [Plan(4, 0.2).fault(number) for number in range(1, 5001)]
