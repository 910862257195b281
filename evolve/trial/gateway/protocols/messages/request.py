"""Read a request of the Messages API as one of chat completions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from evolve.core.records import ModelSpec
from evolve.llm.parts import CACHE_MARK, sent_mark
from evolve.llm.pieces import SEPARATOR
from evolve.trial.gateway.protocols import reading
from evolve.trial.gateway.protocols.reading import Message, invalid
from evolve.trial.gateway.protocols.reasoning import restored_reasoning
from evolve.trial.gateway.wire import Body

REFUSED = {
    "mcp_servers": "they would run outside of the sandbox",
    "container": "it would run outside of the sandbox",
}
ROLES = ("user", "assistant", "system")
CHOICES = {"auto": "auto", "any": "required", "none": "none"}
HOSTED = "a tool of the type {} is not supported: turn it off, or give a function with an `input_schema`"
# The API's own limit.
MOST_MARKS = 4


def chat_request(body: Body, spec: ModelSpec) -> Body:
    """Return the request in the form of chat completions. Raises Refusal.

    Marks for a cache stay where the endpoint speaks this protocol too; others may refuse them. Whatever has no
    counterpart there, and decides nothing about the answer's form, is left out.
    """
    reading.refuse_set(body, REFUSED)
    _check_marks(body)
    marks = spec.api == "messages"
    tools = [_function(tool, marks) for tool in reading.objects(body.get("tools"), "tools")]
    messages = [*_system(body.get("system"), marks), *_conversation(body.get("messages"), marks)]
    messages = reading.with_one_instruction(messages)
    request = {
        "messages": reading.with_images_after_results(messages) if spec.api == "chat" else messages,
        "tools": tools or None,
        **(_choice(body.get("tool_choice")) if tools else {}),
        "max_tokens": body.get("max_tokens"),
        "temperature": body.get("temperature"),
        "top_p": body.get("top_p"),
        "top_k": body.get("top_k"),
        "stop": body.get("stop_sequences") or None,
        "response_format": _answer_format(body),
    }
    return reading.without_none(request)


def _check_marks(body: Body) -> None:
    """Raise Refusal if there are more marks than the API takes. Only those of blocks and tools count."""
    messages = body.get("messages") if isinstance(body.get("messages"), list) else []
    contents = [message.get("content") for message in messages or () if isinstance(message, Mapping)]
    lists = [value for value in (body.get("tools"), body.get("system"), *contents) if isinstance(value, list)]
    marked = sum(isinstance(block, Mapping) and bool(block.get(CACHE_MARK)) for blocks in lists for block in blocks)
    if marked > MOST_MARKS:
        raise invalid(f"at most {MOST_MARKS} blocks may have `{CACHE_MARK}`; there are {marked}")


def _function(tool: Mapping[str, Any], marks: bool) -> Body:
    if tool.get("type") not in (None, "custom") or not isinstance(tool.get("input_schema"), Mapping):
        raise invalid(HOSTED.format(reading.named(tool.get("type"))))
    description = tool.get("description")
    function = {
        "name": reading.text(tool.get("name"), "tools[].name"),
        "description": description if isinstance(description, str) else None,
        "parameters": tool["input_schema"],
        "strict": tool.get("strict") or None,
    }
    return _marked({"type": "function", "function": reading.without_none(function)}, tool, marks)


def _marked(part: Message, block: Mapping[str, Any], marks: bool) -> Message:
    return {**part, **sent_mark(block)} if marks else part


def _choice(choice: Any) -> Body:
    if choice is None:
        return {}
    kind = choice.get("type") if isinstance(choice, Mapping) else None
    if kind == "tool":
        chosen: Any = {"type": "function", "function": {"name": reading.text(choice.get("name"), "tool_choice.name")}}
    elif isinstance(kind, str) and kind in CHOICES:
        chosen = CHOICES[kind]
    else:
        raise invalid(f"`tool_choice` {reading.named(choice)} is not supported")
    alone = choice.get("disable_parallel_tool_use") is True
    return {"tool_choice": chosen, "parallel_tool_calls": False if alone else None}


def _answer_format(body: Body) -> Body | None:
    config = body.get("output_config")
    form = config.get("format") if isinstance(config, Mapping) else None
    form = form or body.get("output_format")
    if not isinstance(form, Mapping) or form.get("type") != "json_schema":
        return None
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": form.get("schema")}}


def _system(system: Any, marks: bool) -> list[Message]:
    if not system:
        return []
    return [{"role": "system", "content": _content(system, marks)}]


def _conversation(messages: Any, marks: bool) -> Iterator[Message]:
    """Yield the messages of a conversation; tools' answers are messages of their own. Raises Refusal."""
    if messages is None:
        raise invalid("`messages` must be a list")
    for message in reading.objects(messages, "messages"):
        role, content = message.get("role"), message.get("content")
        if role not in ROLES:
            raise invalid(f"a message's role must be one of: {', '.join(ROLES)}")
        blocks = _blocks(content)
        if role == "assistant":
            yield _with_last_mark(_assistant(blocks), blocks, marks)
        else:
            yield from _others(str(role), blocks, marks)


