"""The recording of a running trial: its events as the lines that are stored, so that their size in memory is known."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, overload

# Fields of a command's event that hold an output byte for byte, in base64, where its text lost something.
BYTES_FIELDS = {"stdout": "stdout_base64", "stderr": "stderr_base64"}
# When an event's request arrived, and when it was answered: two texts of a fixed length.
STARTED_AT, ENDED_AT = TIME_FIELDS = ("started_at", "ended_at")
# What the host knows besides about a call: the seconds between these times in which it waited or failed, if that was
# long; the most tokens that the scaffold asked for, if the run allows more; whether its answer is the parent's.
WAITED, ASKED_TOKENS, REUSED = HOST_FIELDS = ("waited_seconds", "asked_tokens", "reused")
Event = Mapping[str, Any]
NOTHING: Event = MappingProxyType({})


def encode_line(event: Event) -> bytes:
    """The line of JSON, in UTF-8, that a file has for an event."""
    return json.dumps(event, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"


def output_fields(stdout: bytes, stderr: bytes) -> dict[str, str]:
    """The fields of a command's event for its output: as text, and in base64 where it is no UTF-8."""
    fields = {}
    for name, data in (("stdout", stdout), ("stderr", stderr)):
        fields[name] = data.decode(errors="replace")
        if fields[name].encode() != data:
            fields[BYTES_FIELDS[name]] = base64.b64encode(data).decode("ascii")
    return fields


def output_bytes(event: Event, name: str) -> bytes:
    """The bytes of a recorded output, `stdout` or `stderr`. Recordings of earlier versions have its text alone."""
    if (encoded := event.get(BYTES_FIELDS[name])) is not None:
        return base64.b64decode(encoded)
    return str(event.get(name, "")).encode("utf-8", "surrogatepass")


def lines_of(events: Iterable[Event]) -> Iterator[bytes]:
    """The lines of a file with these events, one at a time."""
    if isinstance(events, Recording):
        return events.lines()
    return map(encode_line, events)


class Recording(Sequence[Event]):
    """Events in order. Each access decodes its event anew: a text in memory may take four times its bytes."""

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self._lines = [encode_line(event) for event in events]

    def append(self, event: Event, times: Sequence[str] = (), host: Event = NOTHING) -> int:
        """Add an event.

        Args:
            times: of TIME_FIELDS.
            host: of HOST_FIELDS.

        Returns:
            Its bytes as it is stored, without what the host adds: these two.
        """
        added = {**dict(zip(TIME_FIELDS, times, strict=False)), **host}
        self._lines.append(encode_line({**event, **added}))
        return len(self._lines[-1]) - sum(len(f', "{name}": {json.dumps(value)}') for name, value in added.items())

    def lines(self) -> Iterator[bytes]:
        """The lines of the file."""
        return iter(self._lines)

    def __len__(self) -> int:
        return len(self._lines)

    @overload
    def __getitem__(self, index: int) -> Event: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Event]: ...
    def __getitem__(self, index: int | slice) -> Event | Sequence[Event]:
        if isinstance(index, slice):
            return [_decode(line) for line in self._lines[index]]
        return _decode(self._lines[index])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(_are_equal, self, other))

    __hash__ = None  # type: ignore[assignment]


def _are_equal(event: Event, other: object) -> bool:
    return event == other


def _decode(line: bytes) -> Event:
    event: Event = json.loads(line.decode("utf-8", "surrogatepass"))
    return event
