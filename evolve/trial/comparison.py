"""Compare a recording with that of a replay. Pure."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from evolve.trial.nature import Window, without_nature
from evolve.trial.recording import BYTES_FIELDS, HOST_FIELDS, TIME_FIELDS
from evolve.trial.request_digest import canonical

NOISE = [
    (re.compile(r"\b\d+\.\d+ ?s(ec(onds)?)?\b"), "<seconds>"),
    (re.compile(r"0x[0-9a-f]{6,}"), "<address>"),
    # A random number that Codex CLI gives to each output of a command.
    (re.compile(r"\bChunk ID: [0-9a-f]{6}\b"), "Chunk ID: <id>"),
    # The process of a command in Qwen Code's account of it.
    (re.compile(r"\bProcess Group PGID: \d+"), "Process Group PGID: <id>"),
    # User ids, which have no name: in the output of `id`, and the owner and the group in a long listing.
    (re.compile(r"\b(uid|gid|groups)=\d+"), r"\1=<id>"),
    (re.compile(r"^([-bcdlps][-rwxsStT]{9}[.+@]? +\d+) \d+ +\d+ ", re.MULTILINE), r"\1 <id> <id> "),
]
SHOWN_CHARS = 60
Event = Mapping[str, Any]
Comparable = dict[str, Any]


def normalise(value: Any) -> Any:
    """Replace what differs between two correct runs of one program: durations, addresses, ids of users and others."""
    if isinstance(value, str):
        for pattern, placeholder in NOISE:
            value = pattern.sub(placeholder, value)
        return value
    if isinstance(value, Mapping):
        return {key: normalise(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [normalise(item) for item in value]
    return value


def comparable(event: Event) -> Comparable:
    """What must be the same in a replay of an event.

    Not its seed and random ids, its times, what it overlapped, nor what else the host knew about it.
    """
    kept = {key: value for key, value in event.items() if key not in ("arrival", *TIME_FIELDS, *HOST_FIELDS)}
    if event["kind"] == "chat":
        kept["request"] = canonical(event["request"])
    for field in BYTES_FIELDS.values():
        if field in kept:
            # Each byte as one character, so that durations in it can be found.
            kept[field] = base64.b64decode(kept[field]).decode("latin-1")
    same: Comparable = normalise(kept)
    return same


@dataclass(frozen=True)
class Differences:
    """How a replay differs from its recording.

    Attributes:
        first: The number (from 1) of the first event that differs, except by nature; None if there is none.
        by_nature: What differs by nature alone, such as "step 4 `ps`"; model calls only if no command does.
    """

    first: int | None
    by_nature: tuple[str, ...] = ()


def first_difference(old: Sequence[Event], new: Sequence[Event]) -> int | None:
    """The number (from 1) of the first event of `old` that differs in `new`, or None.

    If requests overlapped in either, the order of events makes no difference: each is compared with one like it.
    """
    return next((number for number, *_ in _different(_pairs(old, new))), None)


def differences(old: Sequence[Event], new: Sequence[Event], then: Window, now: Window) -> Differences:
    """Compare a recording with its replay, where what differs by nature is no difference.

    Args:
        old: The recording.
        new: The replay.
        then: When the recorded trial ran.
        now: When the replay ran.
    """
    natural: list[tuple[str, str]] = []
    for number, recorded, replayed in _different(_pairs(old, new)):
        if recorded is None or without_nature(recorded, then) != without_nature(replayed, now):
            return Differences(number, _named(natural))
        natural.append((recorded["kind"], f"step {number} {_shown(recorded)}"))
    return Differences(None, _named(natural))


def _different(
    pairs: Iterable[tuple[Comparable | None, Comparable | None]],
) -> Iterator[tuple[int, Comparable | None, Comparable | None]]:
    """The pairs that differ, with their numbers."""
    for number, (recorded, replayed) in enumerate(pairs, 1):
        if recorded != replayed and recorded != (text := _as_text_alone(recorded, replayed)):
            yield number, recorded, text


def _named(natural: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Calls of the model repeat what commands printed before."""
    commands = tuple(text for kind, text in natural if kind != "chat")
    return commands or tuple(text for _, text in natural)


def _shown(event: Comparable) -> str:
    """What an event did, in short."""
    what = " ".join(str(event.get("command") or event.get("path") or "").split())
    return f"`{what[:SHOWN_CHARS]}`" if what else str(event["kind"])


def _as_text_alone(old: Comparable | None, new: Comparable | None) -> Comparable | None:
    """The new event without the bytes of outputs that the old one, of an earlier version, has as lossy text alone."""
    if old is None or new is None:
        return new
    lossy = {field for name, field in BYTES_FIELDS.items() if field not in old and "\ufffd" in str(old.get(name))}
    return {key: value for key, value in new.items() if key not in lossy}


def describe_step(old: Sequence[Event], new: Sequence[Event], number: int) -> str:
    """Name the kind and the fields of the differing event, in one line."""
    recorded, replayed = _pairs(old, new)[number - 1]
    if recorded is None or replayed is None:
        return "the recording is longer" if replayed is None else "the replay is longer"
    fields = [key for key in sorted({*recorded, *replayed}) if recorded.get(key) != replayed.get(key)]
    return f"{recorded['kind']}: {', '.join(fields)}"


def _pairs(old: Sequence[Event], new: Sequence[Event]) -> list[tuple[Comparable | None, Comparable | None]]:
    """Each event of `old` with its counterpart, then what is left of `new`; None: there is no counterpart."""
    recorded, replayed = [comparable(event) for event in old], [comparable(event) for event in new]
    if any("arrival" in event for event in (*old, *new)):
        return list(zip_longest(recorded, _reordered(replayed, recorded)))
    return list(zip_longest(recorded, replayed))


def _reordered(events: Sequence[Comparable], order: Sequence[Comparable]) -> list[Comparable | None]:
    """The events in the given order: equal ones at the same places, the others in the gaps and at the end."""
    unused: dict[str, list[int]] = {}
    for position, event in enumerate(events):
        unused.setdefault(_key(event), []).append(position)
    placed = [equal.pop(0) if (equal := unused.get(_key(event))) else None for event in order]
    left = iter(sorted(position for equal in unused.values() for position in equal))
    filled = [next(left, None) if position is None else position for position in placed]
    return [None if position is None else events[position] for position in [*filled, *left]]


def _key(event: Comparable) -> str:
    return json.dumps(event, sort_keys=True)
