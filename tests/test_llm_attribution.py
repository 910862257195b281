"""Whose fault an error is: what the host put into a request is never the caller's affair, and the other way round."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evolve.core.errors import BadInput, EndpointError, HostRefused, RequestRefused
from evolve.core.records import Fault, Usage
from evolve.llm import open_model
from evolve.llm.attribution import HOST_FIELDS
from evolve.llm.client import ATTEMPTS, OpenAIModel
from evolve.trial.gateway.request import PASSED_FIELDS
from tests.fakes import tool_call
from tests.upstream import Answer, Upstream, raw, refuses, says

USER = {"role": "user", "content": "hi"}
LOOK = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
BODY = {"model": "m", "messages": [USER], "tools": [LOOK], "max_tokens": 900, "seed": 7, "temperature": 0.2}
ERRORS = json.loads((Path(__file__).parent / "llm_errors.json").read_text(encoding="utf-8"))
UNVERIFIED = "Your organization must be verified to stream this model."
WANTED = "Missing `reasoning_content` field in the assistant message at message index 1."
TOO_MUCH = "Request too large for model `m` on tokens per minute (TPM): Limit 6000, Requested 9000, please reduce"


def answered(status: int, body: Any) -> Answer:
    return raw(body if isinstance(body, str) else json.dumps(body), status=status)


def fault_of(upstream: Upstream, *answers: Answer, body: dict[str, Any] = BODY, **facts: Any) -> Exception:
    """The error that a client of a model with these facts raises."""
    upstream.script(*answers)
    with pytest.raises((RequestRefused, EndpointError, BadInput)) as caught:
        OpenAIModel(upstream.spec(**facts), 0.01).complete(body)
    return caught.value


@pytest.mark.parametrize(
    "error",
    [error for error in ERRORS if error["refuses"] in HOST_FIELDS - {"model", "stream", "stream_options"}],
    ids=lambda error: f"{error['server']}, {error['report']}",
)
def test_what_the_host_adds_is_the_hosts_affair(upstream: Upstream, error: dict[str, Any]) -> None:
    fault = fault_of(upstream, answered(error["status"], error["body"]))
    assert isinstance(fault, HostRefused) and fault.parameter == error["refuses"]
    assert fault.fault is Fault.ENDPOINT and "\n" not in str(fault)
    assert len(upstream.requests()) == 1


@pytest.mark.parametrize("error", [error for error in ERRORS if error["refuses"] == "tools"])
def test_a_server_without_tool_calls_is_no_ones_scaffold(upstream: Upstream, error: dict[str, Any]) -> None:
    fault = fault_of(upstream, answered(error["status"], error["body"]))
    assert isinstance(fault, HostRefused) and fault.parameter == "tools"
    assert len(upstream.requests()) == 1


def test_no_field_of_the_host_is_a_scaffolds() -> None:
    assert not HOST_FIELDS & PASSED_FIELDS


def test_a_value_of_the_scaffold_is_the_scaffolds_affair(upstream: Upstream) -> None:
    message = "Unsupported value: 'temperature' does not support 0.2 with this model."
    fault = fault_of(upstream, refuses(400, "unsupported_value", message))
    assert isinstance(fault, RequestRefused) and (fault.status, fault.code) == (400, "unsupported_value")
    default = fault_of(upstream, refuses(400, None, message), sampling=(("temperature", 0.2),))
    assert isinstance(default, HostRefused) and default.parameter == "temperature"
    own = fault_of(upstream, refuses(400, None, message), sampling=(("temperature", 1.0),))
    assert isinstance(own, RequestRefused)


def test_extra_fields_and_headers_are_the_hosts(upstream: Upstream) -> None:
    fault = fault_of(
        upstream,
        refuses(400, None, "Unsupported parameter(s): thinking"),
        extra_body='{"thinking": {"type": "enabled"}}',
    )
    assert isinstance(fault, HostRefused) and fault.parameter == "thinking"
    header = refuses(400, None, "Unexpected value(s) for the `anthropic-beta` header")
    fault = fault_of(upstream, header, headers=(("anthropic-beta", "x"),))
    assert isinstance(fault, HostRefused) and fault.parameter == "anthropic-beta"


def test_a_renamed_parameter_has_our_name(upstream: Upstream) -> None:
    names = (("max_tokens", "n_answer"), ("temperature", "heat"))
    fault = fault_of(upstream, refuses(400, None, "n_answer must be at least 1000"), parameters=names)
    assert isinstance(fault, HostRefused) and fault.parameter == "max_tokens"
    assert isinstance(fault_of(upstream, refuses(400, None, "heat is not supported"), parameters=names), RequestRefused)


def test_an_error_with_status_200_is_attributed_too(upstream: Upstream) -> None:
    fault = fault_of(upstream, raw(json.dumps({"error": {"code": 400, "message": "Unknown parameter: 'seed'."}})))
    assert isinstance(fault, HostRefused) and fault.parameter == "seed"


def test_streaming_that_is_not_allowed_is_the_hosts(upstream: Upstream) -> None:
    fault = fault_of(upstream, refuses(400, "unsupported_value", UNVERIFIED), stream=True)
    assert isinstance(fault, HostRefused) and fault.parameter == "stream"


ANSWER = {"role": "assistant", "content": "", "reasoning_content": "hm", "tool_calls": [tool_call("look", {})]}
TALK = {**BODY, "messages": [USER, ANSWER, {"role": "tool", "tool_call_id": "call_1", "content": "x"}]}


def test_reasoning_that_we_took_out_is_the_hosts(upstream: Upstream) -> None:
    fault = fault_of(upstream, refuses(400, None, WANTED), body=TALK)
    assert isinstance(fault, HostRefused) and fault.parameter == "keep_reasoning"
    unwanted = "messages.1.assistant.reasoning_content: Extra inputs are not permitted"
    fault = fault_of(upstream, refuses(422, None, unwanted), body=TALK, keep_reasoning=True)
    assert isinstance(fault, HostRefused) and fault.parameter == "keep_reasoning"


def test_reasoning_that_the_caller_took_out_is_filled_in_once(upstream: Upstream) -> None:
    without = {key: value for key, value in ANSWER.items() if key != "reasoning_content"}
    upstream.script(refuses(400, None, WANTED), says("well"), says("well"))
    model = OpenAIModel(upstream.spec(keep_reasoning=True), 0.01)
    for answer in (without, ANSWER):
        assert model.complete({**TALK, "messages": [USER, answer]})["choices"][0]["message"]["content"] == "well"
    sent = [body["messages"][1].get("reasoning_content") for body in upstream.bodies()]
    assert sent == [None, "", "hm"]
    fault = fault_of(upstream, refuses(400, None, WANTED), body=TALK, keep_reasoning=True)
    assert isinstance(fault, RequestRefused) and len(upstream.requests()) == 2


@pytest.mark.parametrize(
    "answer",
    [
        refuses(413, "rate_limit_exceeded", TOO_MUCH),
        refuses(413, None, "Payload Too Large"),
        refuses(429, "rate_limit_exceeded", TOO_MUCH, retry_after="1"),
        refuses(
            429,
            "rate_limit_exceeded",
            "tokens per min (TPM): Limit 30000, Requested 342389. The input must be reduced.",
        ),
    ],
)
def test_a_request_that_can_never_fit_is_refused_at_once(upstream: Upstream, answer: Answer) -> None:
    fault = fault_of(upstream, answer)
    assert isinstance(fault, RequestRefused) and (fault.status, fault.code) == (413, "request_too_large")
    assert len(upstream.requests()) == 1


def test_a_limit_that_others_used_up_is_waited_for(upstream: Upstream) -> None:
    used = "Rate limit reached for m on tokens per min (TPM): Limit 30000, Used 29000, Requested 5000."
    upstream.script(refuses(429, "rate_limit_exceeded", used), says("well"))
    assert OpenAIModel(upstream.spec(), 0.01).complete(BODY)["choices"][0]["message"]["content"] == "well"


@pytest.mark.parametrize("status", [404, 405, 410])
def test_an_address_that_was_right_once_is_no_wrong_name(upstream: Upstream, status: int) -> None:
    assert isinstance(fault_of(upstream, refuses(status, "x")), BadInput)
    model = OpenAIModel(upstream.spec(), 0.01)
    upstream.script(says(), refuses(status, "x"))
    model.complete(BODY)
    for client in (model, open_model(upstream.spec(), has_answered=True)):
        with pytest.raises(EndpointError, match=f"answered before, and now says {status}"):
            client.complete(BODY)


def test_a_404_about_a_parameter_is_about_the_request(upstream: Upstream) -> None:
    message = "No endpoints found that support the provided 'tool_choice' value."
    fault = fault_of(upstream, refuses(404, None, message), body={**BODY, "tool_choice": "required"})
    assert isinstance(fault, RequestRefused) and fault.status == 404
    fault = fault_of(upstream, refuses(501, None, "parameter 'temperature' is not supported"))
    assert isinstance(fault, RequestRefused) and fault.status == 501 and len(upstream.requests()) == 1
    fault = fault_of(upstream, refuses(501, None, "parameter 'seed' is not supported"))
    assert isinstance(fault, HostRefused) and fault.parameter == "seed"
    unknown = fault_of(upstream, refuses(404, "model_not_found", "The model `m` does not exist"))
    assert isinstance(unknown, BadInput)


def test_a_proxys_page_is_told_by_its_title(upstream: Upstream) -> None:
    page = raw("<!DOCTYPE html><html><head><title>502\nBad Gateway</title></head><body>x</body></html>", status=502)
    assert str(fault_of(upstream, page)) == "model endpoint: 502 Bad Gateway"
    assert str(fault_of(upstream, raw("<html><b>no</b> way</html>", status=503))) == "model endpoint: no way"
    assert "503" in str(fault_of(upstream, raw("", status=503)))


# The same request always fails, or the endpoint does.

FAILS = refuses(500, None, "Failed to parse input at pos 395")
STREAM_FAILS = raw(json.dumps({"error": {"code": 500, "message": "Failed to parse input at pos 395"}}))
TINY = says("OK", tokens=3)


def lost_by(
    upstream: Upstream, *answers: Answer, **facts: Any
) -> tuple[Exception | dict[str, Any], Usage, list[float]]:
    """The outcome of a call, what it reported as lost, and its waits."""
    lost: list[Usage] = []
    waits: list[float] = []
    upstream.script(*answers)
    model = OpenAIModel(upstream.spec(**facts), 8.0, sleep=waits.append)
    outcome: Exception | dict[str, Any]
    try:
        outcome = model.complete(BODY, lost.append)
    except (RequestRefused, EndpointError) as error:
        outcome = error
    return outcome, sum(lost, Usage()), waits


@pytest.mark.parametrize("fails", [FAILS, STREAM_FAILS])
def test_a_request_that_always_fails_is_the_callers(upstream: Upstream, fails: Answer) -> None:
    outcome, lost, waits = lost_by(
        upstream, *[fails] * ATTEMPTS, *[TINY, fails] * 3, prompt_price=1.0, completion_price=1.0, effort="low"
    )
    assert isinstance(outcome, RequestRefused) and (outcome.status, outcome.code) == (500, "always_fails")
    assert "Failed to parse" in str(outcome)
    assert (lost.calls, lost.prompt_tokens, lost.completion_tokens) == (3, 9, 9)
    assert lost.cost_usd == pytest.approx(18e-6) and lost.retries == ATTEMPTS - 1 + 3
    assert waits[-3:] == [1.0, 2.0, 4.0] and sum(waits) < 60
    tiny = upstream.bodies()[ATTEMPTS]
    assert "tools" not in tiny and tiny["max_tokens"] < 100 and len(tiny["messages"]) == 1
    assert tiny["reasoning_effort"] == "low" and upstream.bodies()[-1]["tools"] == [LOOK]
    assert len(upstream.requests()) == ATTEMPTS + 6


def test_a_request_that_is_answered_in_the_end_is_answered(upstream: Upstream) -> None:
    outcome, lost, _ = lost_by(upstream, *[FAILS] * ATTEMPTS, TINY, FAILS, TINY, says("well"))
    assert isinstance(outcome, dict) and outcome["choices"][0]["message"]["content"] == "well"
    assert lost.calls == 2


@pytest.mark.parametrize(
    "tiny", [FAILS, refuses(503), refuses(400, None, "Unknown parameter: 'seed'."), raw("no"), STREAM_FAILS]
)
def test_an_endpoint_that_answers_nothing_is_at_fault(upstream: Upstream, tiny: Answer) -> None:
    outcome, lost, _ = lost_by(upstream, *[FAILS] * ATTEMPTS, tiny)
    assert isinstance(outcome, EndpointError) and "Failed to parse" in str(outcome)
    assert lost.calls == 0 and len(upstream.requests()) == ATTEMPTS + 1


@pytest.mark.parametrize("fails", [refuses(502), refuses(503), refuses(504), refuses(529), raw(None)])
def test_other_faults_are_never_the_callers(upstream: Upstream, fails: Answer) -> None:
    outcome, _, _ = lost_by(upstream, fails)
    assert isinstance(outcome, EndpointError) and len(upstream.requests()) == ATTEMPTS


def test_another_error_in_between_decides(upstream: Upstream) -> None:
    outcome, _, _ = lost_by(upstream, *[FAILS] * ATTEMPTS, TINY, refuses(503))
    assert isinstance(outcome, EndpointError)
    outcome, _, _ = lost_by(upstream, *[FAILS] * ATTEMPTS, TINY, refuses(422, "odd"))
    assert isinstance(outcome, RequestRefused) and outcome.code == "odd"


# An answer that takes too long without streaming.


def test_after_a_524_the_answer_is_streamed(upstream: Upstream) -> None:
    model = OpenAIModel(upstream.spec(), 0.01)
    upstream.script(refuses(524), says("well"), says("again"))
    assert [model.complete(BODY)["choices"][0]["message"]["content"] for _ in range(2)] == ["well", "again"]
    assert [body["stream"] for body in upstream.bodies()] == [False, True, True]
    assert "stream_options" in upstream.bodies()[1]


def test_an_answer_that_breaks_off_late_is_streamed(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evolve.llm.dialect.SLOW_SECONDS", 0.05)
    upstream.script(raw("{", None), raw("{", 0.1, None), says("well"))
    OpenAIModel(upstream.spec(), 0.01).complete(BODY)
    assert [body["stream"] for body in upstream.bodies()] == [False, False, True]


def test_a_stream_that_is_refused_as_a_way_out_is_given_up(upstream: Upstream) -> None:
    upstream.script(refuses(524), refuses(400, None, UNVERIFIED), refuses(524), says("well"))
    assert OpenAIModel(upstream.spec(), 0.01).complete(BODY)["choices"][0]["message"]["content"] == "well"
    assert [body["stream"] for body in upstream.bodies()] == [False, True, False, False]


def test_a_model_that_never_streams_stays_so(upstream: Upstream) -> None:
    upstream.script(refuses(524), says("well"))
    OpenAIModel(upstream.spec(parameters=(("stream", ""),)), 0.01).complete(BODY)
    assert all("stream" not in body for body in upstream.bodies())
