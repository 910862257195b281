"""The conditions of one trial: what answered it, and where it ran. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evolve.core.records import TrialCondition, TrialSpec

MAX_NAME = 200


def condition_of(spec: TrialSpec, events: Sequence[Mapping[str, Any]], images: tuple[str, str]) -> TrialCondition:
    """The conditions of a trial with this recording.

    Args:
        images: The ids of the scaffold's image and the task's.
    """
    responses = [event["response"] for event in events if event["kind"] == "chat" and "response" in event]
    base, task = images
    return TrialCondition(
        endpoint_models=_texts(responses, "model"),
        fingerprints=_texts(responses, "system_fingerprint"),
        base_image=base,
        task_image=task,
        concurrency=spec.concurrency,
    )


def _texts(responses: Sequence[Mapping[str, Any]], field: str) -> tuple[str, ...]:
    """The texts that this field has, cut to MAX_NAME characters; an endpoint may send anything."""
    values = {value for response in responses if isinstance(value := response.get(field), str)}
    return tuple(sorted({value[:MAX_NAME] for value in values if value}))
