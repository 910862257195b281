"""The little of pytest that the published tests use, so that an image needs nothing but Python."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

use_correct = False
run_slow = False


class Skipped(Exception):
    """A test asked to be left out."""


def skip(reason: str) -> None:
    raise Skipped(reason)


class approx:
    """Equal to a number that differs by at most `abs`."""

    def __init__(self, expected: float, abs: float = 1e-12) -> None:
        self.expected, self.most = expected, abs

    def __eq__(self, other: object) -> bool:
        return isinstance(other, int | float) and -self.most <= other - self.expected <= self.most

    __hash__ = None  # type: ignore[assignment]


class _Mark:
    """Marks of test functions."""

    @staticmethod
    def parametrize(names: str, values: Sequence[Any]) -> Callable[[Any], Any]:
        def mark(function: Any) -> Any:
            function.parameters = (tuple(name.strip() for name in names.split(",")), values)
            return function

        return mark


mark = _Mark()
