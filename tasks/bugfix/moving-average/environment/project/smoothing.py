"""Smoothing of measured series."""

from collections import deque


class MovingAverage:
    """Mean of the last ``size`` values; of fewer at the beginning."""

    def __init__(self, size):
        if size < 1:
            raise ValueError("size must be at least 1")
        self.size = size
        self._values = deque()
        self._total = 0

    def push(self, value):
        """Add a value and return the new mean."""
        self._values.append(value)
        self._total += value
        if len(self._values) > self.size:
            self._total -= self._values.pop()
        return self._total / len(self._values)

    def reset(self):
        """Forget all values."""
        self._values.clear()
        self._total = 0


def smooth(series, size):
    """Return the moving averages of a series; None in it marks a gap.

    After a gap the averaging starts anew; the gap itself stays None.
    """
    average = MovingAverage(size)
    result = []
    for value in series:
        if value is None:
            average.reset()
            result.append(None)
        else:
            result.append(average.push(value))
    return result
