"""The joins. At any time one group of each stream is held in memory."""
from .groups import groups

KINDS = ("inner", "left", "right", "outer")


def match(left_rows, right_rows):
    """Yield (key, left values, right values) for each key of either stream.

    The keys are ascending; values are None where the key does not occur.
    """
    lefts, rights = groups(left_rows), groups(right_rows)
    left, right = next(lefts, None), next(rights, None)
    while left and right:
        if left[0] == right[0]:
            yield left[0], left[1], right[1]
            left, right = next(lefts, None), next(rights, None)
        elif left[0] < right[0]:
            yield left[0], left[1], None
            left = next(lefts, None)
        else:
            yield right[0], None, right[1]
            right = next(rights, None)
    while left:
        yield left[0], left[1], None
        left = next(lefts, None)
    while right:
        yield right[0], None, right[1]
        right = next(rights, None)


def join(left_rows, right_rows, how="inner"):
    """Yield (key, left value, right value) in the order of the keys.

    Each left row is combined with each right row of the same key. "left",
    "right" and "outer" joins also yield the rows of the left, of the right,
    or of both streams that have no partner, with None in its place.
    """
    if how not in KINDS:
        raise ValueError(f"unknown join {how!r}")
    for key, lefts, rights in match(left_rows, right_rows):
        if lefts is None and how not in ("right", "outer"):
            continue
        if rights is None and how not in ("left", "outer"):
            continue
        for left in lefts or [None]:
            for right in rights or [None]:
                yield key, left, right
