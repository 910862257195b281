"""How long calls of the model were in progress in a trial."""

from __future__ import annotations

import pytest

from evolve.trial.model_time import model_seconds
from tests.fakes import chat_event, run_event


def at(seconds: float) -> str:
    return f"2026-11-23T21:44:{seconds:09.6f}+00:00"


def test_calls_at_the_same_time_count_once_and_commands_not_at_all() -> None:
    events = [
        chat_event([], started_at=at(1), ended_at=at(4)),
        chat_event([], started_at=at(3), ended_at=at(6.5)),
        {**run_event("sleep 9"), "started_at": at(7), "ended_at": at(16)},
        chat_event([], started_at=at(20), ended_at=at(21)),
        chat_event([]),
    ]
    assert model_seconds(events) == pytest.approx(6.5)
    assert model_seconds([]) == 0
