"""Counting tokens: as an endpoint reports them, or estimated from the texts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from evolve.core.records import ModelSpec, Usage
from evolve.llm.model import Body

BYTES_PER_TOKEN = 4


def estimate_prompt_tokens(request: Body) -> int:
    """About how many tokens a request's prompt has."""
    return _estimated([request[key] for key in ("messages", "tools", "functions") if request.get(key)])


def _estimated(values: list[Any]) -> int:
    """About as many tokens as the text of these values has, where nobody has counted them; at least 1."""
    size = sum(len(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")) for value in values)
    return max(1, -(-size // BYTES_PER_TOKEN))


def usage_of(completion: Mapping[str, Any], spec: ModelSpec, request: Body) -> Usage:
    """What one completion cost; tokens that the endpoint did not report are estimated from the texts."""
    reported = completion.get("usage")
    counts = reported if isinstance(reported, Mapping) else {}
    prompt = _count(counts.get("prompt_tokens")) or estimate_prompt_tokens(request)
    answer = _count(counts.get("completion_tokens")) or _estimated([completion.get("choices")])
    return Usage(1, prompt, answer, spec.cost_usd(prompt, answer), 0)


def _count(value: Any) -> int:
    """A reported count; 0 for what is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
