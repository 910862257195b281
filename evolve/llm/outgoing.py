"""A request as it leaves: what the model's facts add, rename and leave out, and messages that strict servers take."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from evolve.core.errors import BadInput
from evolve.core.records import ModelSpec, stable_hash
from evolve.llm.model import Body
from evolve.llm.normal import ID_CHARS
from evolve.llm.parts import arguments_text, joined_text, json_text
from evolve.llm.reasoning import sent_messages, without_reasoning
from evolve.llm.window import fit_to_window

Fields = dict[str, Any]
# The form in which an answer comes is the client's own affair.
FORM_FIELDS = ("stream", "stream_options")


def adapted_request(body: Body, spec: ModelSpec) -> Fields:
    """Return the request with all that the model's facts say, still under our own names of parameters.

    Raises:
        RequestRefused: The prompt is certainly too long for the model.
    """
    request = {key: value for key, value in body.items() if key not in FORM_FIELDS}
    request |= {key: value for key, value in spec.sampling if body.get(key) is None}
    if spec.effort and request.get("reasoning_effort") is None:
        request["reasoning_effort"] = spec.effort
    if spec.answer_tokens and isinstance(asked := request.get("max_tokens"), int):
        request["max_tokens"] = min(asked, spec.answer_tokens)
    request = fit_to_window(request, spec)
    if isinstance(messages := request.get("messages"), list):
        request["messages"] = strict_messages(sent_messages(messages, spec), keep_reasoning=True)
    return request


def endpoint_fields(request: Body, spec: ModelSpec) -> Fields:
    """Return the fields under the endpoint's names, without those that it never gets, and with `extra_body` over them.

    Raises:
        BadInput: `extra_body` is not the text of a JSON object.
    """
    names = dict(spec.parameters)
    renamed = {names.get(key, key): value for key, value in request.items()}
    renamed.pop("", None)
    return {**renamed, **extra_fields(spec)}


def extra_fields(spec: ModelSpec) -> Fields:
    """Return the fields of `extra_body`. Raises BadInput if it is not the text of a JSON object."""
    try:
        fields = json.loads(spec.extra_body or "{}")
    except (ValueError, RecursionError) as error:
        raise BadInput("extra_body", f"is not JSON: {error}", 'write a JSON object, like {"top_k": 20}') from error
    if not isinstance(fields, dict):
        raise BadInput("extra_body", "is not a JSON object", 'write one, like {"top_k": 20}')
    return fields


def is_never_sent(spec: ModelSpec, parameter: str) -> bool:
    return dict(spec.parameters).get(parameter) == ""


def strict_messages(messages: Sequence[Any], keep_reasoning: bool) -> list[Any]:
    """Return the messages in the form that strict servers take; whatever is no message stays unchanged.

    vLLM, SGLang and llama.cpp take `content` as null or "", TGI wants a text, and Ollama and LM Studio refuse null: it
    is "" in an assistant's message without text. Fields that we don't know are kept.
    """
    return [_strict_message(message, number, keep_reasoning) for number, message in enumerate(messages)]


def _strict_message(message: Any, number: int, keep_reasoning: bool) -> Any:
    if not isinstance(message, Mapping):
        return message
    kept = message if keep_reasoning else without_reasoning(message)
    strict = {**kept, "content": joined_text(kept["content"])} if "content" in kept else dict(kept)
    if message.get("role") == "tool":
        strict["content"] = _result_text(strict.get("content"))
    if message.get("role") != "assistant":
        return strict
    calls = strict.pop("tool_calls", None)
    if isinstance(calls, list):
        calls = [_strict_call(call, stable_hash(number, position)) for position, call in enumerate(calls)]
    content = strict["content"] if strict.get("content") is not None else ""
    return {**strict, "content": content, **({"tool_calls": calls} if calls else {})}


def _result_text(content: Any) -> Any:
    """Return a tool's result as text; parts that are not all text stay parts."""
    if content is None or isinstance(content, str | list):
        return content or ""
    return json_text(content)


def _strict_call(call: Any, seed: int) -> Any:
    function = call.get("function") if isinstance(call, Mapping) else None
    if not isinstance(function, Mapping):
        return call
    return {
        **call,
        "id": call.get("id") or f"{seed:016x}"[:ID_CHARS],
        "type": call.get("type") or "function",
        "function": {**function, "arguments": arguments_text(function.get("arguments"))},
    }


def with_empty_reasoning(messages: Any) -> Any:
    """Return the messages with a reasoning for each of the assistant's: empty where the model gave none."""
    if not isinstance(messages, list):
        return messages
    return [_with_reasoning(message) for message in messages]


def _with_reasoning(message: Any) -> Any:
    is_answer = isinstance(message, Mapping) and message.get("role") == "assistant"
    return {"reasoning_content": "", **message} if is_answer else message


def conversation_seed(request: Body) -> int:
    """Return the seed of the ids that calls of the next answer get if they have none."""
    return stable_hash(json.dumps(request.get("messages"), default=str))
