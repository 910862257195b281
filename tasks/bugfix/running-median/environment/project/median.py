"""Medians of growing and of sliding series."""

import heapq
from bisect import bisect_left, insort
from collections import deque


class RunningMedian:
    """Median of all values seen so far, kept in two heaps.

    The lower half of the values (and the middle one, if their number is
    odd) is in ``_low``, a heap of the negated values; the rest in ``_high``.
    """

    def __init__(self, values=()):
        self._low = []
        self._high = []
        for value in values:
            self.add(value)

    def __len__(self):
        return len(self._low) + len(self._high)

    def add(self, value):
        """Take in one more value."""
        if self._low and value < -self._low[0]:
            heapq.heappush(self._high, value)
        else:
            heapq.heappush(self._low, -value)
        if len(self._low) > len(self._high) + 1:
            heapq.heappush(self._high, -heapq.heappop(self._low))
        elif len(self._high) > len(self._low):
            heapq.heappush(self._low, -heapq.heappop(self._high))

    def median(self):
        """Return the median; of an even number the mean of the middle two."""
        if not self._low:
            raise ValueError("no values yet")
        if len(self) % 2:
            return -self._low[0]
        return (-self._low[0] + self._high[0]) / 2


class SlidingMedian:
    """Median of the last ``size`` values."""

    def __init__(self, size):
        if size < 1:
            raise ValueError("size must be at least 1")
        self._size = size
        self._window = deque()
        self._ordered = []

    def add(self, value):
        """Take in a value, drop the oldest if there are too many."""
        self._window.append(value)
        insort(self._ordered, value)
        if len(self._window) > self._size:
            oldest = self._window.popleft()
            del self._ordered[bisect_left(self._ordered, oldest)]

    def median(self):
        """Return the median of the values in the window."""
        if not self._ordered:
            raise ValueError("no values yet")
        middle = len(self._ordered) // 2
        if len(self._ordered) % 2:
            return self._ordered[middle]
        return (self._ordered[middle - 1] + self._ordered[middle]) / 2
