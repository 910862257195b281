"""Looks for keys in what is about to leave this machine."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterable
from urllib.parse import quote

from evolve.core.config import RunConfig
from evolve.core.errors import BadInput
from evolve.core.secrets import LEAST_LENGTH, environment_secrets
from evolve.export.redaction import Redactor


class KeySearch:
    """The values of this process's keys, as they may stand in a file."""

    def __init__(self, secrets: Iterable[str]) -> None:
        spellings = {spelling for secret in secrets for spelling in _spellings(secret)}
        self._spellings = sorted(one for one in spellings if len(one) >= LEAST_LENGTH)
        self.overlap = max((len(one) for one in self._spellings), default=1) - 1

    @classmethod
    def of(cls, config: RunConfig) -> KeySearch:
        """Of a run's models, and of what the environment names as secrets."""
        return cls((*Redactor.of(config).secrets, *environment_secrets(os.environ)))

    def finds(self, data: bytes) -> bool:
        return any(spelling in data for spelling in self._spellings)

    def check(self, where: str, data: bytes) -> None:
        """Raise BadInput if a key is in the data."""
        if self.finds(data):
            raise _refusal(where)

    def stream(self, where: str) -> StreamSearch:
        """A search in a file that comes in parts."""
        return StreamSearch(self, where, where.endswith(".gz"))


class StreamSearch:
    """Searches one file, and what it unpacks to if it is compressed."""

    def __init__(self, search: KeySearch, where: str, compressed: bool) -> None:
        self._search, self._where = search, where
        self._unpacker = zlib.decompressobj(wbits=31) if compressed else None
        self._tail, self._unpacked_tail = b"", b""

    def __call__(self, chunk: bytes) -> None:
        """Raise BadInput if a key ends in this part."""
        self._tail = self._next(self._tail, chunk)
        if self._unpacker is not None:
            try:
                self._unpacked_tail = self._next(self._unpacked_tail, self._unpacker.decompress(chunk))
            except zlib.error:
                self._unpacker = None

    def _next(self, tail: bytes, chunk: bytes) -> bytes:
        data = tail + chunk
        self._search.check(self._where, data)
        return data[-self._search.overlap :] if self._search.overlap else b""


def _spellings(secret: str) -> set[bytes]:
    """A secret as it stands in a text, in JSON (once and twice encoded) and in an address."""
    bare = secret.strip()
    once = json.dumps(bare)[1:-1]
    return {text.encode("utf-8", "replace") for text in (bare, once, json.dumps(once)[1:-1], quote(bare, safe=""))}


def _refusal(where: str) -> BadInput:
    fix = "revoke that key; then pack the run with the variable unset, if it may go out"
    return BadInput(where, "holds the value of a key of this environment", fix)
