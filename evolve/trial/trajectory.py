"""Build trajectories in ATIF (Agent Trajectory Interchange Format, v1.8), and store them and recordings.

A recording is the list of events that passed a trial's gateway: one JSON object per line, compressed.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from evolve import __version__
from evolve.core.errors import InfraError
from evolve.core.records import ModelSpec, StoredFile, TrialSpec, Usage
from evolve.host import disk
from evolve.llm.reasoning import split_reasoning
from evolve.trial.changes import STATE, describe_changes
from evolve.trial.conversations import Conversations
from evolve.trial.metrics import ToolDefinitions, answer_of, call_metrics, final_metrics
from evolve.trial.recording import BYTES_FIELDS, ENDED_AT, STARTED_AT, lines_of
from evolve.trial.room import Room

ATIF = "ATIF-v1.8"
# The name of the agent in each document.
AGENT = "evolve-scaffold"
MAX_DEPTH = 100
NO_REQUEST = "the scaffold made no request"
NONE: Mapping[str, int] = MappingProxyType({})
Event = Mapping[str, Any]
Step = dict[str, Any]


def build(
    spec: TrialSpec,
    events: Sequence[Event],
    usage: Usage,
    log: str,
    refusals: Mapping[str, int] = NONE,
    start_up: float | None = None,
) -> dict[str, Any]:
    """Build one ATIF document from a trial's events. Commands are in `extra` of the agent's step that they followed.

    refusals: how many requests the gateway refused, by the error's code; start_up: seconds until the first request.
    """
    room, tools = Room(), ToolDefinitions()
    steps = _steps_of(events, spec.model, room, tools)
    return {
        "schema_version": ATIF,
        "session_id": f"{spec.run}/{spec.key}",
        "agent": {
            "name": AGENT,
            "version": spec.candidate[:12],
            "model_name": spec.model.name,
            **tools.field,
        },
        "steps": steps,
        "final_metrics": final_metrics(events, usage, spec.model, len(steps)),
        "extra": {
            "task": spec.task.name,
            "seed": spec.seed,
            **_instance(spec),
            "log": log,
            "evolve_version": __version__,
            **({"refusals": dict(refusals)} if refusals else {}),
            **({} if start_up is None else {"start_up_seconds": round(start_up, 3)}),
        },
    }


def _steps_of(events: Iterable[Event], model: ModelSpec, room: Room, tools: ToolDefinitions) -> list[Step]:
    """The steps; what the requests offer goes into `tools`.

    Messages have the time at which the request that brought them arrived, answers that of the answer.
    """
    steps: list[Step] = []
    callers: dict[str, Step] = {}
    seen = Conversations()
    for event in events:
        known = len(steps)
        if event["kind"] == "chat":
            messages, answer = event["request"]["messages"], answer_of(event)
            for message in room.kept(messages[seen.common_prefix(messages) :]):
                _add_message(steps, callers, message)
            seen.add([*messages, answer] if answer else list(messages))
            _set_time(steps[known:], event.get(STARTED_AT))
            steps.append(room.fitted(_agent_step(event, answer, model)))
            _set_time(steps[-1:], event.get(ENDED_AT))
            tools.add(event["request"], room)
            callers |= {call["tool_call_id"]: steps[-1] for call in steps[-1].get("tool_calls", [])}
        elif event["kind"] == STATE:
            steps.append(room.fitted(_state_step(event)))
        else:
            _add_command(steps, room.fitted(event))
            _set_time(steps[known:], event.get(STARTED_AT))
    # The format wants one step at least.
    steps = steps or [{"source": "system", "message": NO_REQUEST}]
    return [{"step_id": number, **step} for number, step in enumerate(steps, 1)]


def _set_time(steps: Iterable[Step], at: str | None) -> None:
    """Recordings of earlier versions have no times."""
    for step in steps:
        step |= {} if at is None else {"timestamp": at}


def _instance(spec: TrialSpec) -> dict[str, int]:
    return {} if spec.instance_seed is None else {"instance_seed": spec.instance_seed}


def _add_message(steps: list[Step], callers: Mapping[str, Step], message: Any) -> None:
    if not isinstance(message, Mapping):
        return
    role, content = message.get("role"), _as_text(message.get("content"))
    if role == "assistant":
        steps.append(_copied_step(message))
    elif role == "tool":
        _add_observation(steps, callers, str(message.get("tool_call_id", "")), content)
    else:
        steps.append({"source": "system" if role in ("system", "developer") else "user", "message": content})


def _copied_step(message: Mapping[str, Any]) -> Step:
    reasoning, text = split_reasoning(message)
    step: Step = {"source": "agent", "message": _as_text(text), "is_copied_context": True}
    return {**step, "reasoning_content": reasoning} if reasoning else step


def _add_observation(steps: list[Step], callers: Mapping[str, Step], call_id: str, content: str) -> None:
    """Add a tool's answer to the latest step that made the call; without one, add it as a user's message."""
    if step := callers.get(call_id):
        results = step.setdefault("observation", {"results": []})["results"]
        results.append({"source_call_id": call_id, "content": content})
    else:
        steps.append({"source": "user", "message": content})


def _agent_step(event: Event, answer: Mapping[str, Any] | None, model: ModelSpec) -> Step:
    if answer is None:
        return {
            "source": "system",
            "message": "the model's API refused the request",
            "extra": {"error": event["error"]},
        }
    reasoning, text = split_reasoning(answer)
    step: Step = {"source": "agent", "message": _as_text(text), "llm_call_count": 1}
    if reasoning:
        step["reasoning_content"] = reasoning
    if calls := answer.get("tool_calls"):
        step["tool_calls"] = [_tool_call(call) for call in calls]
    step["metrics"] = call_metrics(event, model)
    return step


def _state_step(event: Event) -> Step:
    message = describe_changes(event)
    return {"source": "system", "message": message, "extra": {"changes": event["changes"]}}


def _tool_call(call: Mapping[str, Any]) -> dict[str, Any]:
    """Convert a tool call; arguments that are not a JSON object are kept as text."""
    function = call.get("function") or {}
    text = str(function.get("arguments", ""))
    try:
        arguments = json.loads(text, parse_constant=_finite, parse_float=_finite)
    except (ValueError, RecursionError):
        arguments = None
    if not isinstance(arguments, dict) or _is_deep(arguments):
        arguments = {"malformed": text}
    return {
        "tool_call_id": str(call.get("id", "")),
        "function_name": str(function.get("name", "")),
        "arguments": arguments,
    }


def _finite(number: str) -> float:
    """The value of a number; JSON has none that is infinite or not a number."""
    if not math.isfinite(value := float(number)):
        raise ValueError(f"{number} is not finite")
    return value


def _is_deep(value: Any) -> bool:
    """Whether lists and objects are nested deeper than MAX_DEPTH, too deep to be serialised again."""
    level = [value]
    for _ in range(MAX_DEPTH):
        inner = [item.values() if isinstance(item, dict) else item for item in level if isinstance(item, dict | list)]
        level = [item for items in inner for item in items]
    return bool(level)


def _add_command(steps: list[Step], event: Event) -> None:
    if not steps:
        steps.append({"source": "system", "message": "commands before the first model call"})
    extra = steps[-1].setdefault("extra", {})
    shown = {key: value for key, value in event.items() if key not in BYTES_FIELDS.values()}
    extra.setdefault("commands", []).append(shown)


def _as_text(content: Any) -> str:
    if content is None:
        return ""
    return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)


def store(path: Path, root: Path, lines: Iterable[Mapping[str, Any]]) -> StoredFile:
    """Write JSON objects, one per line, compressed, without a timestamp in the file.

    The write is atomic. Raises DiskFull.

    Returns:
        The path relative to `root`, and the sha256.
    """
    # The format of gzip, with no time in its header.
    packer = zlib.compressobj(6, wbits=31)
    data = b"".join([*map(packer.compress, lines_of(lines)), packer.flush()])
    disk.write_atomically(path, data)
    return StoredFile(path.relative_to(root).as_posix(), hashlib.sha256(data).hexdigest())


def load(path: Path) -> list[dict[str, Any]]:
    """Load the JSON objects of a stored file. Raises InfraError if it cannot be read."""
    try:
        if not (data := path.read_bytes()):
            raise EOFError("the file is empty")
        text = gzip.decompress(data).decode("utf-8", "surrogatepass")
        values = [json.loads(line) for line in text.split("\n") if line]
        if not all(isinstance(value, dict) for value in values):
            raise ValueError("it does not hold JSON objects")
        return values
    except (OSError, EOFError, ValueError, RecursionError, gzip.zlib.error) as error:  # type: ignore[attr-defined]
        raise InfraError(f"{path}: can't be read: {error}") from error


def is_intact(file: StoredFile, root: Path) -> bool:
    """Whether the file exists and is unchanged since it was stored."""
    path = root / file.path
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == file.sha256
