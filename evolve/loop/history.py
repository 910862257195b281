"""The earlier rounds of a run: what became of each, and what it changed at the train tasks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import takewhile

from evolve.analysis import Hits, RoundFacts, TaskChanges, ideas, task_changes, task_labels
from evolve.core.records import Candidate, Proposal, Split, TrialResult
from evolve.store import RoundRow, Store
from evolve.suite.tasks import Suite


def train_labels(suite: Suite) -> dict[str, str]:
    """What the proposer calls the train tasks, by name."""
    return task_labels(task.name for task in suite.split(Split.TRAIN))


class History:
    """Read what became of a run's rounds. `labels`: of the train tasks, by name.

    What is known of a decided round does not change, and is read once.
    """

    def __init__(self, run: str, store: Store, labels: Mapping[str, str]) -> None:
        self.run, self.store, self.labels = run, store, labels
        self._outlines: list[RoundFacts] = []
        self._facts: dict[int, RoundFacts] = {}
        self._rows_read = 1

    def rounds(self) -> list[RoundRow]:
        """All rounds so far, in order; the proposals of those that are decided have no edits."""
        return self.store.rounds_in_brief(self.run)

    def outlines(self) -> list[RoundFacts]:
        """The decided rounds in order, but round 0 and null copies, without the figures that only trials show."""
        rows = self.rounds()[self._rows_read :]
        patches = [row for row in rows if row.proposal and not row.is_null_copy]
        outlines = [_outline(row) for row in patches if row.decision]
        decided = list(takewhile(lambda row: row.decision is not None, rows))
        known = [*self._outlines, *outlines]
        self._outlines += outlines[: sum(row.proposal is not None and not row.is_null_copy for row in decided)]
        self._rows_read += len(decided)
        return known

    def results(self, outlines: Iterable[RoundFacts] | None = None) -> list[RoundFacts]:
        """The results of these rounds, or of all decided rounds but round 0."""
        rows = self.rounds()
        return [self.facts(rows[facts.round]) for facts in (self.outlines() if outlines is None else outlines)]

    def change(self, number: int) -> TaskChanges:
        """What the patch of a round changed at the train tasks, by all trials so far; nothing if it is not decided."""
        row = next((row for row in reversed(self.rounds()) if row.number == number), None)
        facts = self._read(row) if row and row.number else None
        return facts.change if facts else TaskChanges()

    def facts(self, row: RoundRow) -> RoundFacts:
        """The result of a decided round other than round 0."""
        if row.number not in self._facts:
            facts = self._read(row)
            assert facts
            self._facts[row.number] = facts
        return self._facts[row.number]

    def _read(self, row: RoundRow) -> RoundFacts | None:
        if row.proposal is None or row.decision is None:
            return None
        if row.candidate is None or row.parent is None:
            return RoundFacts(row.number, row.proposal, row.decision)
        change = task_changes(*(self._train_trials(candidate) for candidate in (row.parent, row.candidate)))
        hits, labelled = _hits(row.proposal, change), self._labelled(change)
        return RoundFacts(row.number, row.proposal, row.decision, hits, labelled, row.parent.round)

    def _train_trials(self, candidate: Candidate) -> list[TrialResult]:
        return [trial for trial in self.store.trials(self.run, candidate.commit) if trial.split is Split.TRAIN]

    def _labelled(self, change: TaskChanges) -> TaskChanges:
        """The same change with labels for names."""
        kinds = (change.fixed, change.broken, change.unstable)
        return TaskChanges(*(tuple(self.labels[name] for name in names) for names in kinds))


def _outline(row: RoundRow) -> RoundFacts:
    assert row.proposal and row.decision
    return RoundFacts(row.number, row.proposal, row.decision)


def _hits(proposal: Proposal, change: TaskChanges) -> Hits:
    fixes, breaks = proposal.fixes, proposal.breaks
    return Hits(len(fixes), len({*fixes} & {*change.fixed}), len(breaks), len({*breaks} & {*change.broken}))


def mark_duplicates(proposals: Sequence[Proposal], files: Mapping[str, str]) -> list[Proposal]:
    """Mark those proposals of one race that have the idea of another before them: they can't be used."""
    seen, marked = list[ideas.Idea](), list[Proposal]()
    for proposal in proposals:
        if proposal.null_copy:
            marked.append(proposal)
            continue
        idea = ideas.idea(proposal.hypothesis, proposal.edits, files)
        twin = not proposal.note and any(ideas.same_idea(idea, other) for other in seen)
        seen += [] if proposal.note else [idea]
        marked.append(replace(proposal, note="another patch of this race has the same idea") if twin else proposal)
    return marked
