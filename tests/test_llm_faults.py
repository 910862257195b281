"""What an endpoint's errors and odd answers mean: another try, the request's own fault, or the account's."""

from __future__ import annotations

import json
import time
from email.utils import formatdate
from typing import Any

import pytest

from evolve.core.errors import AccountError, BadInput, InfraError, RequestRefused
from evolve.core.records import Fault, Usage
from evolve.llm import call_seconds
from evolve.llm.client import ATTEMPTS, OpenAIModel
from evolve.llm.retries import VARIABLE, requested_wait
from evolve.trial.gateway.budget import covered_seconds
from tests.fakes import completion
from tests.upstream import DONE, Answer, Upstream, chunk, raw, refuses, says, streams

BODY = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
NOTHING_MADE = {"prompt_tokens": 10, "completion_tokens": 0, "total_tokens": 10}


@pytest.fixture
def model(upstream: Upstream) -> OpenAIModel:
    return OpenAIModel(upstream.spec(), 0.01)


def told(**error: Any) -> Answer:
    """An error with status 200."""
    return raw(json.dumps({"error": error}))


def ended(content: str | None, reason: str | None, usage: Any = None) -> Answer:
    """A whole answer that ends for this reason."""
    answer = completion(content)
    answer["choices"][0]["finish_reason"] = reason
    return raw(json.dumps(answer | ({"usage": usage} if usage else {})))


@pytest.mark.parametrize(
    "answer",
    [
        refuses(401, "invalid_api_key"),
        refuses(403, "forbidden"),
        refuses(402, None, "Insufficient Balance"),
        refuses(429, "insufficient_quota", "You exceeded your current quota, please check your plan"),
        refuses(429, "insufficient_quota", retry_after="1"),
        refuses(429, "1113", "Insufficient balance or no resource package. Please recharge."),
        refuses(400, "Arrearage", "Access denied, please make sure your account is in good standing."),
        raw(json.dumps({"base_resp": {"status_code": 1004, "status_msg": "login fail"}})),
        raw(json.dumps({"base_resp": {"status_code": 2056, "status_msg": "usage limit exceeded"}})),
        told(code=402, message="This request requires more credits"),
        told(code="insufficient_quota", message="no"),
        streams({"error": {"code": 401, "message": "no"}}),
    ],
)
def test_the_key_or_the_account_is_refused_at_once(upstream: Upstream, model: OpenAIModel, answer: Any) -> None:
    upstream.script(answer)
    with pytest.raises(AccountError) as caught:
        model.complete(BODY)
    assert caught.value.fault is Fault.ACCOUNT and len(upstream.requests()) == 1


@pytest.mark.parametrize(
    "answer",
    [
        refuses(403, None, "Your input was flagged by moderation"),
        refuses(400, "content_filter", "The response was filtered"),
        refuses(400, None, "can't read: 'my insufficient_quota, my credit balance is too low'"),
        told(code=400, message="insufficient_quota, says the request"),
    ],
)
def test_a_request_is_refused_for_its_contents(upstream: Upstream, model: OpenAIModel, answer: Any) -> None:
    upstream.script(answer)
    with pytest.raises(RequestRefused):
        model.complete(BODY)
    assert len(upstream.requests()) == 1


@pytest.mark.parametrize(
    "answer",
    [
        refuses(408),
        refuses(409),
        refuses(425),
        refuses(429, None, "You exceeded your current quota: 15 requests per minute", retry_after="0"),
        *(refuses(status) for status in (500, 502, 503, 520, 529)),
        raw("<html>a proxy's page</html>"),
        raw('{"choices": [{"mess'),
        raw("[]"),
        raw(json.dumps({**completion(), "choices": []})),
        raw(json.dumps({**completion(), "choices": [{"index": 0, "finish_reason": "stop"}]})),
        ended("", None),
        ended(None, "stop", NOTHING_MADE),
        streams(chunk(role="assistant")),
        streams(chunk(content="half"), end=None),
        streams('data: {"choices": [{"del\n\n', DONE),
        raw(json.dumps({"base_resp": {"status_code": 1002, "status_msg": "rate limit"}})),
    ],
)
def test_transient_faults_are_retried_and_reported(upstream: Upstream, model: OpenAIModel, answer: Any) -> None:
    lost: list[Usage] = []
    upstream.script(answer, says("well"))
    assert model.complete(BODY, lost.append)["choices"][0]["message"]["content"] == "well"
    spent = sum(lost, Usage())
    assert spent == Usage(retries=1, lost_seconds=spent.lost_seconds) and spent.lost_seconds > 0


def test_persistent_faults_are_reported_too(upstream: Upstream, model: OpenAIModel) -> None:
    lost: list[Usage] = []
    upstream.script(raw("no"))
    with pytest.raises(InfraError, match="is the base URL right"):
        model.complete(BODY, lost.append)
    assert sum(lost, Usage()).retries == ATTEMPTS - 1 == len(upstream.requests()) - 1


def test_a_caller_that_raises_ends_the_call(upstream: Upstream, model: OpenAIModel) -> None:
    def enough(lost: Usage) -> None:
        raise InfraError("enough")

    upstream.script(refuses(503))
    with pytest.raises(InfraError, match="enough"):
        model.complete(BODY, enough)
    assert len(upstream.requests()) == 1


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (ended("", "content_filter"), "content_filter"),
        (ended(None, "length", NOTHING_MADE), "length"),
        (ended("", "stop"), "stop"),
        (says("I can't help with that.", message={"refusal": "no"}), "stop"),
    ],
)
def test_an_answer_is_an_answer_whatever_it_says(
    upstream: Upstream, model: OpenAIModel, answer: Any, reason: str
) -> None:
    upstream.script(answer)
    assert model.complete(BODY)["choices"][0]["finish_reason"] == reason
    assert len(upstream.requests()) == 1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": formatdate(1_000_030, usegmt=True)}, 30.0),
        ({"retry-after": formatdate(999_000, usegmt=True)}, 0.0),
        ({"retry-after": "Mon, 12 Jan 1970 13:46:45 -0000"}, 5.0),
    ],
)
def test_an_endpoint_may_ask_for_a_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert requested_wait(headers, 1_000_000.0) == seconds


def test_a_date_is_waited_for(upstream: Upstream) -> None:
    upstream.script(refuses(429, None, retry_after=formatdate(time.time() + 2, usegmt=True)), says())
    lost: list[Usage] = []
    OpenAIModel(upstream.spec()).complete(BODY, lost.append)
    assert 0.9 < sum(lost, Usage()).lost_seconds < 3


@pytest.mark.parametrize(("text", "seconds"), [(None, 300.0), ("", 300.0), ("12.5", 12.5)])
def test_the_time_limit_of_a_try_can_be_set(monkeypatch: pytest.MonkeyPatch, text: str | None, seconds: float) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    if text is not None:
        monkeypatch.setenv(VARIABLE, text)
    assert call_seconds() == seconds


@pytest.mark.parametrize("text", ["0", "-1", "long", "inf", "nan"])
def test_an_invalid_time_limit_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(BadInput, match=VARIABLE):
        call_seconds()


@pytest.mark.parametrize(
    ("spans", "seconds"),
    [
        ([], 0.0),
        ([(0, 2), (5, 6)], 3.0),
        ([(0, 10), (5, 12)], 12.0),
        ([(5, 10), (0, 12)], 12.0),
        ([(0, 1), (0, 1), (1, 2)], 2.0),
    ],
)
def test_parallel_calls_lose_the_same_time_once(spans: list[tuple[float, float]], seconds: float) -> None:
    assert covered_seconds(spans) == seconds
