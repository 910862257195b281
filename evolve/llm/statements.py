"""What an endpoint states beside the chat: its list of models, and what a local server says about itself."""

from __future__ import annotations

import hashlib
import ipaddress
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx2

from evolve.core.records import ModelSpec
from evolve.llm.addresses import is_local
from evolve.llm.connection import HOOKS
from evolve.llm.foreign_json import parse_json
from evolve.llm.normal import MAX_NAME, MAX_TOKENS

SECONDS = 10.0
# Of a price for a million tokens: more is a mistake.
MOST_USD = 1e6
# The fields in which servers state a model's context window, in tokens.
WINDOW_KEYS = ("context_length", "max_model_len", "context_window", "max_context_length", "n_ctx")
# Where local servers describe themselves, and the fields that say what computes the answers.
STATES: Mapping[str, tuple[str, ...]] = {
    "/props": ("model_path", "model_ftype", "build_info", "chat_template", "n_ctx"),
    "/get_model_info": ("model_path", "tokenizer_path", "weight_version"),
    "/version": ("version",),
    "/api/version": ("version",),
}


@dataclass(frozen=True)
class Listing:
    """What an endpoint states about one model.

    window: tokens of prompt and answer; prices: US dollars per million tokens of each. None: not stated.
    """

    names: tuple[str, ...] = ()
    window: int | None = None
    prices: tuple[float, float] | None = None


def is_private(spec: ModelSpec) -> bool:
    """Whether the endpoint is on this machine or in its network."""
    host = urlsplit(spec.base_url or "").hostname or ""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return (
            host == "localhost"
            or host.endswith((".local", ".localhost", ".internal"))
            or (bool(host) and "." not in host)
        )


def read_listing(spec: ModelSpec) -> Listing:
    """Read what the endpoint lists; an empty listing if it lists nothing that can be read."""
    if not spec.base_url:
        return Listing()
    value = _get(f"{spec.base_url.rstrip('/')}/models", spec)
    entries = value.get("data") if isinstance(value, Mapping) else None
    listed = entries if isinstance(entries, list) else []
    return listing_of([entry for entry in listed if isinstance(entry, Mapping)], spec.name)


def model_names(entries: Iterable[Any]) -> list[str]:
    """The names in an endpoint's list of models, in a length that fits into a row; what is no entry is left out."""
    models = (entry for entry in entries if isinstance(entry, Mapping))
    return [model["id"][:MAX_NAME] for model in models if isinstance(model.get("id"), str)]


def listing_of(entries: list[Mapping[str, Any]], name: str) -> Listing:
    """The facts about one model in an endpoint's list. Pure."""
    names = tuple(model_names(entries))
    entry = next((entry for entry in entries if name in (entry.get("id"), *_aliases(entry))), None)
    if entry is None and len(entries) == 1:
        entry = entries[0]
    return Listing(names, _window(entry), _prices(entry)) if entry is not None else Listing(names)


def _aliases(entry: Mapping[str, Any]) -> list[Any]:
    aliases = entry.get("aliases")
    return aliases if isinstance(aliases, list) else []


def _window(entry: Mapping[str, Any]) -> int | None:
    places = [entry, *(entry[key] for key in ("meta", "top_provider") if isinstance(entry.get(key), Mapping))]
    stated = [place.get(key) for place in places for key in WINDOW_KEYS]
    windows = [value for value in stated if isinstance(value, int) and not isinstance(value, bool)]
    return min((window for window in windows if 0 < window <= MAX_TOKENS), default=None)


def _prices(entry: Mapping[str, Any]) -> tuple[float, float] | None:
    """OpenRouter and others state dollars per token, as text."""
    pricing = entry.get("pricing")
    if not isinstance(pricing, Mapping):
        return None
    try:
        prompt, completion = float(pricing["prompt"]) * 1e6, float(pricing["completion"]) * 1e6
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    is_price = 0 <= prompt <= MOST_USD and 0 <= completion <= MOST_USD
    return (round(prompt, 6), round(completion, 6)) if is_price else None


def read_server(spec: ModelSpec) -> tuple[tuple[str, str], ...]:
    """What a local server says about itself, as sorted pairs; empty for a remote one. Long texts as their digest."""
    if not is_private(spec):
        return ()
    parts = urlsplit(str(spec.base_url))
    root = f"{parts.scheme}://{parts.netloc}"
    found: dict[str, str] = {}
    for path, names in STATES.items():
        state = _get(f"{root}{path}", spec)
        if isinstance(state, Mapping):
            found |= _stated(state, names)
    return tuple(sorted(found.items()))


def _stated(state: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, str]:
    """The named fields of a server's state, one level of nesting included."""
    flat = {key: value for inner in state.values() if isinstance(inner, Mapping) for key, value in inner.items()}
    values = {name: {**flat, **state}.get(name) for name in names}
    return {name: _short(str(value)) for name, value in values.items() if isinstance(value, str | int | float)}


def _short(text: str) -> str:
    return text if len(text) <= 200 else f"sha256:{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _get(url: str, spec: ModelSpec) -> Any:
    """The JSON at a URL; None for anything else: what is asked here is never needed."""
    key = os.environ.get(spec.key_variable)
    headers = {**dict(spec.headers), **({"authorization": f"Bearer {key}"} if key else {})}
    try:
        with httpx2.Client(timeout=SECONDS, trust_env=not is_local(url), event_hooks=HOOKS) as client:
            response = client.get(url, headers=headers)
        return parse_json(response.content) if response.status_code == 200 else None
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError):
        return None
