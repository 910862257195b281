"""Write a chat-completions request as one of the Messages API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evolve.core.records import ModelSpec
from evolve.llm import fields
from evolve.llm.estimates import DEFAULT_ANSWER_TOKENS
from evolve.llm.messages import blocks
from evolve.llm.messages.blocks import Block
from evolve.llm.messages.cache import with_cache_marks
from evolve.llm.messages.thinking import with_valid_thinking
from evolve.llm.model import Body
from evolve.llm.parts import sent_mark

# A conversation begins with the user, and no turn is empty.
NOTHING = "(no message)"
TOOL_CHOICES = {"auto": "auto", "none": "none", "required": "any"}
Turn = dict[str, Any]


def to_request(body: Body, spec: ModelSpec, reasoning: bool = True) -> dict[str, Any]:
    """Return the request in the form of the Messages API, with marks for its cache.

    Args:
        body: The request, in the form of chat completions.
        spec: The model.
        reasoning: Whether earlier thinking may be sent back.

    Raises:
        RequestRefused: An image has an unknown form.
    """
    messages = fields.messages_of(body)
    first = next((n for n, message in enumerate(messages) if not _is_instruction(message)), len(messages))
    request = {
        "model": body.get("model"),
        # The API wants a limit in each request.
        "max_tokens": fields.answer_limit(body)
        or min(spec.answer_tokens or DEFAULT_ANSWER_TOKENS, DEFAULT_ANSWER_TOKENS),
        "system": [block for message in messages[:first] for block in _texts(message)] or None,
        "messages": turns_of(messages[first:], spec, reasoning),
        **_sampling(body, spec),
        **_tools(body, spec, messages),
        "output_config": _output_config(body, spec),
    }
    request = fields.with_extra_body(fields.without_empty(request), spec)
    return with_cache_marks(with_valid_thinking(request), spec)


def _is_instruction(message: Mapping[str, Any]) -> bool:
    return message.get("role") in ("system", "developer")


def _texts(message: Mapping[str, Any]) -> list[Block]:
    return [block for block in blocks.content_blocks(message.get("content")) if block["type"] == "text"]


def turns_of(messages: Sequence[Mapping[str, Any]], spec: ModelSpec, reasoning: bool = True) -> list[Turn]:
    """Return the turns of a conversation: user and assistant alternate, and the user begins."""
    turns: list[Turn] = []
    for message in messages:
        role, content = _turn(message, spec, reasoning)
        if not turns and role == "assistant":
            turns.append({"role": "user", "content": []})
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += content
        elif content or role == "user":
            turns.append({"role": role, "content": content})
    return [_valid_turn(turn) for turn in turns or [{"role": "user", "content": []}]]


def _turn(message: Mapping[str, Any], spec: ModelSpec, reasoning: bool) -> tuple[str, list[Block]]:
    if message.get("role") == "assistant":
        keep = reasoning and bool(spec.keep_reasoning or message.get("tool_calls"))
        return "assistant", blocks.assistant_blocks(message, keep)
    if message.get("role") == "tool":
        return "user", [blocks.result_block(message)]
    return "user", blocks.content_blocks(message.get("content"))


def _valid_turn(turn: Turn) -> Turn:
    """Put the tools' answers first, and a text where there is nothing."""
    content = sorted(turn["content"], key=lambda block: block["type"] != "tool_result" and turn["role"] == "user")
    return {**turn, "content": content or [{"type": "text", "text": NOTHING}]}


def _sampling(body: Body, spec: ModelSpec) -> dict[str, Any]:
    temperature, stop = fields.given(body, "temperature", spec), fields.given(body, "stop", spec)
    stops = [stop] if isinstance(stop, str) else stop if isinstance(stop, list) else []
    return {
        # Ours may be up to 2.
        "temperature": min(temperature, 1.0) if isinstance(temperature, int | float) else temperature,
        "top_p": fields.given(body, "top_p", spec),
        "top_k": fields.given(body, "top_k", spec),
        # The API refuses sequences of white space alone.
        "stop_sequences": [text for text in stops if isinstance(text, str) and text.strip()] or None,
    }


def _tools(body: Body, spec: ModelSpec, messages: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    tools = [{**_tool(tool["function"]), **sent_mark(tool)} for tool in fields.tools_of(body)]
    if tools:
        return {"tools": tools, "tool_choice": _tool_choice(body, spec)}
    # The API refuses earlier calls of tools that it does not know.
    called = {name: None for message in messages for _, name, _ in fields.calls_of(message)}
    known = [_tool({"name": name}) for name in called]
    return {"tools": known, "tool_choice": {"type": "none"}} if known else {}


def _tool(function: Mapping[str, Any]) -> dict[str, Any]:
    schema = function.get("parameters")
    schema = {"type": "object", **schema} if isinstance(schema, Mapping) else {"type": "object", "properties": {}}
    tool = {"name": function["name"], "description": function.get("description"), "input_schema": schema}
    return {key: value for key, value in tool.items() if value is not None}


def _tool_choice(body: Body, spec: ModelSpec) -> dict[str, Any] | None:
    choice = fields.given(body, "tool_choice", spec)
    function = choice.get("function") if isinstance(choice, Mapping) else None
    if isinstance(function, Mapping):
        chosen: dict[str, Any] = {"type": "tool", "name": function.get("name")}
    else:
        chosen = {"type": TOOL_CHOICES.get(str(choice), "auto")}
    if fields.given(body, "parallel_tool_calls", spec) is False and chosen["type"] != "none":
        chosen["disable_parallel_tool_use"] = True
    return chosen if choice is not None or len(chosen) > 1 else None


def _output_config(body: Body, spec: ModelSpec) -> dict[str, Any]:
    wanted = fields.given(body, "response_format", spec)
    form = wanted.get("json_schema") if isinstance(wanted, Mapping) else None
    schema = form.get("schema") if isinstance(form, Mapping) else None
    answer = {"type": "json_schema", "schema": schema} if isinstance(schema, Mapping) else None
    return fields.without_empty({"effort": fields.effort(body, spec), "format": answer})
