"""Answers of OpenAI's Responses API and Anthropic's Messages API for `tests.upstream`, whole or as a stream of events.

    upstream.script(responds(reasoning("rs_1"), function_call("call_1", "look", "{}")))    # to /v1/responses
    upstream.script(replies(thinking("hm"), text("hello"), stop_reason="end_turn"))        # to /v1/messages

Also what both adapters' tests share: conversations in the form of chat completions, and the check of a request against
the types of a vendor's client.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st
from pydantic import TypeAdapter

from tests.upstream import EVENTS, JSON, Answer, Piece, raw

Item = dict[str, Any]
SIZE = 4


def reasoning(item_id: str, encrypted: str = "gAAAA", *summary: str) -> Item:
    summaries = [{"type": "summary_text", "text": text} for text in summary]
    return {"id": item_id, "type": "reasoning", "summary": summaries, "encrypted_content": encrypted}


def message(item_id: str, text: str, **more: Any) -> Item:
    part = {"type": "output_text", "text": text, "annotations": []}
    return {"id": item_id, "type": "message", "role": "assistant", "status": "completed", "content": [part], **more}


def function_call(call_id: str, name: str, arguments: str, item_id: str = "fc_1") -> Item:
    call = {"id": item_id, "type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}
    return {**call, "status": "completed"}


def response(*output: Item, **odd: Any) -> Item:
    """A response; `odd` replaces its fields."""
    counts = {
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 8},
        "output_tokens": 20,
        "output_tokens_details": {"reasoning_tokens": 12},
        "total_tokens": 120,
    }
    fields = {
        "id": "resp_1", "object": "response", "created_at": 1, "model": "gpt", "status": "completed", "error": None,
        "incomplete_details": None, "instructions": None, "metadata": {}, "output": list(output), "usage": counts,
        "parallel_tool_calls": True, "temperature": 1.0, "tool_choice": "auto", "tools": [], "top_p": 1.0,
    }  # fmt: skip
    return {**fields, **odd}


def responds(*output: Item, **odd: Any) -> Answer:
    """The answer of the Responses API with these items, in the form that the request asks for."""
    whole = response(*output, **odd)
    return {**raw(json.dumps(whole)), "streamed": events(*response_events(whole))}


def response_events(whole: Item) -> Iterator[Item]:
    """The events that a response is streamed as."""
    begun = {**whole, "status": "in_progress", "output": [], "usage": None, "error": None, "incomplete_details": None}
    steps = [{"type": "response.created", "response": begun}, {"type": "response.in_progress", "response": begun}]
    for index, item in enumerate(whole["output"]):
        empty = {**item, **({"content": []} if item["type"] == "message" else {})}
        empty |= {"arguments": ""} if item["type"] == "function_call" else {}
        steps.append({"type": "response.output_item.added", "output_index": index, "item": empty})
        steps += [{**step, "item_id": item["id"], "output_index": index} for step in _item_steps(item)]
        steps.append({"type": "response.output_item.done", "output_index": index, "item": item})
    steps.append({"type": f"response.{whole['status']}", "response": whole})
    for number, step in enumerate(steps):
        yield {**step, "sequence_number": number}


def _item_steps(item: Item) -> Iterator[Item]:
    if item["type"] == "function_call":
        for piece in _cut(item["arguments"]):
            yield {"type": "response.function_call_arguments.delta", "delta": piece}
        done = {"arguments": item["arguments"], "name": item["name"]}
        yield {"type": "response.function_call_arguments.done", **done}
    for number, part in enumerate(item.get("content") or [] if item["type"] == "message" else []):
        place = {"content_index": number}
        kind = {"output_text": "output_text", "refusal": "refusal"}[part["type"]]
        field = {"output_text": "text", "refusal": "refusal"}[part["type"]]
        logprobs = {"logprobs": []} if kind == "output_text" else {}
        yield {"type": "response.content_part.added", "part": {**part, field: ""}, **place}
        for piece in _cut(part[field]):
            yield {"type": f"response.{kind}.delta", "delta": piece, **logprobs, **place}
        yield {"type": f"response.{kind}.done", field: part[field], **logprobs, **place}
        yield {"type": "response.content_part.done", "part": part, **place}


def thinking(thought: str, signature: str = "c2ln") -> Item:
    return {"type": "thinking", "thinking": thought, "signature": signature}


def text(content: str) -> Item:
    return {"type": "text", "text": content, "citations": None}


def tool_use(call_id: str, name: str, given: Item) -> Item:
    return {"type": "tool_use", "id": call_id, "name": name, "input": given}


def reply(*content: Item, stop_reason: str = "end_turn", **odd: Any) -> Item:
    """A message of the model; `odd` replaces its fields."""
    counts = {
        "input_tokens": 10,
        "cache_creation_input_tokens": 8,
        "cache_read_input_tokens": 60,
        "output_tokens": 20,
        "output_tokens_details": {"thinking_tokens": 12},
    }
    fields = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": list(content),
        "stop_reason": stop_reason, "stop_sequence": None, "usage": counts,
    }  # fmt: skip
    return {**fields, **odd}


def replies(*content: Item, stop_reason: str = "end_turn", **odd: Any) -> Answer:
    """The answer of the Messages API with these blocks, in the form that the request asks for."""
    whole = reply(*content, stop_reason=stop_reason, **odd)
    return {**raw(json.dumps(whole)), "streamed": events(*reply_events(whole))}


def reply_events(whole: Item) -> Iterator[Item]:
    """The events that a message is streamed as."""
    counts = whole["usage"]
    first = {key: value for key, value in counts.items() if key != "output_tokens_details"} | {"output_tokens": 1}
    yield {"type": "message_start", "message": {**whole, "content": [], "stop_reason": None, "usage": first}}
    yield {"type": "ping"}
    for index, block in enumerate(whole["content"]):
        start, deltas = _block_steps(block)
        yield {"type": "content_block_start", "index": index, "content_block": start}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    end = {key: whole.get(key) for key in ("stop_reason", "stop_sequence", "stop_details")}
    last = {"output_tokens": counts["output_tokens"], "output_tokens_details": counts.get("output_tokens_details")}
    yield {"type": "message_delta", "delta": end, "usage": last}
    yield {"type": "message_stop"}


def _block_steps(block: Item) -> tuple[Item, list[Item]]:
    """A block as it starts, and the deltas that complete it."""
    if block["type"] == "text":
        return {**block, "text": ""}, [{"type": "text_delta", "text": piece} for piece in _cut(block["text"])]
    if block["type"] == "thinking":
        deltas = [{"type": "thinking_delta", "thinking": piece} for piece in _cut(block["thinking"])]
        signature = {"type": "signature_delta", "signature": block["signature"]}
        return {**block, "thinking": "", "signature": ""}, [*deltas, signature]
    if block["type"] == "tool_use":
        whole = json.dumps(block["input"], ensure_ascii=False) if block["input"] else ""
        pieces = ["", *_cut(whole)]
        return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
    return block, []


def fails(status: int, kind: str, problem: str = "the reason", **headers: str) -> Answer:
    """An error of the Messages API."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    error = {"type": "error", "error": {"type": kind, "message": problem}, "request_id": "req_1"}
    return raw(json.dumps(error), status=status, headers=JSON | named)


