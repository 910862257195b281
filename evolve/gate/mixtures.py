"""Shares of the hypotheses of a mixture, by logarithms: nothing is lost where all of them are very unlikely."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def shares_of(logs: Floats) -> Floats:
    """Shares of each row, proportional to what these are logarithms of; one of each row is finite at least."""
    values = np.exp(logs - logs.max(axis=-1, keepdims=True))
    return np.asarray(values / values.sum(axis=-1, keepdims=True))


def log_of(weights: Floats) -> Floats:
    """Logarithms of weights; of 0, minus infinity."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(weights))
