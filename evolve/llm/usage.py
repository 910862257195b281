"""Count tokens: as the endpoint reports them, or estimated from the text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from evolve.core.records import ModelSpec, Usage
from evolve.llm.model import Body

BYTES_PER_TOKEN = 4


def estimate_prompt_tokens(request: Body) -> int:
    """Estimate the number of tokens in a request's prompt."""
    return _estimate_tokens([request[key] for key in ("messages", "tools", "functions") if request.get(key)])


def _estimate_tokens(values: list[Any]) -> int:
    """Estimate the number of tokens in these values, from the bytes of their JSON; at least 1."""
    size = sum(len(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")) for value in values)
    return max(1, -(-size // BYTES_PER_TOKEN))


def usage_of(completion: Mapping[str, Any], spec: ModelSpec, request: Body) -> Usage:
    """Return the usage of one completion. Tokens that the endpoint did not report are estimated."""
    reported = completion.get("usage")
    counts = reported if isinstance(reported, Mapping) else {}
    prompt = _count(counts.get("prompt_tokens")) or estimate_prompt_tokens(request)
    answer = _count(counts.get("completion_tokens")) or _estimate_tokens([completion.get("choices")])
    return Usage(1, prompt, answer, spec.cost_usd(prompt, answer), 0)


def _count(value: Any) -> int:
    """Return a reported count; 0 for anything that is not a positive integer."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