def events(*steps: Item, end: Piece = "") -> Answer:
    """A stream of events, each with its name. end: None breaks the stream off."""
    return raw(*(f"event: {step['type']}\ndata: {json.dumps(step)}\n\n" for step in steps), end, headers=EVENTS)


def _cut(content: str) -> list[str]:
    return [content[at : at + SIZE] for at in range(0, len(content), SIZE)]


def plain(value: Any) -> Any:
    """A validated value without the lazy iterators that stand for lists: going through them validates their items."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value if value is None or isinstance(value, str | int | float) else [plain(item) for item in value]


def assert_valid(adapter: TypeAdapter[Any], request: Item) -> None:
    """Hold that a request is what the vendor's types describe, and that they know all of its fields."""
    assert plain(adapter.validate_python(request)) == request


# --- conversations ---

PIXEL = "data:image/png;base64,iVBORw0KGgo="
TEXT = st.text(max_size=12)
IDS = st.text("abc_.:-ü", min_size=1, max_size=6)
IMAGE = {"type": "image_url", "image_url": {"url": PIXEL}}
PARTS = st.lists(st.one_of(st.builds(lambda content: {"type": "text", "text": content}, TEXT), st.just(IMAGE)))
CONTENT = st.one_of(TEXT, PARTS)
ARGUMENTS = st.sampled_from(["", "{}", '{"path": "a.py"}', '{"path": null}', "[1]", '{"path": "a', "nonsense"])
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}


