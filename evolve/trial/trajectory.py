"""Build trajectories in ATIF (Agent Trajectory Interchange Format, v1.8), and store and compare recordings.

A recording is the list of events that passed a trial's gateway: one JSON object per line, compressed.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from evolve import __version__
from evolve.core.errors import InfraError
from evolve.core.records import StoredFile, TrialSpec, Usage
from evolve.host import disk
from evolve.llm.reasoning import split_reasoning
from evolve.trial.request_digest import canonical

ATIF = "ATIF-v1.8"
NOISE = [
    (re.compile(r"\b\d+\.\d+ ?s(ec(onds)?)?\b"), "<seconds>"),
    (re.compile(r"0x[0-9a-f]{6,}"), "<address>"),
]
MAX_DEPTH = 100
Event = Mapping[str, Any]
Step = dict[str, Any]


def build(spec: TrialSpec, events: Sequence[Event], usage: Usage, log: str) -> dict[str, Any]:
    """Build one ATIF document from a trial's events. Commands are in `extra` of the agent's step that they followed."""
    steps: list[Step] = []
    callers: dict[str, Step] = {}
    seen: list[Any] = []
    for event in events:
        if event["kind"] == "chat":
            messages = event["request"]["messages"]
            for message in messages[_common_prefix(seen, messages) :]:
                _add_message(steps, callers, message)
            answer = (event.get("response") or {}).get("choices", [{}])[0].get("message")
            seen = [*messages, answer] if answer else list(messages)
            steps.append(_agent_step(event, answer))
            callers |= {call["tool_call_id"]: steps[-1] for call in steps[-1].get("tool_calls", [])}
        else:
            _add_command(steps, event)
    for number, step in enumerate(steps, 1):
        step["step_id"] = number
    return {
        "schema_version": ATIF,
        "session_id": f"{spec.run}/{spec.key}",
        "agent": {"name": "evolve-scaffold", "version": spec.candidate[:12], "model_name": spec.model.name},
        "steps": steps,
        "final_metrics": {
            "total_prompt_tokens": usage.prompt_tokens,
            "total_completion_tokens": usage.completion_tokens,
            "total_cost_usd": usage.cost_usd,
            "total_steps": len(steps),
        },
        "extra": {"task": spec.task.name, "seed": spec.seed, "log": log, "evolve_version": __version__},
    }


def _common_prefix(old: Sequence[Any], new: Sequence[Any]) -> int:
    """The number of leading messages that both lists share."""
    count = 0
    for before, after in zip(old, new, strict=False):
        if _without_empty(before) != _without_empty(after):
            break
        count += 1
    return count


def _without_empty(message: Any) -> Any:
    """The message without empty fields, which clients add and drop."""
    if not isinstance(message, Mapping):
        return message
    return {key: value for key, value in message.items() if value not in (None, [], "")}


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


def _agent_step(event: Event, answer: Mapping[str, Any] | None) -> Step:
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
    usage = event["response"].get("usage") or {}
    step["metrics"] = {
        "prompt_tokens": usage.get("prompt_tokens", 0),
        "completion_tokens": usage.get("completion_tokens", 0),
    }
    return step


def _tool_call(call: Mapping[str, Any]) -> dict[str, Any]:
    """Convert a tool call; arguments that are not a JSON object are kept as text."""
    function = call.get("function") or {}
    text = str(function.get("arguments", ""))
    try:
        arguments = json.loads(text)
    except (ValueError, RecursionError):
        arguments = None
    if not isinstance(arguments, dict) or _is_deep(arguments):
        arguments = {"malformed": text}
    return {
        "tool_call_id": str(call.get("id", "")),
        "function_name": str(function.get("name", "")),
        "arguments": arguments,
    }


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
    extra.setdefault("commands", []).append(dict(event))


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
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    data = gzip.compress(text.encode("utf-8", "surrogatepass"), compresslevel=6, mtime=0)
    disk.write_atomically(path, data)
    return StoredFile(path.relative_to(root).as_posix(), hashlib.sha256(data).hexdigest())


def load(path: Path) -> list[dict[str, Any]]:
    """Load the JSON objects of a stored file. Raises InfraError if it cannot be read."""
    try:
        if not (data := path.read_bytes()):
            raise EOFError("the file is empty")
        text = gzip.decompress(data).decode("utf-8", "surrogatepass")
        return [json.loads(line) for line in text.split("\n") if line]
    except (OSError, EOFError, ValueError, gzip.zlib.error) as error:  # type: ignore[attr-defined]
        raise InfraError(f"{path}: can't be read: {error}") from error


def is_intact(file: StoredFile, root: Path) -> bool:
    """Whether the file exists and is unchanged since it was stored."""
    path = root / file.path
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == file.sha256


def normalise(value: Any) -> Any:
    """Replace what differs between two correct runs of one program: durations and memory addresses."""
    if isinstance(value, str):
        for pattern, placeholder in NOISE:
            value = pattern.sub(placeholder, value)
        return value
    if isinstance(value, Mapping):
        return {key: normalise(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [normalise(item) for item in value]
    return value


def comparable(event: Event) -> dict[str, Any]:
    """What must be the same in a replay of an event: not its seed and random ids, nor what it overlapped with."""
    kept = {key: value for key, value in event.items() if key != "arrival"}
    if event["kind"] == "chat":
        kept["request"] = canonical(event["request"])
    same: dict[str, Any] = normalise(kept)
    return same


def first_difference(old: Sequence[Event], new: Sequence[Event]) -> int | None:
    """The number (from 1) of the first event of `old` that differs in `new`, or None.

    If requests overlapped in either, the order of events makes no difference: each is compared with one like it.
    """
    for number, (recorded, replayed) in enumerate(_pairs(old, new), 1):
        if recorded != replayed:
            return number
    return None


def describe_step(old: Sequence[Event], new: Sequence[Event], number: int) -> str:
    """Name the kind and the fields of the differing event, in one line."""
    recorded, replayed = _pairs(old, new)[number - 1]
    if recorded is None or replayed is None:
        return "the recording is longer" if replayed is None else "the replay is longer"
    fields = [key for key in sorted({*recorded, *replayed}) if recorded.get(key) != replayed.get(key)]
    return f"{recorded['kind']}: {', '.join(fields)}"


def _pairs(old: Sequence[Event], new: Sequence[Event]) -> list[tuple[Step | None, Step | None]]:
    """Each event of `old` with its counterpart, then what is left of `new`; None: there is no counterpart."""
    recorded, replayed = [comparable(event) for event in old], [comparable(event) for event in new]
    if any("arrival" in event for event in (*old, *new)):
        return list(zip_longest(recorded, _reordered(replayed, recorded)))
    return list(zip_longest(recorded, replayed))


def _reordered(events: Sequence[Step], order: Sequence[Step]) -> list[Step | None]:
    """The events in the given order: equal ones at the same places, the others in the gaps and at the end."""
    unused: dict[str, list[int]] = {}
    for position, event in enumerate(events):
        unused.setdefault(_key(event), []).append(position)
    placed = [equal.pop(0) if (equal := unused.get(_key(event))) else None for event in order]
    left = iter(sorted(position for equal in unused.values() for position in equal))
    filled = [next(left, None) if position is None else position for position in placed]
    return [None if position is None else events[position] for position in [*filled, *left]]


def _key(event: Step) -> str:
    return json.dumps(event, sort_keys=True)
