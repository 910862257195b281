"""Histograms with equally wide bins."""

import math


class Histogram:
    """Counts of values between ``low`` and ``high`` in equal bins.

    A value on the edge of two bins counts in the upper one; only ``high``
    itself counts in the last bin. Values outside are counted apart, in
    ``below`` and ``above``.
    """

    def __init__(self, low, high, bins):
        if not low < high:
            raise ValueError("low must be less than high")
        if bins < 1:
            raise ValueError("at least one bin is needed")
        self.low = low
        self.high = high
        self.counts = [0] * bins
        self.below = 0
        self.above = 0

    @property
    def width(self):
        """The width of one bin."""
        return (self.high - self.low) / len(self.counts)

    def add(self, value, times=1):
        """Count a value."""
        index = math.floor((value - self.low) / self.width)
        if value == self.high:
            index = len(self.counts) - 1
        if index < 0:
            self.below += times
        elif index >= len(self.counts):
            self.above += times
        else:
            self.counts[index] += times

    def extend(self, values):
        """Count many values."""
        for value in values:
            self.add(value)

    def total(self):
        """Return the number of values inside the range."""
        return sum(self.counts)

    def edges(self):
        """Return the edges of the bins, one more than there are bins."""
        return [self.low + i * self.width for i in range(len(self.counts) + 1)]

    def density(self):
        """Return the heights of the bins such that the area is 1."""
        area = self.total() * self.width
        if not area:
            raise ValueError("no values in the range")
        return [count / area for count in self.counts]

    def __add__(self, other):
        """Return a histogram of the values of both."""
        mine = (self.low, self.high, len(self.counts))
        if mine == (other.low, other.high, len(other.counts)):
            raise ValueError("histograms with different bins")
        result = Histogram(*mine)
        result.counts = [a + b for a, b in zip(self.counts, other.counts)]
        result.below = self.below + other.below
        result.above = self.above + other.above
        return result
