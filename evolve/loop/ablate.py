"""From time to time a round leaves one kept patch out: each shows an effect of its own, and dead weight goes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, filterfalse

from evolve.core.gate_config import GateConfig
from evolve.core.records import Candidate, Proposal
from evolve.gate import Standing
from evolve.loop.checks import Checks
from evolve.loop.history import History
from evolve.loop.proposer import RoundProposal
from evolve.repo import Lineage
from evolve.store import RoundRow

SHOWN_CHARS = 300


@dataclass(frozen=True)
class AblationProposer:
    """Propose the tip without one of its patches, in rounds that are due for it."""

    gate: GateConfig
    history: History
    lineage: Lineage
    checks: Checks

    def propose(self, standing: Standing, rounds: Sequence[RoundRow]) -> Iterator[RoundProposal]:
        """Yield one for each round that is due, as long as there are patches to leave out."""
        for row in rounds:
            if is_due(row.number, self.gate) and (ablation := self._ablation(standing.tip)):
                problem = self.checks.problem(standing.tip, row, ablation)
                yield RoundProposal(row.number, replace(ablation, note=problem or ""))

    def _ablation(self, tip: Candidate) -> Proposal | None:
        """The tip without one of its patches; patches whose predictions all failed come first."""
        rows = ablation_candidates(self.history.line(tip), self.history.left_out())
        # The results of a round are read no sooner than its turn comes.
        for row in chain(filter(self._has_failed, rows), filterfalse(self._has_failed, rows)):
            assert row.candidate and row.candidate.parent and row.proposal
            edits = self.lineage.transplant(tip.commit, row.candidate.commit, row.candidate.parent)
            if edits:
                what = f"without the patch of round {row.number}: {row.proposal.hypothesis}"[:SHOWN_CHARS]
                return Proposal(what, "as good or better; its effect is the opposite", edits, ablates=row.number)
        return None

    def _has_failed(self, row: RoundRow) -> bool:
        """Whether all that the round's proposal predicted failed to happen."""
        if not row.proposal or not row.proposal.fixes:
            return False
        return not self.history.facts(row).hits.fixed


def is_due(number: int, gate: GateConfig) -> bool:
    """Whether this round leaves a patch out."""
    return gate.rule == "evolve" and gate.ablate_every > 0 and number % gate.ablate_every == 0


def ablation_candidates(line: Sequence[RoundRow], left_out: Collection[int]) -> list[RoundRow]:
    """The patches on a tip's line that were never left out yet, the oldest first; ablations are none themselves.

    Args:
        line: The rounds of the tip and of all that it descends from, in order.
        left_out: The rounds whose patches were left out by some round.
    """
    patches = [row for row in line if row.proposal and row.proposal.ablates is None]
    return [row for row in patches if row.number not in left_out]
