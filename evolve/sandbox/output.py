"""One stream of a command's output: it keeps the beginning and the end, and finds the token that closes it."""

from __future__ import annotations

KEEP_BYTES = 64_000
HALF = KEEP_BYTES // 2
CUT = b"\n[... cut ...]\n"


class Tail:
    """Keeps the beginning and the end of one stream, and finds the token at its end."""

    def __init__(self, token: bytes) -> None:
        self.token = token
        self.head = bytearray()
        self.tail = bytearray()
        self.total = 0

    def feed(self, data: bytes) -> None:
        """Add the next bytes of the stream."""
        self.total += len(data)
        room = HALF - len(self.head)
        if room > 0:
            self.head += data[:room]
            data = data[room:]
        self.tail += data
        if len(self.tail) > 2 * KEEP_BYTES:
            del self.tail[:-KEEP_BYTES]

    def status(self) -> bytes | None:
        """The text between the token and the end of its line, which only stdout has; None before the token came."""
        text = bytes(self.head + self.tail)[-2 * HALF :]
        start = text.rfind(self.token)
        if start < 0 or b"\n" not in text[start:]:
            return None
        end = text.index(b"\n", start)
        self._drop(len(text) - start)
        return text[start + len(self.token) : end]

    def _drop(self, count: int) -> None:
        """Remove the token's line from the end."""
        self.total -= count
        beyond = count - len(self.tail)
        del self.tail[max(len(self.tail) - count, 0) :]
        if beyond > 0:
            del self.head[len(self.head) - beyond :]

    @property
    def cut(self) -> bool:
        return self.total > KEEP_BYTES

    def text(self) -> bytes:
        """The whole output, or its first and last HALF bytes. It depends on the output only, not on its timing."""
        if not self.cut:
            return bytes(self.head + self.tail)
        return bytes(self.head) + CUT + bytes(self.tail[-HALF:])
