"""An iterator with look-ahead."""
from collections import deque

_NOTHING = object()


class Peekable:
    """Wraps an iterable; elements can be looked at before they are taken.

    The object is true as long as there are elements left. Nothing is read
    from the source before it is needed.
    """

    def __init__(self, iterable):
        self._source = iter(iterable)
        self._waiting = deque()

    def __iter__(self):
        return self

    def __next__(self):
        if self._waiting:
            return self._waiting.popleft()
        return next(self._source)

    def __bool__(self):
        return self._load(1)

    def _load(self, count):
        """Read until ``count`` elements wait; tell whether it worked."""
        while len(self._waiting) <= count:
            item = next(self._source, _NOTHING)
            if item is _NOTHING:
                return False
            self._waiting.append(item)
        return True

    def peek(self, default=_NOTHING):
        """Return the next element without taking it.

        At the end the default is returned if there is one; otherwise
        StopIteration is raised.
        """
        if self._load(1):
            return self._waiting[0]
        if default is _NOTHING:
            raise StopIteration
        return default

    def look_ahead(self, count):
        """Return a list of up to ``count`` elements without taking them."""
        self._load(count)
        return [self._waiting[i] for i in range(min(count, len(self._waiting)))]

    def prepend(self, *items):
        """Put elements in front; the first of them will come out first."""
        self._waiting.extendleft(reversed(items))

    def take_while(self, predicate):
        """Yield elements as long as they fulfil the predicate.

        The first one that does not is left in place.
        """
        while self._load(1) and predicate(self._waiting[0]):
            yield self._waiting.popleft()
