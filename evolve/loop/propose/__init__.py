"""Proposers: from what a run knows to a patch, a hypothesis and a prediction."""

from evolve.loop.propose.brief import Brief, Check, Made, Message, emphases, prompt_digest
from evolve.loop.propose.direct import MAX_REPAIRS, MAX_TURNS, direct
from evolve.loop.propose.self_proposer import self_improve

__all__ = [
    "MAX_REPAIRS",
    "MAX_TURNS",
    "Brief",
    "Check",
    "Made",
    "Message",
    "direct",
    "emphases",
    "prompt_digest",
    "self_improve",
]
