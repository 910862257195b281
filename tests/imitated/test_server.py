"""The imitated endpoints themselves: as strict as the real ones, in their words, and honest about what they bill."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.imitated.behaviour import Body
from tests.imitated.catalogue import catalogue
from tests.imitated.endpoint import MODEL, SECONDS, ImitatedEndpoint, ImitatedEndpoints
from tests.imitated.server import COUNTS

USER = {"role": "user", "content": "Fix it."}
LOOK = {"type": "function", "function": {"name": "list_files", "parameters": {"type": "object", "properties": {}}}}
CALL = {"id": "a", "type": "function", "function": {"name": "list_files", "arguments": "{}"}}
RESULT = {"role": "tool", "tool_call_id": "a", "content": "./calc.py"}
CALLED = {"role": "assistant", "content": "", "tool_calls": [CALL]}
WITH_TOOLS = {"messages": [USER], "tools": [LOOK]}
LATER = {"messages": [USER, CALLED, RESULT], "tools": [LOOK]}


def ask(endpoint: ImitatedEndpoint, body: Body, path: str = "/chat/completions") -> tuple[int, str, dict[str, str]]:
    """Status, text and headers (names in lower case) of one request without any client of ours."""
    address = urlsplit(endpoint.base_url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=20)
    try:
        connection.request("POST", f"{address.path}{path}", json.dumps({"model": MODEL, **body}))
        response = connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return response.status, response.read().decode(), headers
    finally:
        connection.close()


def message(endpoint: ImitatedEndpoint, body: Body) -> Body:
    status, text, _ = ask(endpoint, body)
    assert status == 200, text
    found: Body = json.loads(text)["choices"][0]["message"]
    return found


def events(endpoint: ImitatedEndpoint, body: Body) -> list[Any]:
    status, text, _ = ask(endpoint, {**body, "stream": True})
    assert status == 200, text
    *lines, end = [line.removeprefix("data: ") for line in text.splitlines() if line]
    assert end == "[DONE]"
    return [json.loads(line) for line in lines]


REFUSED: list[tuple[str, Body, int, str]] = [
    ("openai-gpt5", {"messages": [USER], "max_tokens": 9}, 400, '"code": "unsupported_parameter"'),
    ("openai-gpt5", {"messages": [USER], "temperature": 0.5}, 400, "'temperature' does not support 0.5"),
    ("openai-gpt5", {"messages": [USER], "top_k": 3}, 400, "Unknown parameter: 'top_k'."),
    ("openai-gpt56", WITH_TOOLS, 400, "or set reasoning_effort to 'none'"),
    ("openai-gpt56", {**WITH_TOOLS, "reasoning_effort": "low"}, 400, '"param": "reasoning_effort", "code": null'),
    ("openai-unverified", {"messages": [USER], "stream": True}, 400, "Your organization must be verified to stream"),
    ("deepseek", LATER, 400, "Missing `reasoning_content` field in the assistant message at message index 1."),
    ("kimi", LATER, 400, "reasoning_content is missing in assistant tool call message at index 1"),
    ("kimi", {"messages": [USER], "temperature": 0.6}, 400, "invalid temperature: only 1 is allowed for this model"),
    ("gemini", LATER, 400, "Function call is missing a thought_signature in functionCall parts."),
    ("mistral", {"messages": [USER], "seed": 3}, 422, '"loc": ["body", "seed"], "msg": "Extra inputs'),
    ("mistral", {"messages": [USER], "max_completion_tokens": 3}, 422, '"loc": ["body", "max_completion_tokens"]'),
    (
        "mistral", {"messages": [USER, {**CALLED, "reasoning_content": "hm"}, RESULT]}, 422,
        '"loc": ["body", "messages", 1, "assistant", "reasoning_content"]',
    ),
    ("tgi", {"messages": [USER, {"role": "assistant", "tool_calls": [CALL]}, RESULT]}, 422, "missing field `content`"),
    ("claude", {"messages": [USER], "temperature": 1}, 400, "`temperature` is deprecated for this model."),
    ("vllm-no-parser", WITH_TOOLS, 400, "requires --enable-auto-tool-choice and --tool-call-parser to be set"),
    ("llamacpp-no-jinja", WITH_TOOLS, 500, "tools param requires --jinja flag"),
    ("misspelt-always", WITH_TOOLS, 500, "error parsing tool call"),
    ("groq", {"messages": [USER], "max_tokens": 6_000}, 413, "on tokens per minute (TPM): Limit 6000, Requested 60"),
    ("refuses-all", {"messages": [USER]}, 400, "content_filter"),
    ("unlisted", {"messages": [USER], "model": "other"}, 404, "model_not_found"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "body", "status", "words"), REFUSED, ids=[f"{row[0]}-{row[3][:24]}" for row in REFUSED]
)
def test_what_is_refused(process: ImitatedEndpoints, name: str, body: Body, status: int, words: str) -> None:
    endpoint = process.endpoint(name)
    answered, text, _ = ask(endpoint, body)
    assert (answered, words in text) == (status, True), text
    ledger = endpoint.ledger()
    assert sum(ledger["refused"].values()) == 1 and ledger["calls"] == 0 and ledger["billed"] == {}


TAKEN: list[tuple[str, Body]] = [
    ("openai-gpt5", {**WITH_TOOLS, "max_completion_tokens": 9, "temperature": 1, "seed": 3}),
    ("openai-gpt56", {**WITH_TOOLS, "reasoning_effort": "none"}),
    ("openai-unverified", WITH_TOOLS),
    ("deepseek", {"messages": [USER, {**CALLED, "reasoning_content": ""}, RESULT], "tools": [LOOK]}),
    ("mistral", {**LATER, "random_seed": 3, "max_tokens": 9}),
    ("tgi", LATER),
    ("vllm-no-parser", {"messages": [USER]}),
    ("llamacpp-any", {**WITH_TOOLS, "model": "anything"}),
]


@pytest.mark.parametrize(("name", "body"), TAKEN, ids=[name for name, _ in TAKEN])
def test_what_is_taken(process: ImitatedEndpoints, name: str, body: Body) -> None:
    endpoint = process.endpoint(name)
    assert ask(endpoint, body)[0] == 200
    assert endpoint.ledger()["refused"] == {} and endpoint.ledger()["calls"] == 1


def test_calls_look_as_endpoints_give_them(process: ImitatedEndpoints) -> None:
    calls = {
        name: message(process.endpoint(name), WITH_TOOLS)["tool_calls"][0]
        for name in ("openrouter-claude", "object-arguments", "calls-without-id", "gemini")
    }
    assert calls["openrouter-claude"]["function"]["arguments"] == ""
    assert calls["object-arguments"]["function"]["arguments"] == {}
    assert calls["calls-without-id"].keys() == {"function"}
    assert calls["gemini"]["extra_content"]["google"]["thought_signature"].startswith("sig")


def test_gemini_knows_its_own_calls_again(process: ImitatedEndpoints) -> None:
    endpoint = process.endpoint("gemini")
    first = message(endpoint, WITH_TOOLS)
    result = {**RESULT, "tool_call_id": first["tool_calls"][0]["id"]}
    assert ask(endpoint, {"messages": [USER, first, result], "tools": [LOOK]})[0] == 200
    first["tool_calls"][0]["extra_content"]["google"]["thought_signature"] = "another"
    assert ask(endpoint, {"messages": [USER, first, result], "tools": [LOOK]})[0] == 400


def test_streams_look_as_endpoints_give_them(process: ImitatedEndpoints) -> None:
    (call,) = [c for e in events(process.endpoint("gemini"), WITH_TOOLS) for c in _delta(e).get("tool_calls", [])]
    assert "index" not in call and call["extra_content"]
    contents = [_delta(event).get("content") for event in events(process.endpoint("mistral"), {"messages": [USER]})]
    kinds = {type(content) for content in contents if content}
    assert kinds == {list, str}
    whole = message(process.endpoint("mistral"), WITH_TOOLS)["content"]
    assert [part["type"] for part in whole] == ["thinking"]


def _delta(event: Body) -> Body:
    return event["choices"][0]["delta"] if event["choices"] else {}


def test_usage_is_sent_to_those_who_ask_for_it(process: ImitatedEndpoints) -> None:
    endpoint = process.endpoint("xai")
    asked = {**WITH_TOOLS, "stream_options": {"include_usage": True}}
    assert [bool(event.get("usage")) for event in events(endpoint, asked)][-1]
    assert not any(event.get("usage") for event in events(endpoint, WITH_TOOLS))


def test_the_ledger_counts_what_is_billed(process: ImitatedEndpoints) -> None:
    for name, spelling in (("openai-gpt5", "within"), ("xai", "beside")):
        endpoint = process.endpoint(name)
        usages = [json.loads(ask(endpoint, WITH_TOOLS)[1])["usage"] for _ in range(2)]
        billed = endpoint.ledger()["billed"]
        fresh, cached, written, reasoning = (billed[count] for count in COUNTS)
        assert fresh + cached == sum(usage["prompt_tokens"] for usage in usages)
        assert cached == usages[1]["prompt_tokens_details"]["cached_tokens"] > 0
        assert written + reasoning == sum(usage["total_tokens"] - usage["prompt_tokens"] for usage in usages)
        reported = sum(usage["completion_tokens"] for usage in usages)
        assert reported == (written + reasoning if spelling == "within" else written)


def test_a_long_prompt_is_cut_in_silence(process: ImitatedEndpoints) -> None:
    long = {"role": "user", "content": "word " * 4_000}
    for messages in ([long], [USER, CALLED, {**RESULT, "content": "word " * 4_000}], [USER, long, CALLED, RESULT]):
        answered, text, _ = ask(process.endpoint("ollama"), {"messages": messages, "tools": [LOOK]})
        assert answered == 200 and json.loads(text)["usage"]["prompt_tokens"] <= 2_100


def test_a_limit_on_the_rate_says_how_long_to_wait(process: ImitatedEndpoints) -> None:
    endpoint = process.endpoint("rate-limited")
    answers = [ask(endpoint, {"messages": [USER]}) for _ in range(8)]
    refused = [(text, headers) for status, text, headers in answers if status == 429]
    assert refused and all("requests per min (RPM): Limit 3" in text for text, _ in refused)
    assert all(0 < float(headers["retry-after"]) <= 4 * SECONDS for _, headers in refused)


def test_an_answer_that_is_not_streamed_takes_too_long(process: ImitatedEndpoints) -> None:
    endpoint = process.endpoint("cdn")
    status, text, headers = ask(endpoint, WITH_TOOLS)
    assert (status, "html" in headers["content-type"]) == (524, True) and "A timeout occurred" in text
    assert events(endpoint, WITH_TOOLS)
    assert endpoint.ledger()["calls"] == 1


def test_nonsense_is_nonsense_streamed_or_not(process: ImitatedEndpoints) -> None:
    endpoint = process.endpoint("nonsense")
    whole = message(endpoint, WITH_TOOLS)
    assert set(whole["content"]) == {"!"} and "tool_calls" not in whole
    assert "".join(_delta(event).get("content") or "" for event in events(endpoint, WITH_TOOLS)) == whole["content"]


def test_an_outage_ends(process: ImitatedEndpoints) -> None:
    endpoint = process.endpoint("outage-proposals")
    propose = {"type": "function", "function": {"name": "propose", "parameters": {"type": "object"}}}
    statuses = [ask(endpoint, {"messages": [USER], "tools": [propose]})[0] for _ in range(9)]
    assert statuses[:8] == [503] * 8 and statuses[8] != 503
    assert ask(process.endpoint("outage-proposals"), WITH_TOOLS)[0] == 200


def test_each_difference_names_its_source() -> None:
    checked = [b for imitation in catalogue().values() for b in imitation.behaviours if b.name != "outage"]
    assert all(b.source for b in checked if b.check.__name__ != "no_check")


def test_simple_questions_are_answered(process: ImitatedEndpoints) -> None:
    endpoint = process.endpoint("xai")
    filler = "Shelf 3 holds 17 boxes of a part. " * 600
    known = {
        "What is 7 + 5? Answer with the number only.": "12",
        "What is the capital of France? Answer with one word.": "Paris",
        "Repeat this sentence and write nothing else: The blue boat sails.": "The blue boat sails.",
        f"The password is walnut-1. {filler} What is the password?": "walnut-1",
    }
    for question, answer in known.items():
        assert message(endpoint, {"messages": [{"role": "user", "content": question}]})["content"] == answer
    cut = process.endpoint("ollama")
    asked = {"messages": [{"role": "user", "content": f"The password is walnut-1. {filler} What is the password?"}]}
    assert message(cut, asked)["content"] == "I do not know it."


RESPONSES: list[tuple[Body, int, str]] = [
    ({"max_tokens": 9}, 400, "this parameter has moved to 'max_output_tokens'"),
    ({"reasoning_effort": "low"}, 400, "this parameter has moved to 'reasoning.effort'"),
    ({"seed": 1}, 400, "Unknown parameter: 'seed'."),
    ({"temperature": 0.5}, 400, "'temperature' is not supported with this model."),
]


@pytest.mark.parametrize(("fields", "status", "words"), RESPONSES, ids=[words[:30] for _, _, words in RESPONSES])
def test_what_the_responses_api_refuses(process: ImitatedEndpoints, fields: Body, status: int, words: str) -> None:
    answered, text, _ = ask(process.endpoint("openai-gpt56"), {"input": "hi", **fields}, "/responses")
    assert (answered, words in text) == (status, True), text


def test_a_call_of_the_responses_api_wants_its_reasoning_back(process: ImitatedEndpoints) -> None:
    endpoint, tools = process.endpoint("openai-gpt56"), [{"type": "function", **LOOK["function"]}]
    user = {"type": "message", "role": "user", "content": "Fix it."}
    first = {"input": [user], "tools": tools, "include": ["reasoning.encrypted_content"], "store": False}
    status, text, _ = ask(endpoint, first, "/responses")
    thought, call = json.loads(text)["output"]
    assert status == 200 and call["name"] == "list_files" and thought["encrypted_content"]
    result = {"type": "function_call_output", "call_id": call["call_id"], "output": "./calc.py"}
    items = {
        200: [user, thought, call, result],
        400: [user, call, result],
        404: [user, {**thought, "encrypted_content": None}, call, result],
    }
    assert [ask(endpoint, {**first, "input": asked}, "/responses")[0] for asked in items.values()] == [*items]
    without_id = {key: value for key, value in call.items() if key != "id"}
    assert ask(endpoint, {**first, "input": [user, without_id, result]}, "/responses")[0] == 200
    status, text, _ = ask(endpoint, {**first, "stream": True}, "/responses")
    assert text.splitlines()[0] == "event: response.created" and '"type": "response.completed"' in text
    assert ask(process.endpoint("mistral"), first, "/responses")[0] == 404
