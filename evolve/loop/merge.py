"""Two lines become one: what another candidate changed since their common ancestor is applied to the tip."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from evolve.core.records import Candidate, Proposal
from evolve.gate import Standing
from evolve.loop.checks import Checks
from evolve.loop.proposer import RoundProposal
from evolve.repo import Lineage
from evolve.store import RoundRow, Store

SHOWN_CHARS = 300


@dataclass(frozen=True)
class MergeProposer:
    """Propose the tip with the changes of candidates that the gate wants merged."""

    run: str
    store: Store
    lineage: Lineage
    checks: Checks

    def propose(self, standing: Standing, rounds: Sequence[RoundRow]) -> Iterator[RoundProposal]:
        """Yield one for each of the first rounds, as long as there are candidates to merge."""
        if not rounds:
            return
        for row, merged in zip(rounds, self._merges(standing, rounds[0].race), strict=False):
            problem = self.checks.problem(standing.tip, row, merged)
            yield RoundProposal(row.number, replace(merged, note=problem or ""))

    def _merges(self, standing: Standing, race: int) -> Iterator[Proposal]:
        waiting = standing.to_merge(race)
        rows = self.store.rounds_between(self.run, race, self.store.newest_round(self.run)) if waiting else []
        done = {row.proposal.merges for row in rows if row.race == race and row.proposal}
        for other in waiting:
            if other.round not in done and (merged := self._merged(standing.tip, other)):
                yield merged

    def _merged(self, tip: Candidate, other: Candidate) -> Proposal | None:
        """The tip with what `other` changed; None where both changed the same lines, or nothing would be new."""
        base = common_ancestor(self.store.candidates(self.run), tip.commit, other.commit)
        edits = self.lineage.transplant(tip.commit, base, other.commit)
        if not edits:
            return None
        row = self.store.one_round(self.run, other.round)
        hypothesis = row.proposal.hypothesis if row and row.proposal else ""
        what = f"merges round {other.round}: {hypothesis}"[:SHOWN_CHARS]
        return Proposal(what, "the gains of both", edits, merges=other.round)


def common_ancestor(candidates: Sequence[Candidate], commit: str, other: str) -> str:
    """The commit of the latest candidate that both descend from, each of them included."""
    parents = {candidate.commit: candidate.parent for candidate in candidates}
    line = set(_line(parents, commit))
    return next(ancestor for ancestor in _line(parents, other) if ancestor in line)


def _line(parents: dict[str, str | None], commit: str | None) -> Iterator[str]:
    while commit is not None:
        yield commit
        commit = parents[commit]
