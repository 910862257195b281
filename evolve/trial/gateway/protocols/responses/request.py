"""Read a request of the Responses API as one of chat completions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from evolve.core.records import ModelSpec
from evolve.trial.gateway.protocols import reading
from evolve.trial.gateway.protocols.reading import Message, invalid
from evolve.trial.gateway.protocols.reasoning import restored_reasoning
from evolve.trial.gateway.protocols.responses import tools
from evolve.trial.gateway.wire import Body

STATELESS = "nothing is stored; send the whole conversation as `input`"
REFUSED = {
    "previous_response_id": STATELESS,
    "conversation": STATELESS,
    "background": "wait for the answer",
    "prompt": "send the prompt itself",
}
ROLES = {"user": "user", "system": "system", "developer": "system", "assistant": "assistant"}
TEXTS = ("input_text", "output_text", "text", "summary_text", "reasoning_text")
PASSED = ("temperature", "top_p", "parallel_tool_calls")


def chat_request(body: Body, spec: ModelSpec) -> Body:
    """Return the request in the form of chat completions. Raises Refusal.

    Whatever has no counterpart there, and decides nothing about the answer's form, is left out.
    """
    reading.refuse_set(body, REFUSED)
    functions = tools.functions_of(body.get("tools"))
    choice, functions = tools.chat_choice(body.get("tool_choice"), functions)
    messages = reading.with_one_instruction([*_instructions(body), *conversation(body.get("input"))])
    request = {
        "messages": reading.with_images_after_results(messages) if spec.api == "chat" else messages,
        "tools": functions or None,
        "tool_choice": choice if functions else None,
        "max_tokens": body.get("max_output_tokens"),
        "response_format": _answer_format(body.get("text")),
        **{name: body.get(name) for name in PASSED if functions or name != "parallel_tool_calls"},
    }
    return reading.without_none(request)


def _instructions(body: Body) -> list[Message]:
    given = body.get("instructions")
    return [{"role": "system", "content": reading.text(given, "instructions")}] if given else []


def _answer_format(given: Any) -> Body | None:
    form = given.get("format") if isinstance(given, Mapping) else None
    if not isinstance(form, Mapping) or form.get("type") in (None, "text"):
        return None
    if form["type"] != "json_schema":
        return dict(form)
    schema = {name: form[name] for name in ("name", "description", "schema", "strict") if form.get(name) is not None}
    return {"type": "json_schema", "json_schema": schema}


def conversation(given: Any) -> list[Message]:
    """Return the messages of an `input`. Raises Refusal.

    Reasoning, texts and calls that follow each other are one message of the assistant's.
    """
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    messages: list[Message] = []
    for item in reading.objects(given, "input"):
        message = _message(item)
        if messages and _continues(messages[-1], message):
            messages[-1] = _joined(messages[-1], message)
        else:
            messages.append(message)
    return [_finished(message) for message in messages if message["role"] != "assistant" or len(message) > 1]


def _message(item: Mapping[str, Any]) -> Message:
    match item.get("type", "message"):
        case "message":
            return _spoken(item)
        case "reasoning":
            shown = "\n\n".join(_texts(item.get("summary")) or _texts(item.get("content")))
            return {"role": "assistant", **restored_reasoning(item.get("encrypted_content"), shown)}
        case "function_call":
            return _call(item, reading.text(item.get("arguments"), "input[].arguments"))
        case "custom_tool_call":
            return _call(item, tools.custom_arguments(reading.text(item.get("input"), "input[].input")))
        case "function_call_output" | "custom_tool_call_output":
            call_id = reading.text(item.get("call_id"), "input[].call_id")
            return {"role": "tool", "tool_call_id": call_id, "content": _content(item.get("output"))}
        case "item_reference":
            raise invalid(f"an item of the type 'item_reference' is not supported: {STATELESS}")
        case other:
            raise invalid(f"an item of the type {reading.named(other)} is not supported")


def _spoken(item: Mapping[str, Any]) -> Message:
    role = ROLES.get(str(item.get("role")))
    if role is None:
        raise invalid(f"a message's role must be one of: {', '.join(ROLES)}")
    content = _content(item.get("content"))
    if role != "assistant":
        return {"role": role, "content": content}
    if not isinstance(content, str):
        raise invalid("a message of the assistant can't hold images")
    return {"role": role, "content": content}


def _call(item: Mapping[str, Any], arguments: str) -> Message:
    namespace = item.get("namespace")
    name = tools.function_name(
        reading.text(item.get("name"), "input[].name"), namespace if isinstance(namespace, str) else ""
    )
    call_id = reading.text(item.get("call_id"), "input[].call_id")
    call = {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
    return {"role": "assistant", "tool_calls": [call]}


def _content(content: Any) -> str | list[Message]:
    """Return the content of a message or an output. Raises Refusal."""
    if isinstance(content, str):
        return content
    return reading.plain_content([_part(part) for part in reading.objects(content, "content")])


def _part(part: Mapping[str, Any]) -> Message:
    kind = part.get("type")
    if kind in TEXTS:
        return reading.text_part(reading.text(part.get("text"), "content[].text"))
    if kind == "refusal":
        return reading.text_part(reading.text(part.get("refusal"), "content[].refusal"))
    if kind == "input_image":
        url = reading.text(part.get("image_url"), "content[].image_url")
        detail = {"detail": part["detail"]} if part.get("detail") in ("low", "high") else {}
        return {"type": "image_url", "image_url": {"url": url, **detail}}
    raise invalid(f"a part of the type {reading.named(kind)} is not supported: send texts and images")


def _texts(parts: Any) -> list[str]:
    listed: Iterable[Any] = parts if isinstance(parts, list) else []
    found = [part.get("text") for part in listed if isinstance(part, Mapping)]
    return [text for text in found if isinstance(text, str) and text]


def _continues(before: Message, message: Message) -> bool:
    """Whether a piece belongs to the assistant's message before it: reasoning, then text, then calls."""
    if before["role"] != "assistant" or message["role"] != "assistant":
        return False
    return "tool_calls" in message or ("tool_calls" not in before and "content" not in before)


def _joined(before: Message, message: Message) -> Message:
    calls = [*before.get("tool_calls", []), *message.get("tool_calls", [])]
    return {**before, **message, **({"tool_calls": calls} if calls else {})}


def _finished(message: Message) -> Message:
    return message if message["role"] != "assistant" else {"content": None, **message}
