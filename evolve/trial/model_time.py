"""How long calls of the model were in progress in a trial, from its recording. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from evolve.trial.gateway.spans import Span, covered_seconds
from evolve.trial.recording import ENDED_AT, STARTED_AT


def model_seconds(events: Iterable[Mapping[str, Any]]) -> float:
    """Seconds in which at least one call of the model was in progress; those of recordings without times are 0."""
    return covered_seconds([_span(event) for event in events if event["kind"] == "chat" and ENDED_AT in event])


def _span(event: Mapping[str, Any]) -> Span:
    started, ended = (datetime.fromisoformat(event[name]).timestamp() for name in (STARTED_AT, ENDED_AT))
    return started, ended
