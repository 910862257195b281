"""The settings of the embedded model, and its only source of randomness."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from evolve.core.records import stable_hash

_MASK = 2**64 - 1


@dataclass(frozen=True)
class Knobs:
    """How capable and how fallible the model is; five of them are probabilities per call.

    heeds_seeds: whether the server passes a request's seed on; otherwise it draws one, as most endpoints do.
    context_chars, proposer_context_chars: the context of the solver and of the proposer, in characters.
    temperature: the temperature used for a request's 1.0. skill: how much evidence counts (0: not at all).
    """

    context_chars: int = 12_000
    proposer_context_chars: int = 200_000
    temperature: float = 0.6
    skill: float = 1.5
    malformed: float = 0.02
    broken_syntax: float = 0.03
    empty_edit: float = 0.01
    repeat: float = 0.05
    give_up: float = 0.01
    heeds_seeds: bool = True

    def for_model(self, model: str) -> Knobs:
        """The settings for a model name: `embedded-hard` makes far more errors."""
        if model != "embedded-hard":
            return self
        return replace(self, malformed=0.15, broken_syntax=0.15, empty_edit=0.05, repeat=0.20, give_up=0.05)

    def heat(self, body: Mapping[str, Any]) -> float:
        """The sampling temperature, 0.05 to 2: the default multiplied by the request's."""
        asked = body.get("temperature")
        return min(2.0, max(0.05, self.temperature * (1.0 if asked is None else float(asked))))


def uniform(*parts: object) -> float:
    """A number in (0, 1) that depends only on the parts."""
    return (stable_hash(*parts) + 1) / (2**63 + 2)


def gumbel(*parts: int) -> float:
    """A standard Gumbel number that depends only on the parts; a fast mix, for many draws from one seed."""
    mixed = 0
    for part in parts:
        mixed = (mixed ^ part) + 0x9E3779B97F4A7C15 & _MASK
        mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 & _MASK
        mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB & _MASK
        mixed ^= mixed >> 31
    return -math.log(-math.log(((mixed >> 11) + 0.5) / 2**53))
