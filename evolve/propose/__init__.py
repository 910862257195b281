"""Proposers: from what a run knows to a patch, a hypothesis and a prediction."""

from evolve.propose.brief import Brief, Check, Made, emphases, prompt_digest
from evolve.propose.direct import MAX_REPAIRS, MAX_TURNS, direct

__all__ = ["MAX_REPAIRS", "MAX_TURNS", "Brief", "Check", "Made", "direct", "emphases", "prompt_digest"]
