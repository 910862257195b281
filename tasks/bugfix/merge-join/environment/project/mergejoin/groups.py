"""Runs of rows with equal keys."""


class UnsortedError(ValueError):
    """The keys of a stream are not in ascending order."""


def groups(rows):
    """Yield (key, list of values) for each run of equal keys in ``rows``."""
    key, values = None, []
    for row_key, value in rows:
        if values and row_key != key:
            if row_key < key:
                raise UnsortedError(f"{row_key!r} after {key!r}")
            yield key, values
            values = []
        key = row_key
        values.append(value)
    if values:
        yield key, values
