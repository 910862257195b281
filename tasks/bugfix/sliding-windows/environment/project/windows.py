"""Windows over iterables of any kind."""
from collections import deque


def windows(iterable, size, step=1):
    """Yield tuples of ``size`` consecutive elements.

    The first window begins at the first element, each further one ``step``
    elements later. Incomplete windows are left out.
    """
    if size < 1 and step < 1:
        raise ValueError("size and step must be at least 1")
    recent = deque(maxlen=size)
    for index, item in enumerate(iterable):
        recent.append(item)
        start = index - size + 1
        if start >= 0 and start % step == 0:
            yield tuple(recent)


def pairs(iterable, cyclic=False):
    """Yield pairs of neighbours; if ``cyclic``, also (last, first)."""
    iterator = iter(iterable)
    try:
        first = previous = next(iterator)
    except StopIteration:
        return
    for item in iterator:
        yield previous, item
        previous = item
    if cyclic:
        yield previous, first
