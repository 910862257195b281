"""Writing a patch, a hypothesis and a prediction from a brief: in a conversation, or by the scaffold itself."""

from evolve.loop.propose.brief import Brief, Check, Message, WrittenProposal, emphases, prompt_digest
from evolve.loop.propose.direct import MAX_REPAIRS, MAX_TURNS, direct
from evolve.loop.propose.self_proposer import self_improve

__all__ = [
    "MAX_REPAIRS",
    "MAX_TURNS",
    "Brief",
    "Check",
    "Message",
    "WrittenProposal",
    "direct",
    "emphases",
    "prompt_digest",
    "self_improve",
]
