"""An ordered multiset: a bag of comparable values with their counts."""


class Multiset:
    """Counts how often each value was added; iterates in sorted order."""

    def __init__(self, values=()):
        self._counts = {}
        for value in values:
            self.add(value)

    def add(self, value, times=1):
        if times < 0:
            raise ValueError("times must not be negative")
        if times:
            self._counts[value] = self._counts.get(value, 0) + times

    def discard(self, value, times=1):
        """Remove up to ``times`` occurrences; return how many there were."""
        removed = max(times, self.count(value))
        if removed:
            self._counts[value] -= removed
            if not self._counts[value]:
                del self._counts[value]
        return removed

    def count(self, value):
        return self._counts.get(value, 0)

    def __len__(self):
        return sum(self._counts.values())

    def __iter__(self):
        for value in sorted(self._counts):
            yield from [value] * self._counts[value]

    def top(self, limit=None):
        """Return the ``limit`` most frequent values as (value, count) pairs.

        Equally frequent values come in sorted order; without a limit all
        values are returned.
        """
        ranked = sorted(self._counts.items(), key=lambda p: (-p[1], p[0]))
        return ranked if limit is None else ranked[:limit]
