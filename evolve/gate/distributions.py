"""Distribution functions of scipy, which is imported with the first value: that takes as long as all of the gate."""

from __future__ import annotations

import functools
from typing import Any


def ndtr(value: Any) -> Any:
    """The normal distribution's, of a number or an array."""
    return _special().ndtr(value)


def stdtr(freedom: float, value: float) -> float:
    """Student's."""
    return float(_special().stdtr(freedom, value))


def stdtrit(freedom: float, share: float) -> float:
    """The quantile of Student's distribution."""
    return float(_special().stdtrit(freedom, share))


@functools.cache
def _special() -> Any:
    from scipy import special

    return special
