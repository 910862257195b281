"""Tools for models that can't call any: told to them in text, and read from the text that they answer.

A block `<tool_call>` holds one call as JSON. One that names a tool but is not whole becomes a call whose arguments are
the block's text, which is not JSON: callers see what they would see of any model that errs. One without a name is text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

from evolve.core.records import stable_hash
from evolve.llm.model import Body, ChatModel
from evolve.llm.reasoning import split_thinking
from evolve.llm.retries import OnLost

PROMPT = Path(__file__).parent / "prompts" / "text_tools.md"
TOOL_KEYS = ("tools", "tool_choice", "parallel_tool_calls")
OPENING = re.compile(r"<tool_call>\s*(?:```\w*\s*)?")
CLOSING = re.compile(r"\s*(?:```\s*)?</tool_call>")
EMPTY_FENCE = re.compile(r"```\w*\s*```")
BROKEN_END = re.compile(r"</tool_call>|(?=<tool_call>)|\Z")
NAME = re.compile(r'"name"\s*:\s*"((?:[^"\\]|\\.)+)"')
FENCED = re.compile(r"\s*```\w*\s*(.*?)\s*```\s*", re.DOTALL)
Call = tuple[str, str]


class TextToolsModel:
    """A model without tool calling, as one that has it: neither scaffolds nor proposers see a difference."""

    def __init__(self, inner: ChatModel) -> None:
        self._inner = inner

    def complete(self, body: Body, on_lost: OnLost | None = None) -> dict[str, Any]:
        offered = _offered(body)
        request = tools_as_text(body, offered)
        answer = self._inner.complete(request, on_lost)
        if not offered:
            return answer
        seed = stable_hash(json.dumps(request["messages"], ensure_ascii=True))
        names = {str(tool.get("name")) for tool in offered}
        return {**answer, "choices": [_with_calls(choice, names, seed) for choice in answer["choices"]]}


def _offered(body: Body) -> list[Mapping[str, Any]]:
    """The functions that may be called in this answer."""
    tools = body.get("tools")
    if body.get("tool_choice") == "none" or not isinstance(tools, list):
        return []
    functions = [tool.get("function") for tool in tools if isinstance(tool, Mapping)]
    return [function for function in functions if isinstance(function, Mapping)]


def tools_as_text(body: Body, offered: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The request without tools: they are told in the system's message, and earlier calls and results as text."""
    request = {key: value for key, value in body.items() if key not in TOOL_KEYS}
    messages = list(_told(body["messages"])) if isinstance(body.get("messages"), list) else body.get("messages")
    if offered and isinstance(messages, list):
        messages = _with_instructions(messages, _instructions(offered, body.get("tool_choice")))
    return {**request, "messages": messages}


def _instructions(offered: Sequence[Mapping[str, Any]], choice: Any) -> str:
    named = choice.get("function") if isinstance(choice, Mapping) else None
    word = named.get("name") if isinstance(named, Mapping) else choice if isinstance(choice, str) else "auto"
    tools = "\n".join(json.dumps(function, ensure_ascii=False) for function in offered)
    return Template(PROMPT.read_text(encoding="utf-8")).substitute(choice=f"`{word}`", tools=tools)


def _with_instructions(messages: list[Any], words: str) -> list[Any]:
    first = messages[0] if messages else None
    if isinstance(first, Mapping) and first.get("role") in ("system", "developer"):
        return [{**first, "content": _joined(first.get("content"), words)}, *messages[1:]]
    return [{"role": "system", "content": words}, *messages]


def _joined(content: Any, words: str) -> Any:
    if isinstance(content, list):
        return [*content, {"type": "text", "text": words}]
    return f"{content}\n\n{words}" if content else words


def _told(messages: Sequence[Any]) -> Iterator[Any]:
    """The messages without calls and results; results that follow each other are one message of the user's."""
    names: dict[str, str] = {}
    results: list[str] = []
    for message in messages:
        if isinstance(message, Mapping) and message.get("role") == "tool":
            results.append(_result(message, names))
            continue
        if results:
            yield {"role": "user", "content": "\n".join(results)}
            results = []
        calls = _calls_of(message)
        names |= {str(call.get("id")): call["function"].get("name", "") for call in calls}
        yield _caller(message, calls) if calls else message
    if results:
        yield {"role": "user", "content": "\n".join(results)}


