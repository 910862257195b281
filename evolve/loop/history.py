"""The earlier rounds of a run: what became of each, and what it changed at the train tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from evolve.analysis import Hits, RoundFacts, TaskChanges, ideas, paired_changes, task_labels
from evolve.core.records import Candidate, Proposal, Split
from evolve.store import RoundOutline, RoundRow, Store
from evolve.suite.tasks import Suite


def train_labels(suite: Suite) -> dict[str, str]:
    """What the proposer calls the train tasks, by name."""
    return task_labels(task.name for task in suite.split(Split.TRAIN))


class History:
    """Read what became of a run's rounds. `labels`: of the train tasks, by name.

    What is known of a decided round does not change, and is read once: of all rounds what each is remembered by, and of
    few what their trials show.
    """

    def __init__(self, run: str, store: Store, labels: Mapping[str, str]) -> None:
        self.run, self.store, self.labels = run, store, labels
        self._outlines: list[RoundOutline] = []
        self._read_up_to = 1
        self._left_out: set[int] = set()
        self._left_out_up_to = 1
        self._facts: dict[int, RoundFacts] = {}
        self._newest: dict[int, RoundFacts] = {}

    def outlines(self) -> list[RoundOutline]:
        """The decided rounds in order, but round 0 and null copies."""
        first_open = self.store.first_open(self.run, self._read_up_to)
        fresh = self.store.round_outlines(self.run, self._read_up_to)
        known = [*self._outlines, *fresh]
        # Of a race that was cut off, a later round may be decided before an earlier one: it is read again.
        self._outlines += [one for one in fresh if first_open is None or one.round < first_open]
        self._read_up_to = self._outlines[-1].round + 1 if self._outlines else 1
        return known

    def newest(self, most: int) -> list[RoundFacts]:
        """The newest of these rounds in order, `most` at most, without the figures that only trials show."""
        numbers = [outline.round for outline in self.outlines()[-most:]]
        missing = [number for number in numbers if number not in self._newest]
        rows = self.store.some_rounds(self.run, missing) if missing else []
        new = {
            row.number: RoundFacts(row.number, row.proposal, row.decision)
            for row in rows
            if row.proposal and row.decision
        }
        self._newest = {number: facts for number, facts in (self._newest | new).items() if number in numbers}
        return [self._newest[number] for number in numbers]

    def results(self, chosen: Sequence[int] | None = None) -> list[RoundFacts]:
        """The results of these rounds, which are decided; None: of all."""
        numbers = [outline.round for outline in self.outlines()] if chosen is None else chosen
        missing = [number for number in numbers if number not in self._facts]
        for row in self.store.some_rounds(self.run, missing) if missing else ():
            self.facts(row)
        return [self._facts[number] for number in numbers]

    def change(self, number: int) -> TaskChanges:
        """What the patch of a round changed at the train tasks, by all trials so far; nothing if it is not decided."""
        row = self.store.one_round(self.run, number) if number else None
        facts = self._read(row) if row else None
        return facts.change if facts else TaskChanges()

    def facts(self, row: RoundRow) -> RoundFacts:
        """The result of a decided round other than round 0."""
        if row.number not in self._facts:
            facts = self._read(row)
            assert facts
            self._facts[row.number] = facts
        return self._facts[row.number]

    def line(self, tip: Candidate) -> list[RoundRow]:
        """The rounds of a tip and of all that it descends from, in order."""
        return self.store.line(self.run, tip.commit)

    def left_out(self) -> set[int]:
        """The rounds whose patches other rounds have left out so far."""
        first_open = self.store.first_open(self.run, self._left_out_up_to)
        self._left_out |= self.store.ablated(self.run, self._left_out_up_to)
        self._left_out_up_to = self.store.newest_round(self.run) + 1 if first_open is None else first_open
        return self._left_out

    def _read(self, row: RoundRow) -> RoundFacts | None:
        if row.proposal is None or row.decision is None:
            return None
        if row.candidate is None or row.parent is None:
            return RoundFacts(row.number, row.proposal, row.decision)
        change = paired_changes(
            self.store.paired_rewards(self.run, row.candidate.commit, row.parent.commit, Split.TRAIN)
        )
        hits, labelled = _hits(row.proposal, change), self._labelled(change)
        return RoundFacts(row.number, row.proposal, row.decision, hits, labelled, row.parent.round)

    def _labelled(self, change: TaskChanges) -> TaskChanges:
        """The same change with labels for names."""
        kinds = (change.fixed, change.broken, change.unstable)
        return TaskChanges(*(tuple(self.labels[name] for name in names) for names in kinds))


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
