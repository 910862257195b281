"""Tools for models without tool calling: described in the prompt, and parsed from the text of the answer.

A block `<tool_call>` holds one call as JSON. A broken block that names a tool becomes a call whose arguments are the
block's text: callers get malformed JSON, as from any model that makes a mistake. A block without a name stays text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

from evolve.core.fences import escaped
from evolve.core.records import stable_hash
from evolve.llm.foreign_json import plain_value
from evolve.llm.model import Body, ChatModel
from evolve.llm.reasoning import split_thinking
from evolve.llm.retries import OnLost

PROMPT = Path(__file__).parent / "prompts" / "text_tools.md"
RESULT = ("tool_result",)
TOOL_KEYS = ("tools", "tool_choice", "parallel_tool_calls")
OPENING = re.compile(r"<tool_call>\s*(?:```\w*\s*)?")
CLOSING = re.compile(r"\s*(?:```\s*)?</tool_call>")
EMPTY_FENCE = re.compile(r"```\w*\s*```")
BROKEN_END = re.compile(r"</tool_call>|(?=<tool_call>)|\Z")
NAME = re.compile(r'"name"\s*:\s*"((?:[^"\\]|\\.)+)"')
FENCED = re.compile(r"\s*```\w*\s*(.*?)\s*```\s*", re.DOTALL)
Call = tuple[str, str]


class TextToolsModel:
    """Adds tool calling to a model without it. Scaffolds and proposers see no difference."""

    def __init__(self, inner: ChatModel) -> None:
        self.inner = inner

    def complete(self, body: Body, on_lost: OnLost | None = None) -> dict[str, Any]:
        functions = _callable_functions(body)
        request = tools_as_text(body, functions)
        answer = self.inner.complete(request, on_lost)
        if not functions:
            return answer
        seed = stable_hash(json.dumps(request["messages"], ensure_ascii=True))
        names = {str(function.get("name")) for function in functions}
        return {**answer, "choices": [_with_calls(choice, names, seed) for choice in answer["choices"]]}


def _callable_functions(body: Body) -> list[Mapping[str, Any]]:
    """Return the functions that the model may call in this answer."""
    tools = body.get("tools")
    if body.get("tool_choice") == "none" or not isinstance(tools, list):
        return []
    functions = [tool.get("function") for tool in tools if isinstance(tool, Mapping)]
    return [function for function in functions if isinstance(function, Mapping)]


def tools_as_text(body: Body, functions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the request without tools: described in the system message, with earlier calls and results as text."""
    request = {key: value for key, value in body.items() if key not in TOOL_KEYS}
    messages = body.get("messages")
    if isinstance(messages, list):
        messages = list(_messages_as_text(messages))
        if functions:
            messages = _with_instructions(messages, _instructions(functions, body.get("tool_choice")))
    return {**request, "messages": messages}


def _instructions(functions: Sequence[Mapping[str, Any]], choice: Any) -> str:
    chosen = choice.get("function") if isinstance(choice, Mapping) else None
    name = chosen.get("name") if isinstance(chosen, Mapping) else choice if isinstance(choice, str) else "auto"
    tools = "\n".join(json.dumps(function, ensure_ascii=False) for function in functions)
    return Template(PROMPT.read_text(encoding="utf-8")).substitute(choice=f"`{name}`", tools=tools)


def _with_instructions(messages: list[Any], instructions: str) -> list[Any]:
    first = messages[0] if messages else None
    if isinstance(first, Mapping) and first.get("role") in ("system", "developer"):
        return [{**first, "content": _append_text(first.get("content"), instructions)}, *messages[1:]]
    return [{"role": "system", "content": instructions}, *messages]


def _append_text(content: Any, text: str) -> Any:
    if isinstance(content, list):
        return [*content, {"type": "text", "text": text}]
    return f"{content}\n\n{text}" if content else text


def _messages_as_text(messages: Sequence[Any]) -> Iterator[Any]:
    """Yield the messages with calls and results as text. Consecutive results become one user message."""
    names: dict[str, str] = {}
    results: list[str] = []
    for message in messages:
        if isinstance(message, Mapping) and message.get("role") == "tool":
            results.append(_format_result(message, names))
            continue
        if results:
            yield {"role": "user", "content": "\n".join(results)}
            results = []
        calls = _calls_of(message)
        names |= {str(call.get("id")): call["function"].get("name", "") for call in calls}
        yield _calls_as_text(message, calls) if calls else message
    if results:
        yield {"role": "user", "content": "\n".join(results)}


