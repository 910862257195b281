"""The conditions of one trial: what answered it, and where it ran. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from evolve.core.records import TrialCondition, TrialSpec
from evolve.trial.recording import REUSED

MAX_NAME = 200


def condition_of(spec: TrialSpec, events: Sequence[Mapping[str, Any]], images: tuple[str, str]) -> TrialCondition:
    """The conditions of a trial with this recording.

    Args:
        images: The ids of the scaffold's image and the task's.
    """
    # What was taken over shows nothing of the endpoint as it is now.
    asked = (event for event in events if event["kind"] == "chat" and not event.get(REUSED))
    answers = [_described(event["response"]) for event in asked if "response" in event]
    base, task = images
    return TrialCondition(
        endpoint_models=_texts(answer["model"] for answer in answers),
        fingerprints=_texts(answer["system_fingerprint"] for answer in answers),
        base_image=base,
        task_image=task,
        concurrency=spec.concurrency,
    )


def _described(response: Mapping[str, Any]) -> dict[str, Any]:
    """What an answer says about what gave it; the rest of it may be large."""
    return {field: response.get(field) for field in ("model", "system_fingerprint")}


def _texts(values: Iterable[Any]) -> tuple[str, ...]:
    """Those of the values that are texts, cut to MAX_NAME characters; an endpoint may send anything."""
    names = {value[:MAX_NAME] for value in values if isinstance(value, str)}
    return tuple(sorted(name for name in names if name))
