"""The map itself: a sorted list of disjoint spans."""
from bisect import bisect_right

from .spans import Span


class RangeMap:
    """Assigns values to half-open ranges of integers.

    The spans are disjoint and sorted. Neighbours with equal values which
    touch each other are joined by every assignment.
    """

    def __init__(self):
        self._spans = []

    def __len__(self):
        return len(self._spans)

    def get(self, point, default=None):
        """Return the value at ``point``."""
        index = bisect_right(self._spans, point, key=lambda s: s.start) - 1
        if index >= 0 and point < self._spans[index].stop:
            return self._spans[index].value
        return default

    def assign(self, start, stop, value):
        """Give all of ``start`` up to ``stop`` the value."""
        new = Span(start, stop, value)
        index = self._cut_out(start, stop)
        self._spans.insert(index, new)
        self._join(index)

    def clear(self, start, stop):
        """Leave ``start`` up to ``stop`` without values."""
        if start < stop:
            self._cut_out(start, stop)

    def items(self):
        return [(s.start, s.stop, s.value) for s in self._spans]

    def gaps(self, start, stop):
        """Return the (start, stop) ranges without values between the two."""
        found = []
        for span in self._spans:
            if span.overlaps(start, stop):
                if start < span.start:
                    found.append((start, span.start))
                start = span.stop
        if start < stop:
            found.append((start, stop))
        return found

    def _cut_out(self, start, stop):
        """Remove everything within the range, cutting spans at its ends.

        Returns the index at which a span for the range has to be inserted.
        """
        kept, index = [], 0
        for span in self._spans:
            if not span.overlaps(start, stop):
                kept.append(span)
                index += span.stop <= start
                continue
            rest = span.before(start) or span.after(stop)
            if rest:
                kept.append(rest)
                index += rest.stop <= start
        self._spans = kept
        return index

    def _join(self, index):
        """Join the span at ``index`` with equal touching neighbours."""
        span = self._spans[index]
        low, high = index, index + 1
        if low and self._touching(self._spans[low - 1], span):
            low -= 1
        if high < len(self._spans) and self._touching(span, self._spans[high]):
            high += 1
        first, last = self._spans[low], self._spans[high - 1]
        self._spans[low:high] = [Span(first.start, last.stop, span.value)]

    @staticmethod
    def _touching(left, right):
        return left.stop == right.start and left.value == right.value