def _calls_of(message: Any) -> list[Mapping[str, Any]]:
    calls = message.get("tool_calls") if isinstance(message, Mapping) else None
    listed = calls if isinstance(calls, list) else []
    return [call for call in listed if isinstance(call, Mapping) and isinstance(call.get("function"), Mapping)]


def _calls_as_text(message: Mapping[str, Any], calls: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    functions = [call["function"] for call in calls]
    pairs = [(str(function.get("name", "")), str(function.get("arguments", ""))) for function in functions]
    kept = {key: value for key, value in message.items() if key != "tool_calls"}
    return {**kept, "content": _append_text(message.get("content"), format_calls(pairs))}


def _format_result(message: Mapping[str, Any], names: Mapping[str, str]) -> str:
    content = message.get("content")
    if isinstance(content, list):
        content = "".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))
    name = json.dumps(names.get(str(message.get("tool_call_id")), ""), ensure_ascii=False)
    return f"<tool_result name={name}>\n{escaped(str(content or ''), RESULT)}\n</tool_result>"


def format_calls(calls: Sequence[Call]) -> str:
    """Format calls (name, text of the arguments) as the model should write them."""
    return "\n".join(f"<tool_call>\n{_format_call(name, arguments)}\n</tool_call>" for name, arguments in calls)


def _format_call(name: str, arguments: str) -> str:
    value = _load_json(arguments)
    # Arguments that are no JSON object, or would not survive the round trip, stay text.
    exact = isinstance(value, dict) and json.dumps(value, ensure_ascii=False) == arguments
    return json.dumps({"name": name, "arguments": value if exact else arguments}, ensure_ascii=False)


def _load_json(text: str) -> Any:
    try:
        return plain_value(json.loads(text))
    except (ValueError, RecursionError):
        return None


def parse_calls(text: str, names: set[str]) -> tuple[str, list[Call]]:
    """Split an answer into the text around its calls, and the calls.

    An answer that consists of one call's JSON alone, fenced or not, counts as a block.

    Args:
        text: The answer.
        names: Names of the tools that may be called.
    """
    start = len(text) - len(split_thinking(text)[1])
    texts, calls, at = [text[:start]], [], start
    if bare := _parse_bare_call(text[at:], names):
        return texts[0], [bare]
    while opening := OPENING.search(text, at):
        call, end = _parse_block(text, opening.end())
        texts.append(text[at : opening.start() if call else end])
        calls += [call] if call else []
        at = end
    return "".join([*texts, text[at:]]), calls


def _parse_bare_call(text: str, names: set[str]) -> Call | None:
    fenced = FENCED.fullmatch(text)
    call = _to_call(_load_json(fenced[1] if fenced else text))
    return call if call and call[0] in names else None


def _parse_block(text: str, start: int) -> tuple[Call | None, int]:
    """Return the call of the block whose content begins at `start`, and the block's end."""
    try:
        value, end = json.JSONDecoder(strict=False).raw_decode(text, start)
        value = plain_value(value)
    except (ValueError, RecursionError):
        return _parse_broken_block(text, start)
    closing = CLOSING.match(text, end)
    return _to_call(value), closing.end() if closing else end


def _parse_broken_block(text: str, start: int) -> tuple[Call | None, int]:
    closing = BROKEN_END.search(text, start)
    body = text[start : closing.start() if closing else len(text)]
    name = NAME.search(body)
    return (name[1], body.strip()) if name else None, closing.end() if closing else len(text)


def _to_call(value: Any) -> Call | None:
    """Return the call in this JSON. Some models name the arguments `parameters`, or write them as text."""
    if not isinstance(value, dict) or not isinstance(value.get("name"), str) or not value["name"]:
        return None
    arguments = value.get("arguments", value.get("parameters", {}))
    return value["name"], arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)


def _with_calls(choice: Mapping[str, Any], names: set[str], seed: int) -> dict[str, Any]:
    """Move a choice's calls to where the API has them. Ids depend on the conversation and the answer alone."""
    message = choice["message"]
    content = message.get("content")
    text, calls = parse_calls(content, names) if isinstance(content, str) else ("", [])
    if not calls:
        return dict(choice)
    ids = [f"call_{stable_hash(seed, content, number):016x}" for number in range(len(calls))]
    tool_calls = [
        {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
        for call_id, (name, arguments) in zip(ids, calls, strict=True)
    ]
    reason = choice.get("finish_reason")
    message = {**message, "content": EMPTY_FENCE.sub("", text).rstrip() or None, "tool_calls": tool_calls}
    return {**choice, "message": message, "finish_reason": "tool_calls" if reason in (None, "stop") else reason}
