"""What the check of one endpoint found."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from evolve import llm
from evolve.core.config import LearnedFacts
from evolve.core.records import Usage

API_NAMES = {"chat": "chat completions", "responses": "Responses", "messages": "Messages"}


@dataclass(frozen=True)
class Preflight:
    """What the check of one model's endpoint found; the figures are of this check alone.

    Attributes:
        learned: What requests have to heed; frozen with the run.
        usage: All that the check cost.
        tools: Whether the model called a tool that it was asked to call.
        streaming: Whether an answer can be streamed; None if that was not tried.
        accepted: Sampling parameters that the endpoint takes.
        refused: Pairs of a parameter and the endpoint's reason.
        advertised_window: Tokens of prompt and answer, as the endpoint lists them.
        window: Tokens of a prompt that it has read to its end, at least; None if that was not tried.
        reports_usage: Whether it counts tokens.
        tokens_per_second: Of an answer; None if it was too short to tell.
        call_seconds: Of one call, at the median.
        listed_prices: US dollars per million tokens of prompt and of answer, as the endpoint lists them.
        names: Pairs of the endpoint's name for the model and its fingerprint, as in its answers.
        right_answers: How many of `questions` questions with known answers it answered.
        notes: What the user should know, a line each.
    """

    learned: LearnedFacts = field(default_factory=LearnedFacts)
    usage: Usage = field(default_factory=Usage)
    tools: bool = False
    streaming: bool | None = None
    accepted: tuple[str, ...] = ()
    refused: tuple[tuple[str, str], ...] = ()
    advertised_window: int | None = None
    window: int | None = None
    reports_usage: bool = False
    cached_tokens: int = 0
    tokens_per_second: float | None = None
    call_seconds: float = 0.0
    listed_prices: tuple[float, float] | None = None
    names: tuple[tuple[str, str], ...] = ()
    right_answers: int = 0
    questions: int = 0
    notes: tuple[str, ...] = ()

    def to_json(self) -> str:
        """The report as it is stored with the run; the usage has columns of its own."""
        values: dict[str, Any] = {**asdict(self), "learned": self.learned.model_dump(mode="json")}
        del values["usage"]
        return json.dumps(values, sort_keys=True)


def describe_learned(learned: LearnedFacts) -> list[str]:
    """What requests do differently because of the check, in words; what their protocol has no field for is left out."""
    parameters = dict(learned.parameters)
    unsupported = llm.unsupported_parameters(learned.api or "chat")
    unsent = [name for name, sent in parameters.items() if not sent and name not in unsupported]
    effort = f"asks for reasoning effort {learned.effort}" if learned.effort else "asks for no reasoning effort"
    changes = {
        f"uses the API {API_NAMES[learned.api or 'chat']}": learned.api,
        **{f"sends {name} as {sent}": sent for name, sent in parameters.items()},
        f"never sends {', '.join(unsent)}": unsent,
        "asks for streams": learned.stream,
        "asks for no streams": learned.stream is False,
        "sends the model's reasoning back": learned.keep_reasoning,
        effort: learned.effort is not None,
        f"keeps requests within {learned.context_tokens or 0:,} tokens": learned.context_tokens,
        f"asks for answers of at most {learned.answer_tokens or 0:,} tokens": learned.answer_tokens,
    }
    return [change for change, is_made in changes.items() if is_made]