def _calls_of(message: Any) -> list[Mapping[str, Any]]:
    calls = message.get("tool_calls") if isinstance(message, Mapping) else None
    listed = calls if isinstance(calls, list) else []
    return [call for call in listed if isinstance(call, Mapping) and isinstance(call.get("function"), Mapping)]


def _caller(message: Mapping[str, Any], calls: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    functions = [call["function"] for call in calls]
    made = [(str(function.get("name", "")), str(function.get("arguments", ""))) for function in functions]
    kept = {key: value for key, value in message.items() if key != "tool_calls"}
    return {**kept, "content": _joined(message.get("content"), format_calls(made))}


def _result(message: Mapping[str, Any], names: Mapping[str, str]) -> str:
    content = message.get("content")
    if isinstance(content, list):
        content = "".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))
    name = json.dumps(names.get(str(message.get("tool_call_id")), ""), ensure_ascii=False)
    return f"<tool_result name={name}>\n{content or ''}\n</tool_result>"


def format_calls(calls: Sequence[Call]) -> str:
    """Calls (name, text of the arguments) as the model is asked to write them; arguments that are no object as text."""
    return "\n".join(f"<tool_call>\n{_call_text(name, arguments)}\n</tool_call>" for name, arguments in calls)


def _call_text(name: str, arguments: str) -> str:
    value = _loaded(arguments)
    # Only text that comes back as it was goes in as JSON.
    exact = isinstance(value, dict) and json.dumps(value, ensure_ascii=False) == arguments
    return json.dumps({"name": name, "arguments": value if exact else arguments}, ensure_ascii=False)


def _loaded(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def parse_calls(text: str, names: set[str]) -> tuple[str, list[Call]]:
    """(what is said beside the calls, the calls) of an answer. names: of the tools on offer.

    An answer that is nothing but one call's JSON, fenced or not, counts as a block.
    """
    thought_ends = len(text) - len(split_thinking(text)[1])
    said, calls, at = [text[:thought_ends]], [], thought_ends
    if bare := _bare(text[at:], names):
        return said[0], [bare]
    while opening := OPENING.search(text, at):
        call, end = _read(text, opening.end())
        said.append(text[at : opening.start() if call else end])
        calls += [call] if call else []
        at = end
    return "".join([*said, text[at:]]), calls


def _bare(text: str, names: set[str]) -> Call | None:
    fenced = FENCED.fullmatch(text)
    call = _call(_loaded(fenced[1] if fenced else text))
    return call if call and call[0] in names else None


def _read(text: str, start: int) -> tuple[Call | None, int]:
    """The call of the block whose inside begins at `start`, and where the block ends."""
    try:
        value, end = json.JSONDecoder(strict=False).raw_decode(text, start)
    except (ValueError, RecursionError):
        return _broken(text, start)
    closing = CLOSING.match(text, end)
    return _call(value), closing.end() if closing else end


def _broken(text: str, start: int) -> tuple[Call | None, int]:
    found = BROKEN_END.search(text, start)
    body = text[start : found.start() if found else len(text)]
    name = NAME.search(body)
    return (name[1], body.strip()) if name else None, found.end() if found else len(text)


def _call(value: Any) -> Call | None:
    """A call from its JSON; some models name the arguments `parameters`, or write them as text."""
    if not isinstance(value, dict) or not isinstance(value.get("name"), str) or not value["name"]:
        return None
    arguments = value.get("arguments", value.get("parameters", {}))
    return value["name"], arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)


def _with_calls(choice: Mapping[str, Any], names: set[str], seed: int) -> dict[str, Any]:
    """A choice whose calls stand where the API has them; ids depend on the conversation and the answer alone."""
    message = choice["message"]
    content = message.get("content")
    said, calls = parse_calls(content, names) if isinstance(content, str) else ("", [])
    if not calls:
        return dict(choice)
    ids = [f"call_{stable_hash(seed, content, number):016x}" for number in range(len(calls))]
    made = [
        {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
        for call_id, (name, arguments) in zip(ids, calls, strict=True)
    ]
    reason = choice.get("finish_reason")
    told = {**message, "content": EMPTY_FENCE.sub("", said).rstrip() or None, "tool_calls": made}
    return {**choice, "message": told, "finish_reason": "tool_calls" if reason in (None, "stop") else reason}
