"""Build trajectories in ATIF (Agent Trajectory Interchange Format, v1.8), and store them and recordings.

A recording is the list of events that passed a trial's gateway: one JSON object per line, compressed.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from evolve import __version__
from evolve.core.errors import InfraError
from evolve.core.records import StoredFile, TrialSpec, Usage
from evolve.host import disk
from evolve.llm.reasoning import split_reasoning
from evolve.trial.recording import BYTES_FIELDS, encode_line, lines_of

ATIF = "ATIF-v1.8"
MAX_DEPTH = 100
NONE: Mapping[str, int] = MappingProxyType({})
# Bytes of a trajectory's texts. What comes later is cut to so many characters; the recording has all of it.
MAX_TEXT = 16_000_000
CUT_CHARS = 1000
LEFT_OUT = "[left out: the trajectory is too large; see the recording]"
Event = Mapping[str, Any]
Step = dict[str, Any]


def build(
    spec: TrialSpec, events: Sequence[Event], usage: Usage, log: str, refusals: Mapping[str, int] = NONE
) -> dict[str, Any]:
    """Build one ATIF document from a trial's events. Commands are in `extra` of the agent's step that they followed.

    refusals: how many requests the gateway refused, by the error's code.
    """
    steps: list[Step] = []
    callers: dict[str, Step] = {}
    seen: list[Any] = []
    room = _Room()
    for event in events:
        if event["kind"] == "chat":
            messages = event["request"]["messages"]
            for message in room.kept(messages[_common_prefix(seen, messages) :]):
                _add_message(steps, callers, message)
            answer = (event.get("response") or {}).get("choices", [{}])[0].get("message")
            seen = [*messages, answer] if answer else list(messages)
            steps.append(room.fitted(_agent_step(event, answer)))
            callers |= {call["tool_call_id"]: steps[-1] for call in steps[-1].get("tool_calls", [])}
        else:
            _add_command(steps, room.fitted(event))
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
        "extra": {
            "task": spec.task.name,
            "seed": spec.seed,
            **_instance(spec),
            "log": log,
            "evolve_version": __version__,
            **({"refusals": dict(refusals)} if refusals else {}),
        },
    }


def _instance(spec: TrialSpec) -> dict[str, int]:
    return {} if spec.instance_seed is None else {"instance_seed": spec.instance_seed}


class _Room:
    """How many bytes of text a trajectory may still get."""

    def __init__(self) -> None:
        self._left = MAX_TEXT

    def fitted(self, value: Mapping[str, Any]) -> dict[str, Any]:
        """The value, with its texts cut if there is no room for it."""
        return dict(value) if self._has_taken(value) else _cut(value)

    def kept(self, messages: Sequence[Any]) -> Iterator[Any]:
        """The messages; a note in place of the first one without room and all after it."""
        for message in messages:
            if not self._has_taken(message):
                yield {"role": "system", "content": LEFT_OUT}
                return
            yield message

    def _has_taken(self, value: Any) -> bool:
        self._left -= len(encode_line(value))
        return self._left >= 0


def _cut(value: Any) -> Any:
    """The value with the beginnings of its texts and lists."""
    if isinstance(value, str):
        return value if len(value) <= CUT_CHARS else f"{value[:CUT_CHARS]} {LEFT_OUT}"
    if isinstance(value, Mapping):
        return {key: _cut(item) for key, item in value.items()}
    return [_cut(item) for item in value[:CUT_CHARS]] if isinstance(value, list) else value


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
