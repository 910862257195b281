"""What a request may hold while the model thinks. The rules are Anthropic's, on its pages on extended thinking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evolve.llm.messages.blocks import THINKING

LEAST_BUDGET = 1024
LEAST_TOP_P = 0.95


def with_valid_thinking(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request without what thinking excludes; without thinking if the conversation excludes it.

    Thinking that is not asked for in the request is left to the model.
    """
    thinking = request.get("thinking")
    kind = thinking.get("type") if isinstance(thinking, Mapping) else "disabled"
    if kind == "disabled":
        return dict(request)
    changes: dict[str, Any] = {"temperature": None, "top_k": None, "thinking": thinking}
    if kind == "enabled":
        changes["thinking"] = _fitting(thinking, request)
    if _forces_a_call(request):
        changes["thinking"] = None
    if changes["thinking"] is None:
        return {key: value for key, value in request.items() if key != "thinking"}
    if isinstance(top_p := request.get("top_p"), int | float):
        changes["top_p"] = max(top_p, LEAST_TOP_P)
    return {key: value for key, value in {**request, **changes}.items() if value is not None}


def _forces_a_call(request: Mapping[str, Any]) -> bool:
    choice = request.get("tool_choice")
    return isinstance(choice, Mapping) and choice.get("type") in ("any", "tool")


def _fitting(thinking: Any, request: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return thinking with a budget that leaves room for an answer; None if there is none.

    None too if the tools' answers that end the conversation belong to a turn whose thinking is gone.
    """
    budget, limit = thinking.get("budget_tokens"), request.get("max_tokens")
    if isinstance(budget, int) and isinstance(limit, int):
        budget = min(budget, limit - 1)
        if budget < LEAST_BUDGET:
            return None
    return None if _lacks_thinking(request["messages"]) else {**thinking, "budget_tokens": budget}


def _lacks_thinking(turns: Sequence[Mapping[str, Any]]) -> bool:
    if len(turns) < 2 or not any(block["type"] == "tool_result" for block in turns[-1]["content"]):
        return False
    return turns[-2]["content"][0]["type"] not in THINKING
