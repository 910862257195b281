"""The stored files of a trial, read for an export: complete, redacted, or left out with a reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evolve.core.errors import InfraError
from evolve.core.records import ModelSpec, StoredFile, TrialResult
from evolve.export.atif import problem_of
from evolve.export.recorded import is_event
from evolve.export.redaction import Redactor
from evolve.trial import trajectory
from evolve.trial.metrics import ToolDefinitions, answered_calls, call_metrics
from evolve.trial.recording import Event
from evolve.trial.room import Room
from evolve.trial.trajectory import NO_REQUEST

Document = dict[str, Any]


@dataclass(frozen=True)
class Documents:
    """Reads trials' files below `root`, the folder of the results."""

    root: Path
    model: ModelSpec
    redactor: Redactor

    def trajectory(self, result: TrialResult) -> Document | str:
        """The trial's ATIF document; or why there is none, in a few words."""
        lines = _load(result.trajectory, self.root, "trajectory")
        if isinstance(lines, str):
            return lines
        if len(lines) != 1:
            return "its trajectory is not one document"
        document = lines[0]
        if not _is_of_this_version(document):
            events = self.events(result)
            document = completed(document, () if isinstance(events, str) else events, self.model)
        document = self.redactor.value(document)
        return f"its trajectory is not ATIF ({problem})" if (problem := problem_of(document)) else document

    def events(self, result: TrialResult) -> list[Event] | str:
        """The events of the trial's recording; or why there are none, in a few words."""
        lines = _load(result.recording, self.root, "recording")
        if isinstance(lines, str):
            return lines
        # A plug-in's executor may have stored it.
        return list(lines) if all(map(is_event, lines)) else "its recording is not in the form of this version"


def _load(file: StoredFile | None, root: Path, kind: str) -> list[dict[str, Any]] | str:
    if file is None or not (root / file.path).is_file():
        return f"its {kind} is missing"
    if not trajectory.is_intact(file, root):
        return f"its {kind} has changed since it was stored"
    try:
        return trajectory.load(root / file.path)
    except InfraError:
        return f"its {kind} can't be read"


def _is_of_this_version(document: Mapping[str, Any]) -> bool:
    """Whether it was stored with times, and so with costs and tools: nothing can be added then."""
    steps = document.get("steps")
    return isinstance(steps, list) and any(isinstance(step, Mapping) and "timestamp" in step for step in steps)


def completed(document: Mapping[str, Any], events: Sequence[Event], model: ModelSpec) -> Document:
    """A document of an earlier version with what its recording and the model's prices tell: costs and tools.

    A cost of 0 that only means that the prices are unknown is taken out.
    """
    steps = document.get("steps")
    if not isinstance(steps, list) or not all(isinstance(step, Mapping) for step in steps):
        return dict(document)
    steps = [dict(step) for step in steps] or [{"step_id": 1, "source": "system", "message": NO_REQUEST}]
    calls, asked = list(answered_calls(events)), [step for step in steps if step.get("llm_call_count")]
    if len(calls) == len(asked):
        for step, event in zip(asked, calls, strict=True):
            step["metrics"] = call_metrics(event, (model,))
    done = {**document, "steps": steps}
    if isinstance(agent := document.get("agent"), Mapping):
        done["agent"] = {**_tools(events), **agent}
    if isinstance(totals := document.get("final_metrics"), Mapping):
        done["final_metrics"] = {**_known(totals, model), "total_steps": len(steps)}
    return done


def _tools(events: Sequence[Event]) -> dict[str, Any]:
    tools, room = ToolDefinitions(), Room()
    for event in events:
        if event["kind"] == "chat":
            tools.add(event["request"], room)
    return tools.field


def _known(totals: Mapping[str, Any], model: ModelSpec) -> dict[str, Any]:
    unknown = not model.priced and not totals.get("total_cost_usd")
    return {name: value for name, value in totals.items() if not (unknown and name == "total_cost_usd")}
