"""Send a request to the Messages API with the `anthropic` client, an optional dependency."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from typing import Any

import anthropic
import httpx2
import openai

from evolve.core.records import ModelSpec
from evolve.llm.addresses import check_address, is_local
from evolve.llm.connection import HOOKS
from evolve.llm.exchange import raise_if_refused, read_completion, refuses_reasoning
from evolve.llm.foreign_json import parse_json
from evolve.llm.messages.answer import merge_events, to_completion
from evolve.llm.messages.errors import as_openai_errors
from evolve.llm.messages.request import to_request
from evolve.llm.model import Body
from evolve.llm.retries import CONNECT_SECONDS
from evolve.llm.statements import model_names

PATH = "/v1"
ADDED = ("cache_control",)
MOST_MODELS = 1000
# The latest in which endpoints take parameters for sampling from a model that has them; later ones refuse all.
# (platform.claude.com/docs/en/api/versioning)
VERSION = ("anthropic-version", "2023-06-01")


def open_client(spec: ModelSpec, seconds: float) -> anthropic.Anthropic:
    """Return the vendor's client, which never retries by itself. seconds: its time limit for one request.

    Raises:
        BadInput: Address, proxy or key have a wrong form.
    """
    check_address(spec)
    # The client adds the version itself; many write it, as other endpoints want it.
    url = spec.base_url.rstrip("/").removesuffix(PATH) if spec.base_url else None
    headers = dict([VERSION, *((name.lower(), value) for name, value in spec.headers)])
    return anthropic.Anthropic(
        api_key=os.environ.get(spec.key_variable) or "none",
        base_url=url,
        timeout=seconds,
        max_retries=0,
        default_headers=headers,
        open_telemetry=False,
        http_client=anthropic.DefaultHttpxClient(trust_env=url is None or not is_local(url), event_hooks=HOOKS),
    )


def send(client: anthropic.Anthropic, request: Body, spec: ModelSpec, end: float) -> dict[str, Any]:
    """Send a request in the form of chat completions once, until `end` on the monotonic clock.

    An endpoint that can't use the earlier thinking gets the request a second time without it.

    Returns:
        The answer, a `chat.completion`.

    Raises:
        RequestRefused: An image has an unknown form, or the answer reports that the request is at fault.
        AccountError: The answer reports that the key or the account is at fault.
        HostRefused: The endpoint refuses a field that only requests of this API have.
        openai.OpenAIError: The request failed.
    """
    try:
        return _send(client, to_request(request, spec), spec, end)
    except openai.APIStatusError as error:
        if not refuses_reasoning(error):
            raise_if_refused(error, ADDED, spec)
            raise
    return _send(client, to_request(request, spec, reasoning=False), spec, end)


def _send(client: anthropic.Anthropic, request: dict[str, Any], spec: ModelSpec, end: float) -> dict[str, Any]:
    left = max(end - time.monotonic(), 0.01)
    named = ("model", "messages", "max_tokens", "stream")
    # The rest goes through `extra_body`: as named arguments, some would change the client's behaviour.
    others = {key: value for key, value in request.items() if key not in named}

    def events(response: httpx2.Response) -> Iterable[Any]:
        return anthropic.Stream(cast_to=object, response=response, client=client)

    with (
        as_openai_errors(),
        client.messages.with_streaming_response.create(
            model=request["model"],
            messages=request["messages"],
            max_tokens=request["max_tokens"],
            stream=spec.stream,
            extra_body=others,
            timeout=httpx2.Timeout(left, connect=min(left, CONNECT_SECONDS)),
        ) as answer,
    ):
        return read_completion(answer.http_response, end, events, merge_events, to_completion)


def list_models(client: anthropic.Anthropic) -> list[str]:
    """Return the names of the endpoint's models; empty if it lists none. Raises the errors of the `openai` client."""
    with as_openai_errors():
        # One page, since an endpoint could go on for ever; unparsed, since a web page is no list.
        response = client.models.with_raw_response.list(limit=MOST_MODELS).http_response
    try:
        page = parse_json(response.content)
    except ValueError:
        return []
    models = page.get("data") if isinstance(page, dict) else None
    return model_names(models) if isinstance(models, list) else []
