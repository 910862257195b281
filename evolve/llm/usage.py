"""The usage of one call: as the endpoint reports it, estimated where it does not, and at most."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evolve.core.records import ModelSpec, Usage
from evolve.llm.estimates import estimate_prompt_tokens, estimate_tokens, most_answer_tokens, most_prompt_tokens
from evolve.llm.model import Body
from evolve.llm.parts import asks_for_an_hour
from evolve.llm.reasoning import with_sent_messages
from evolve.llm.reported import read_usage


def usage_of(completion: Mapping[str, Any], spec: ModelSpec, request: Body) -> Usage:
    """Return the usage of one completion. Tokens that the endpoint did not report are estimated.

    The cost is what the endpoint says that it charges, otherwise it follows from the model's prices.
    """
    reported = read_usage(completion.get("usage"))
    prompt = reported.prompt or estimate_prompt_tokens(with_sent_messages(request, spec))
    answer = reported.completion or estimate_tokens([completion.get("choices")])
    cached, written = reported.cached, reported.written
    usd = spec.cost_usd(prompt, answer, cached, written, reported.hour) if reported.usd is None else reported.usd
    return Usage(1, prompt, answer, usd, cached_tokens=cached, cache_write_tokens=written)


def counted_prompt_tokens(completion: Mapping[str, Any]) -> int:
    """Return the endpoint's own count of the prompt; 0 if it reports none."""
    return read_usage(completion.get("usage")).prompt


def highest_usage(request: Body, spec: ModelSpec) -> Usage:
    """Return all that a call may use, before it is made."""
    prompt, answer = most_prompt_tokens(with_sent_messages(request, spec), spec.name), most_answer_tokens(request, spec)
    return Usage(1, prompt, answer, spec.highest_cost_usd(prompt, answer, asks_for_an_hour(request)))