def _blocks(content: Any) -> list[Mapping[str, Any]]:
    return [reading.text_part(content)] if isinstance(content, str) else reading.objects(content, "content")


def _others(role: str, blocks: list[Mapping[str, Any]], marks: bool) -> Iterator[Message]:
    """Yield a turn that is not the assistant's: its blocks in a row, and each tool's answer by itself."""
    spoken: list[Message] = []
    for block in blocks:
        if block.get("type") != "tool_result":
            spoken.append(_part(block, marks))
            continue
        if spoken:
            yield {"role": role, "content": reading.plain_content(spoken)}
            spoken = []
        yield _result(block, marks)
    if spoken or not blocks:
        yield {"role": role, "content": reading.plain_content(spoken)}


def _result(block: Mapping[str, Any], marks: bool) -> Message:
    content = block.get("content")
    parts = [] if content is None else _parts(content, marks)
    if parts:
        parts[-1] = _marked(parts[-1], block, marks)
    call_id = reading.text(block.get("tool_use_id"), "content[].tool_use_id")
    return {"role": "tool", "tool_call_id": call_id, "content": reading.plain_content(parts)}


def _content(content: Any, marks: bool) -> str | list[Message]:
    return reading.plain_content(_parts(content, marks))


def _parts(content: Any, marks: bool) -> list[Message]:
    return [_part(block, marks) for block in _blocks(content)]


def _part(block: Mapping[str, Any], marks: bool) -> Message:
    match block.get("type"):
        case "text":
            return _marked(reading.text_part(reading.text(block.get("text"), "content[].text")), block, marks)
        case "image":
            return _marked({"type": "image_url", "image_url": {"url": _image_url(block.get("source"))}}, block, marks)
        case kind:
            raise invalid(f"a block of the type {reading.named(kind)} is not supported here: send texts and images")


def _image_url(source: Any) -> str:
    if not isinstance(source, Mapping) or source.get("type") != "base64":
        raise invalid("an image must be given as base64: the endpoint would fetch it from elsewhere")
    kind, data = source.get("media_type"), source.get("data")
    return f"data:{reading.text(kind, 'source.media_type')};base64,{reading.text(data, 'source.data')}"


def _with_last_mark(message: Message, blocks: list[Mapping[str, Any]], marks: bool) -> Message:
    """Return the assistant's message with the last mark of its blocks: it holds up to the message's end."""
    marked = [block for block in blocks if block.get(CACHE_MARK)]
    return _marked(message, marked[-1], marks) if marked else message


def _assistant(blocks: list[Mapping[str, Any]]) -> Message:
    """Return the assistant's message with these blocks. Raises Refusal."""
    texts: list[str] = []
    calls: list[Message] = []
    thoughts: Message = {}
    for block in blocks:
        match block.get("type"):
            case "text":
                texts.append(reading.text(block.get("text"), "content[].text"))
            case "tool_use":
                calls.append(_call(block))
            case "thinking":
                shown = block.get("thinking")
                thoughts |= restored_reasoning(block.get("signature"), shown if isinstance(shown, str) else "")
            case "redacted_thinking":
                thoughts |= restored_reasoning(block.get("data"), "")
            case kind:
                raise invalid(f"a block of the type {reading.named(kind)} is not supported in the assistant's turn")
    content = SEPARATOR.join(text for text in texts if text) or (None if calls else "")
    return {"role": "assistant", "content": content, **thoughts, **({"tool_calls": calls} if calls else {})}


def _call(block: Mapping[str, Any]) -> Message:
    call_id, name = block.get("id"), block.get("name")
    given = block.get("input")
    if not isinstance(given, Mapping):
        raise invalid("`input` of a `tool_use` must be an object")
    function = {"name": reading.text(name, "content[].name"), "arguments": reading.json_text(given)}
    return {"id": reading.text(call_id, "content[].id"), "type": "function", "function": function}
