"""What further rounds are expected to gain, by the rule's own prior over the effects of patches. Pure."""

from __future__ import annotations

import re

import numpy as np

from evolve.core.errors import BadInput
from evolve.gate.prior import EFFECTS
from evolve.gate.ruling import Rule
from evolve.gate.stack_rule import StackRule

ROUNDS = 10
UNTIL = re.compile(r"\s*gain\s*<\s*(\d+(?:\.\d+)?)\s*")


def expected_gain(rule: Rule, rounds: int = ROUNDS) -> float | None:
    """The expected gain of so many rounds, as a share of the mean reward; None for a rule without a prior.

    It is that of a gate which takes all patches that help and no other, so it is never too low by the gate's mistakes.
    """
    if not isinstance(rule, StackRule):
        return None
    return rounds * float(rule.prior.weights @ np.maximum(EFFECTS, 0.0))


def least_gain(until: str) -> float:
    """The gain of `gain<X`, X in points, as a share. Raises BadInput."""
    match = UNTIL.fullmatch(until)
    if match is None:
        raise BadInput(f"until {until}", "is no condition that Evolve knows", "write gain<X, X in points: gain<1.5")
    return float(match[1]) / 100
