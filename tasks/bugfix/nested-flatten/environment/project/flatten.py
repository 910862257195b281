"""Flattening and mapping of nested sequences."""

from collections.abc import Iterable

TEXT = (str, bytes)


def flatten(items, depth=None, atoms=TEXT):
    """Yield the items of nested iterables one after the other.

    ``depth`` limits how many levels are opened (None: all of them), and
    objects of the types in ``atoms`` are never opened.
    """
    for item in items:
        nested = isinstance(item, Iterable) and not isinstance(item, atoms)
        if not nested or depth == 0:
            yield item
        else:
            deeper = None if depth is None else depth
            yield from flatten(item, deeper, atoms)


def nesting(items, atoms=TEXT):
    """Return how many levels the iterable has; a flat one has 1."""
    levels = [
        nesting(item, atoms)
        for item in items
        if isinstance(item, Iterable) and not isinstance(item, atoms)
    ]
    return 1 + max(levels, default=0)


def deep_map(function, items):
    """Return nested lists with the function applied to all that are no lists."""
    return [
        deep_map(function, item) if isinstance(item, list) else function(item)
        for item in items
    ]
