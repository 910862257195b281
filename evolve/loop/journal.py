"""The one writer of rounds: rows of the database first, then branches and notes in git."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from evolve.budget.run_budget import Budget, proposal_key
from evolve.core.clock import now
from evolve.core.records import Candidate, Decision
from evolve.loop.proposer import RoundProposal
from evolve.loop.watcher import Watcher
from evolve.repo import Lineage, round_branch
from evolve.store import RoundMark, RoundRow, Store

# More than any race has, and than any reader of the newest rounds looks back.
RECENT = 100


@dataclass(frozen=True)
class Journal:
    """Write down a run's rounds. Writing a thing twice changes nothing, so a killed run can repeat its last step."""

    run: str
    store: Store
    lineage: Lineage
    budget: Budget
    watcher: Watcher

    def recent(self, most: int = RECENT) -> list[RoundRow]:
        """The newest rounds in order; the decided ones without edits."""
        return self.store.latest_rounds(self.run, most)

    def marks(self) -> list[RoundMark]:
        """The marks of the newest RECENT rounds in order, all of the last race among them."""
        return self.store.round_marks(self.run, max(self.newest() - RECENT + 1, 0))

    def newest(self) -> int:
        """The highest number of a round; 0 without any."""
        return self.store.newest_round(self.run)

    def decided_count(self) -> int:
        """How many rounds are decided, round 0 included."""
        return self.store.decided_count(self.run)

    def seed(self) -> Candidate:
        """The candidate of round 0, which has begun."""
        return self.store.seed(self.run)

    def champion(self) -> Candidate:
        """The champion after the rounds that are decided."""
        return self.store.champion(self.run)

    def start_baseline(self) -> RoundRow:
        """Write the row of round 0, before anything else of it happens."""
        if (row := self.store.one_round(self.run, 0)) is None:
            self.store.start_race(self.run, [0], None, now())
            row = self.store.one_round(self.run, 0)
        assert row
        return row

    def start_rounds(self, numbers: Sequence[int], tip: Candidate) -> list[RoundRow]:
        """Write the rows of a race's rounds, before anything else of them happens."""
        if self.store.one_round(self.run, numbers[0]) is None:
            self.store.start_race(self.run, numbers, tip, now())
        return [self._whole(row) for row in self.store.some_rounds(self.run, numbers)]

    def _whole(self, row: RoundRow) -> RoundRow:
        """The round with the edits of its proposal, which a decided one lacks."""
        if row.proposal is None or row.decision is None:
            return row
        return replace(row, proposal=replace(row.proposal, edits=self.store.edits(self.run, row.number)))

    def add_seed(self, row: RoundRow, commit: str | None = None) -> Candidate:
        """Write down the candidate of round 0: a commit, or the scaffold's folder as it is on disk."""
        chosen = commit or self.lineage.seed(self.run, row.started_at)
        return row.candidate or self._add_candidate(row, Candidate(chosen, 0, None, round_branch(self.run, 0)))

    def add_candidate(self, row: RoundRow, tip: Candidate, commit: str) -> Candidate:
        """Write down a round's candidate, on a branch of its own."""
        return self._add_candidate(row, Candidate(commit, row.number, tip.commit, round_branch(self.run, row.number)))

    def _add_candidate(self, row: RoundRow, candidate: Candidate) -> Candidate:
        self.lineage.create_branch(candidate.branch, candidate.commit)
        if row.candidate is None:
            self.store.add_candidate(self.run, candidate)
        return candidate

    def add_proposal(self, proposed: RoundProposal) -> None:
        """Write down a round's proposal, and that its cost is in a row now."""
        number, proposal = proposed.round, proposed.proposal
        self.store.add_proposal(self.run, number, proposal, proposed.prompt_digest, proposed.model, now())
        if not proposal.by_loop:
            self.budget.book(proposal_key(number), proposal.usage)

    def decide(self, number: int, decision: Decision) -> Decision:
        """Write down a round's decision.

        Returns:
            The decision that stands: a race that was cut off between its decisions has some already.
        """
        known = self.store.decision(self.run, number)
        if known is None:
            self.store.add_decision(self.run, number, decision, now())
            self.watcher.round_decided(number, decision)
        return known or decision

    def record(self, candidate: Candidate, decision: Decision) -> None:
        """Write down the decision on a candidate in the database, then in git."""
        self._note(candidate, self.decide(candidate.round, decision))

    def set_champion(self, champion: Candidate) -> None:
        """Move the champion's branch."""
        self.lineage.set_champion(self.run, champion.commit)

    def note_latest(self) -> None:
        """Note the latest race's decisions in git: a killed run may have written only the database."""
        over = [row for row in self.recent() if row.number and row.decision]
        for row in over:
            if row.candidate and row.decision and row.race == over[-1].race:
                self._note(row.candidate, row.decision)

    def _note(self, candidate: Candidate, decision: Decision) -> None:
        """Note a decision in git; nothing is done where it is there."""
        verdict, reason = decision.verdict, decision.reason
        self.lineage.record_decision(self.run, candidate.round, candidate.commit, verdict, reason, now())
