"""List an endpoint's models; the first answer also tells whether the address is one of an API."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import httpx2
import openai

from evolve.core.errors import BadInput, EndpointError
from evolve.core.records import ModelSpec
from evolve.llm.addresses import base_url
from evolve.llm.connection import open_client, unreachable
from evolve.llm.foreign_json import parse_json
from evolve.llm.redaction import redacted
from evolve.llm.statements import model_names

LIST_SECONDS = 30.0
LOOK_SECONDS = 10.0
# Where providers have their API, below their host.
API_PATHS = ("/v1", "/api/v1", "/openai/v1", "/v1beta/openai")
USUAL_FIX = "use the address of the API, which usually ends in /v1"


def list_models(spec: ModelSpec) -> list[str]:
    """Return the names of the endpoint's models; empty if it lists none.

    Raises:
        BadInput: It rejects the key, is not at the address, or can't be reached for a cause that the user can remove.
        EndpointError: It fails in another way.
    """
    with open_client(spec, LIST_SECONDS, 1) as client:
        try:
            response = client.models.with_raw_response.list().http_response
        except openai.APIStatusError as error:
            return _after_refusal(client, spec, error)
        except openai.OpenAIError as error:
            raise unreachable(error, spec) from error
        names = _names(response)
        if names is None:
            raise _wrong_address(client, spec, "answers with a web page" if _is_page(response) else "lists no models")
        if response.history:
            raise _moved(response, base_url(spec))
        return names


def _after_refusal(client: openai.OpenAI, spec: ModelSpec, error: openai.APIStatusError) -> list[str]:
    """Handle an error status: an endpoint need not list its models, but its address must be that of an API."""
    is_page = _is_page(error.response)
    if error.status_code in (401, 403) and not is_page:
        problem = redacted(f"the endpoint refuses the key: {error.message}", spec)
        raise BadInput("model", problem, f"set {spec.key_variable}") from error
    if error.status_code >= 500 or error.status_code in (408, 429):
        message = f"status {error.status_code}" if is_page else error.message
        raise EndpointError(redacted(f"model endpoint {base_url(spec)}: {message}", spec)) from error
    if _other_address(client, base_url(spec)) or (is_page and _shows_page(client, base_url(spec))):
        raise _wrong_address(client, spec, "answers with a web page" if is_page else "serves no API") from error
    return []


def _wrong_address(client: openai.OpenAI, spec: ModelSpec, problem: str) -> BadInput:
    address = base_url(spec)
    other = _other_address(client, address)
    return BadInput("base_url", f"{address} {problem}", f"use {other}" if other else USUAL_FIX)


def _moved(response: httpx2.Response, address: str) -> BadInput:
    """What is sent to such an address loses its body on the way."""
    target = str(response.url).partition("?")[0].removesuffix("/models")
    return BadInput("base_url", f"{address} redirects to {target}", f"use {target}")


def _other_address(client: openai.OpenAI, address: str) -> str | None:
    """Look for an API at the usual paths of the same host; None if the address has such a path itself."""
    parts = urlsplit(address)
    if parts.path.rstrip("/").endswith(API_PATHS):
        return None
    places = [f"{parts.scheme}://{parts.netloc}{path}" for path in API_PATHS]
    own = f"{address.rstrip('/')}/v1"
    return next((place for place in dict.fromkeys([own, *places]) if _lists_models(client, place)), None)


def _lists_models(client: openai.OpenAI, address: str) -> bool:
    response = _look(client, f"{address}/models")
    return response is not None and (_names(response) is not None or response.status_code == 401)


def _shows_page(client: openai.OpenAI, address: str) -> bool:
    response = _look(client, address)
    return response is not None and response.is_success and _is_page(response)


def _look(client: openai.OpenAI, url: str) -> httpx2.Response | None:
    """Get this address; None if nothing answers."""
    try:
        raw = client.with_options(timeout=LOOK_SECONDS, max_retries=0)
        return raw.get(url, cast_to=httpx2.Response)
    except openai.APIStatusError as error:
        return error.response
    except openai.OpenAIError:
        return None


def _is_page(response: httpx2.Response) -> bool:
    kind = response.headers.get("content-type", "")
    return "html" in kind or response.text.lstrip()[:15].lower().startswith(("<!doctype html", "<html"))


def _names(response: httpx2.Response) -> list[str] | None:
    """Return the names of the models in an answer; None if it is no list of models."""
    try:
        body: Any = parse_json(response.content)
    except ValueError:
        return None
    items = body.get("data") if isinstance(body, dict) else body
    if not response.is_success or not isinstance(items, list):
        return None
    return model_names(items)
