"""Closed integer intervals given as (start, end) pairs."""


def _check(interval):
    start, end = interval
    if start > end:
        raise ValueError(f"start {start} is after end {end}")
    return start, end


def merge(intervals):
    """Return the sorted, disjoint intervals covering the same points.

    Intervals that overlap or share an end point are joined.
    """
    merged = []
    for start, end in sorted(_check(item) for item in intervals):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def covered(intervals):
    """Return the total length covered by the intervals."""
    return sum(end - start for start, end in merge(intervals))


def gaps(intervals):
    """Return the holes between the merged intervals."""
    merged = merge(intervals)
    return [(left[1], right[1]) for left, right in zip(merged, merged[1:])]


def contains(intervals, point):
    """Tell whether the point lies in one of the intervals."""
    return any(start <= point <= end for start, end in intervals)
