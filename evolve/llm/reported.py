"""What an endpoint reports about one call's usage, in all the ways in which endpoints do that.

Cached tokens: `prompt_tokens_details.cached_tokens` (OpenAI and most others), `prompt_cache_hit_tokens` (DeepSeek),
`cached_tokens` (Moonshot: platform.kimi.ai/docs/api/chat), `cache_read_input_tokens` (Anthropic, and gateways to it).
Anthropic counts them beside its `input_tokens`, others within `prompt_tokens`. Reasoning: within `completion_tokens`;
xAI and Gemini have it in `total_tokens` alone (UKGovernmentBEIS/inspect_ai#5528, mozilla-ai/any-llm#1290).
Cost: `cost` (OpenRouter, LiteLLM), `cost_in_usd_ticks` (xAI: docs.x.ai/developers/cost-tracking), `cost_usd_total` (LLM
Gateway: docs.llmgateway.io/features/cost-breakdown), `estimated_cost` (DeepInfra), `cost.total_cost` (Perplexity).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PROMPT = ("prompt_tokens", "input_tokens")
COMPLETION = ("completion_tokens", "output_tokens")
PROMPT_DETAILS = ("prompt_tokens_details", "input_tokens_details")
COMPLETION_DETAILS = ("completion_tokens_details", "output_tokens_details")
READ_DETAILS = ("cached_tokens", "cache_read_tokens", "cache_read_input_tokens")
READ = (
    "prompt_cache_hit_tokens",
    "cached_tokens",
    "cache_read_input_tokens",
    "cached_input_tokens",
    "num_cached_tokens",
    "cached_content_token_count",
)
WRITTEN_DETAILS = ("cache_write_tokens", "cache_creation_input_tokens", "cache_creation_tokens")
WRITTEN = ("cache_creation_input_tokens", "cache_write_tokens", "cache_write_input_tokens")
# Anthropic's counts of what was written, by how long it stays.
LIFETIMES, HOUR = ("cache_creation",), ("ephemeral_1h_input_tokens",)
ANTHROPICS = frozenset({"cache_read_input_tokens", "cache_creation_input_tokens"})
# No call has more tokens (twice the largest known context window) or costs more dollars: such a figure is a mistake.
MOST_TOKENS = 20_000_000
MOST_USD = 10_000.0
TICKS_PER_USD = 1e10


@dataclass(frozen=True)
class Reported:
    """Counts of one call; 0: not reported. `cached` and `written` are parts of `prompt`, reasoning is of `completion`.

    hour: how many of the written ones the cache keeps for an hour.
    usd: what the endpoint charges for the call; None if it does not say, or says that a call was free: a gateway also
    reports 0 for a model whose price it does not know.
    """

    prompt: int = 0
    completion: int = 0
    cached: int = 0
    written: int = 0
    usd: float | None = None
    hour: int = 0


def read_usage(usage: Any) -> Reported:
    """Read the `usage` of an answer, whatever it is."""
    if not isinstance(usage, Mapping):
        return Reported()
    prompt, completion = _first(usage, PROMPT), _first(usage, COMPLETION)
    cached = _detail(usage, PROMPT_DETAILS, READ_DETAILS) or _first(usage, READ)
    written = _detail(usage, PROMPT_DETAILS, WRITTEN_DETAILS) or _first(usage, WRITTEN)
    extra = max(_count(usage.get("total_tokens")) - prompt - completion, 0) if prompt else 0
    beside = _beside(usage, prompt, cached + written, extra)
    reasoning = _reasoning_beside(usage, completion, extra - beside)
    prompt, completion = prompt + beside, completion + reasoning
    cached = min(cached, prompt)
    written = min(written, prompt - cached)
    return Reported(prompt, completion, cached, written, _usd(usage), min(_detail(usage, LIFETIMES, HOUR), written))


def _beside(usage: Mapping[str, Any], prompt: int, cached: int, extra: int) -> int:
    """How many of the cached tokens are counted beside the prompt's.

    extra: what the total has over the tokens of prompt and answer.
    """
    reasoning = _reasoning(usage)
    has_anthropics_names = "input_tokens" in usage and not usage.keys().isdisjoint(ANTHROPICS)
    by_total = extra != reasoning and extra - cached in (0, reasoning)
    return cached if cached > prompt or has_anthropics_names or by_total else 0


def _reasoning_beside(usage: Mapping[str, Any], completion: int, extra: int) -> int:
    """How many tokens of reasoning are counted beside the answer's: the rest of the total, or too many to be within."""
    reasoning = _reasoning(usage)
    return max(extra, reasoning if reasoning > completion else 0)


def _reasoning(usage: Mapping[str, Any]) -> int:
    return _detail(usage, COMPLETION_DETAILS, ("reasoning_tokens",)) or _first(usage, ("reasoning_tokens",))


def _usd(usage: Mapping[str, Any]) -> float | None:
    """What the endpoint charges for the call."""
    cost = usage.get("cost")
    usd = _amount(cost.get("total_cost") if isinstance(cost, Mapping) else cost) or 0.0
    if usd := usd + _upstream_usd(usage, usd):
        return usd
    if ticks := _amount(usage.get("cost_in_usd_ticks"), MOST_USD * TICKS_PER_USD):
        return ticks / TICKS_PER_USD
    return _amount(usage.get("cost_usd_total")) or _amount(usage.get("estimated_cost"))


def _upstream_usd(usage: Mapping[str, Any], usd: float) -> float:
    """What a provider behind OpenRouter charges to the user's own key; OpenRouter's `cost` is then its fee alone."""
    details = usage.get("cost_details")
    upstream = _amount(details.get("upstream_inference_cost")) if isinstance(details, Mapping) else None
    own_key = usage.get("is_byok")
    is_separate = own_key if isinstance(own_key, bool) else (upstream or 0.0) > usd
    return upstream or 0.0 if is_separate else 0.0


def _detail(usage: Mapping[str, Any], tables: tuple[str, ...], names: tuple[str, ...]) -> int:
    """The first of these counts in one of these tables."""
    inner = (usage[table] for table in tables if isinstance(usage.get(table), Mapping))
    return next((count for table in inner if (count := _first(table, names))), 0)


def _first(counts: Mapping[str, Any], names: tuple[str, ...]) -> int:
    return next((count for name in names if (count := _count(counts.get(name)))), 0)


def _count(value: Any) -> int:
    """A reported count; 0 for anything that can't be one."""
    number = _amount(value, MOST_TOKENS)
    return int(number) if number is not None and number == int(number) else 0


def _amount(value: Any, most: float = MOST_USD) -> float | None:
    """A positive number up to `most`; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 < value <= most and math.isfinite(value) else None
