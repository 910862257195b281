"""The protocol of proposers, which have patches for rounds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from evolve.core.records import Proposal
from evolve.gate import Standing
from evolve.store import RoundRow


@dataclass(frozen=True)
class RoundProposal:
    """A round's proposal, the model that wrote it and the digest of its prompts; both "" for the loop's own."""

    round: int
    proposal: Proposal
    model: str = ""
    prompt_digest: str = ""


class Proposer(Protocol):
    """Propose patches of the tip."""

    def propose(self, standing: Standing, rounds: Sequence[RoundRow]) -> Iterator[RoundProposal]:
        """Yield proposals for some of these rounds of one race, which have none yet.

        Each is stored before the next is asked for.

        Raises:
            InfraError: The endpoint or the machine failed; what was yielded by then counts.
        """
        ...
