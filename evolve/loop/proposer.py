"""The protocols of whatever proposes patches: for the rounds of a race, and a plug-in for one patch at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from evolve.core.records import Proposal
from evolve.gate import Standing
from evolve.loop.propose import Brief, Check
from evolve.store import RoundRow


@dataclass(frozen=True)
class RoundProposal:
    """A round's proposal, the model that wrote it and the digest of its prompts; both "" for the loop's own."""

    round: int
    proposal: Proposal
    model: str = ""
    prompt_digest: str = ""


class RoundProposer(Protocol):
    """Propose patches of the tip."""

    def propose(self, standing: Standing, rounds: Sequence[RoundRow]) -> Iterator[RoundProposal]:
        """Yield proposals for some of these rounds of one race, which have none yet.

        Each is stored before the next is asked for.

        Raises:
            InfraError: The endpoint or the machine failed; what was yielded by then counts.
        """
        ...


class Proposer(Protocol):
    """Write patches in place of a model.

    Several patches of one race are asked for at the same time, in threads.
    """

    def propose(self, brief: Brief, seed: int, check: Check) -> Proposal:
        """Write one patch.

        Args:
            brief: The scaffold's files, a digest of its failed train trials, and what earlier rounds taught.
            seed: For random choices; the same in a resumed run.
            check: Tells why a proposal can't be measured, in one line; None if it can.

        Returns:
            The proposal. One that fails the check becomes a refused round.
        """
        ...
