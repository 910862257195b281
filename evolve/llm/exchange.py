"""Read one answer of another protocol than chat completions, with the same limits on size and time."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import httpx2
import openai

from evolve.core.records import ModelSpec
from evolve.llm.answer import BoundedBytes, is_stream, parse_completion
from evolve.llm.attribution import host_refused
from evolve.llm.faults import describe_error, raise_reported
from evolve.llm.foreign_json import parse_json
from evolve.llm.outgoing import is_never_sent
from evolve.llm.refusals import error_fields

Events = Callable[[httpx2.Response], Iterable[Any]]
Merge = Callable[[Iterable[Any], httpx2.Request], Any]
Convert = Callable[[Any, httpx2.Request], dict[str, Any]]
# How endpoints report that they can't use earlier reasoning, or encrypted reasoning at all, in lower case.
REASONING_WORDS = re.compile(
    r"encrypted[_ ]content|without its required|items are not persisted|thinking.{0,80}(block|signature)"
    r"|signature.{0,80}thinking"
)


def read_completion(
    response: httpx2.Response, end: float, events: Events, merge: Merge, convert: Convert
) -> dict[str, Any]:
    """Read a response, whole or streamed, as a `chat.completion`.

    Args:
        response: The response, not yet read.
        end: The time on the monotonic clock at which reading ends.
        events: Parses the events of a stream.
        merge: Assembles the answer from them.
        convert: Writes an answer as a `chat.completion`.

    Raises:
        RequestRefused: The answer reports that the request is at fault.
        AccountError: The answer reports that the key or the account is at fault.
        openai.APIConnectionError: It is no usable answer; worth a retry.
    """
    request = response.request
    with BoundedBytes(response, end) as pieces:
        # Endless comments would keep the client's parser busy for ever.
        bounded = httpx2.Response(200, headers=_decoded(response.headers), stream=pieces, request=request)
        answer = _merged(bounded, events, merge) if is_stream(response) else _parsed(b"".join(pieces), request)
    try:
        raw = json.dumps(convert(answer, request)).encode()
    except RecursionError as error:
        raise openai.APIConnectionError(message="the answer is nested too deeply", request=request) from error
    return parse_completion(raw, request)


def _decoded(headers: httpx2.Headers) -> list[tuple[bytes, bytes]]:
    """The headers without those of an encoding, which what is read no longer has."""
    return [(name, value) for name, value in headers.raw if name.lower() != b"content-encoding"]


def _merged(response: httpx2.Response, events: Events, merge: Merge) -> Any:
    try:
        return merge(events(response), response.request)
    except openai.APIConnectionError:
        raise
    except openai.APIStatusError:
        raise
    except openai.APIError as error:
        raise_reported(error.body or error.message, response.request)
        raise
    except (ValueError, RecursionError) as error:
        raise openai.APIConnectionError(message="an event is not JSON", request=response.request) from error


def _parsed(raw: bytes, request: httpx2.Request) -> Any:
    try:
        return parse_json(raw)
    except ValueError as error:
        problem = "the answer is not JSON; is the base URL right?"
        raise openai.APIConnectionError(message=problem, request=request) from error


def refuses_reasoning(error: openai.APIStatusError) -> bool:
    """Whether an endpoint can't use the reasoning that is sent back: of another model, or changed by the scaffold."""
    return error.status_code == 400 and bool(REASONING_WORDS.search(f"{error.code} {error.message}".lower()))


def raise_if_refused(error: openai.APIStatusError, added: Iterable[str], spec: ModelSpec) -> None:
    """Raise HostRefused if an endpoint refuses a field that only this protocol's requests have.

    Args:
        error: It names its field, or begins with the path to it.
        added: The names of these fields.
        spec: The model, which says which of them are sent.
    """
    sent = [name for name in added if not is_never_sent(spec, name)]
    if error.status_code not in (400, 422) or not sent:
        return
    text, param = describe_error(error), error_fields(error.body).get("param")
    named = re.match(rf"[\w.\[\]]*\b({'|'.join(sent)})\b", text)
    for name in sent:
        if name == (named[1] if named else param):
            raise host_refused(name, text) from error


def without_field(spec: ModelSpec, name: str) -> ModelSpec:
    """Return the model whose requests don't have this field."""
    return replace(spec, parameters=(*spec.parameters, (name, "")))
