"""How many bytes of text a trajectory may have, and how values are cut when there is no room."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from evolve.trial.recording import encode_line

# Bytes of a trajectory's texts. What comes later is cut to so many characters; the recording has all of it.
MAX_TEXT = 16_000_000
CUT_CHARS = 1000
LEFT_OUT = "[left out: the trajectory is too large; see the recording]"


class Room:
    """How many bytes of text a trajectory may still get."""

    def __init__(self) -> None:
        self._left = MAX_TEXT

    def fitted(self, value: Mapping[str, Any]) -> dict[str, Any]:
        """The value, with its texts cut if there is no room for it."""
        return dict(value) if self.take(value) else _cut(value)

    def kept(self, messages: Sequence[Any]) -> Iterator[Any]:
        """The messages; a note in place of the first one without room and all after it."""
        for message in messages:
            if not self.take(message):
                yield {"role": "system", "content": LEFT_OUT}
                return
            yield message

    def take(self, value: Any) -> bool:
        """Take the room that a value needs; returns whether there was enough."""
        self._left -= len(encode_line(value))
        return self._left >= 0


def _cut(value: Any) -> Any:
    """The value with the beginnings of its texts and lists."""
    if isinstance(value, str):
        return value if len(value) <= CUT_CHARS else f"{value[:CUT_CHARS]} {LEFT_OUT}"
    if isinstance(value, Mapping):
        return {key: _cut(item) for key, item in value.items()}
    return [_cut(item) for item in value[:CUT_CHARS]] if isinstance(value, list) else value
