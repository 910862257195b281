"""What the check of one endpoint found."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from evolve.core.config import LearnedFacts
from evolve.core.records import Usage


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
