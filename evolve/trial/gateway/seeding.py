"""The seeds of a trial's model calls: by their index for calls in a row, by their content for calls that overlap. Pure.

Calls that overlap arrive in any order, so what the order decides must not show. Three rules:

1. A call that arrives while none is in progress has the next index, and its seed depends on that alone: candidates
   share their luck, call by call.
2. Calls that arrive while the first ones of a trial that overlap are all still in progress share the index of the one
   that arrived first, so it does not matter which that was.
3. Once one of these has ended, what comes next depends on which ended first. From then on a seed depends only on the
   request's digest, and on how many equal requests came before.

Equal requests are told apart by their number; which of them has which seed makes no difference.
"""

from __future__ import annotations

from collections import Counter

from evolve.core.records import stable_hash

MASK = 0x7FFFFFFF


class Seeding:
    """Give each call of a trial its seed. Not thread-safe: calls start and end under the caller's lock."""

    def __init__(self, trial_seed: int) -> None:
        self._trial_seed = trial_seed
        self._index = self._in_progress = 0
        self._overlapped = self._by_content = False
        # How many equal requests started: since the index changed, and later of all whose seeds go by content.
        self._equal: Counter[str] = Counter()

    def start(self, digest: str) -> int:
        """Start a call and return its seed, in [0, 2**31).

        Args:
            digest: Of its request, without what differs between equal runs of a scaffold.
        """
        if self._in_progress:
            self._overlapped = True
        elif not self._by_content:
            self._index += 1
            self._equal.clear()
        self._in_progress += 1
        number = self._equal[digest]
        self._equal[digest] += 1
        return self._seed(digest, number) & MASK

    def _seed(self, digest: str, number: int) -> int:
        if self._by_content:
            return stable_hash(self._trial_seed, "overlapping", digest, number)
        return stable_hash(self._trial_seed, self._index, *((number,) if number else ()))

    def end(self) -> None:
        """End a call, before its answer can have an effect."""
        self._in_progress -= 1
        if self._overlapped and not self._by_content:
            self._by_content = True
            self._equal.clear()

    def withdraw(self) -> None:
        """Take back the start of a call that was not made: if it stood alone, the next call has its index."""
        self._in_progress -= 1
        if self._in_progress == 0 and not self._overlapped:
            self._index -= 1