@st.composite
def exchanges(draw: st.DrawFn) -> list[Item]:
    """An assistant's message with the answers to its calls, if it makes any."""
    ids = draw(st.lists(IDS, max_size=3, unique=True))
    calls = [
        {"id": call_id, "type": "function", "function": {"name": "look", "arguments": draw(ARGUMENTS)}}
        for call_id in ids
    ]
    said: Item = {"role": "assistant", "content": draw(st.none() | TEXT)}
    results = [{"role": "tool", "tool_call_id": call_id, "content": draw(CONTENT)} for call_id in ids]
    return [said | ({"tool_calls": calls} if calls else {}), *results]


@st.composite
def conversations(draw: st.DrawFn) -> Item:
    """A request in the form of chat completions, with any order of messages that an endpoint takes."""
    user = st.builds(lambda content: [{"role": "user", "content": content}], CONTENT)
    system = st.builds(lambda role, content: [{"role": role, "content": content}], _roles(), TEXT)
    groups = draw(st.lists(st.one_of(user, system, exchanges()), max_size=6))
    request: Item = {"model": "m", "messages": [item for group in groups for item in group]}
    request |= draw(st.sampled_from([{}, {"tools": [TOOL]}]))
    options = {
        "max_tokens": st.integers(1, 9000),
        "tool_choice": st.sampled_from(
            ["auto", "none", "required", {"type": "function", "function": {"name": "look"}}]
        ),
        "parallel_tool_calls": st.booleans(),
        "stop": st.sampled_from(["END", [" ", "END"], []]),
        "response_format": st.sampled_from([{"type": "text"}, {"type": "json_object"}, SCHEMA]),
        "seed": st.integers(0, 9),
    }
    chosen = draw(st.sets(st.sampled_from(sorted(options))))
    return request | {name: draw(options[name]) for name in sorted(chosen)}


def _names() -> st.SearchStrategy[str]:
    """Names of fields that the adapters read."""
    return st.sampled_from(
        ["role", "content", "type", "text", "tool_calls", "function", "name", "arguments", "id", "image_url", "url",
         "reasoning_details", "format", "item", "index", "chars", "call_id", "output", "status", "summary", "input",
         "usage", "stop_reason", "error", "input_tokens", "output_tokens_details", "response", "delta", "message"]
    )  # fmt: skip


def _roles() -> st.SearchStrategy[str]:
    return st.sampled_from(["system", "developer"])


SCHEMA = {"type": "json_schema", "json_schema": {"name": "answer", "schema": {"type": "object"}}}
SETTINGS = ("messages", "tools", "tool_choice", "response_format", "stop", "temperature", "top_p", "max_tokens")


def odd_requests() -> st.SearchStrategy[Item]:
    """Requests whose values a scaffold made up."""
    messages = st.lists(st.dictionaries(_names(), JSON_VALUES, max_size=6) | JSON_VALUES, max_size=4)
    values = st.fixed_dictionaries({"model": st.just("m")}, optional=dict.fromkeys(SETTINGS, JSON_VALUES))
    return st.builds(lambda body, listed: {**body, "messages": listed}, values, messages)


# --- anything ---

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["", "text", "function", "data:x", "call"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names(), inner, max_size=5),
    max_leaves=12,
)
