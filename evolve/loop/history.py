"""The earlier rounds of a run: what each changed at the train tasks, and which ideas were tried."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from evolve.analysis import Hits, RoundFacts, TaskChanges, ideas, reason_without_figures, task_changes, task_labels
from evolve.core.records import Proposal, Split, StackFate, TrialResult, Verdict
from evolve.store import RoundRow, Store
from evolve.suite.tasks import Suite

# An idea may be tried again once so many patches have been taken since.
TAKEN_SINCE = 6
# At most one patch in so many is such an idea.
AGAIN_ONE_IN = 20
TAKEN = (Verdict.KEEP, Verdict.STACK)
Texts = Callable[[str], Mapping[str, str]]


def train_labels(suite: Suite) -> dict[str, str]:
    """What the proposer calls the train tasks, by name."""
    return task_labels(task.name for task in suite.split(Split.TRAIN))


@dataclass(frozen=True)
class History:
    """Read what became of a run's rounds. `labels`: of the train tasks, by name."""

    run: str
    store: Store
    labels: Mapping[str, str]

    def rounds(self) -> list[RoundRow]:
        """All rounds so far, in order."""
        return self.store.rounds(self.run)

    def results(self) -> list[RoundFacts]:
        """The results of all decided rounds in order, but of round 0 and null copies."""
        trials: dict[str, list[TrialResult]] = defaultdict(list)
        for trial in self.store.trials(self.run):
            if trial.split is Split.TRAIN:
                trials[trial.candidate].append(trial)
        results = (self._facts(row, trials) for row in self.rounds() if row.number and not row.is_null_copy)
        return [facts for facts in results if facts]

    def _facts(self, row: RoundRow, trials: Mapping[str, list[TrialResult]]) -> RoundFacts | None:
        if row.proposal is None or row.decision is None:
            return None
        if row.candidate is None or row.parent is None:
            return RoundFacts(row.number, row.proposal, row.decision)
        change = task_changes(*(trials[candidate.commit] for candidate in (row.parent, row.candidate)))
        return RoundFacts(row.number, row.proposal, row.decision, _hits(row.proposal, change), self._labelled(change))

    def _labelled(self, change: TaskChanges) -> TaskChanges:
        """The same change with labels for names."""
        kinds = (change.fixed, change.broken, change.unstable)
        return TaskChanges(*(tuple(self.labels[name] for name in names) for names in kinds))


def _hits(proposal: Proposal, change: TaskChanges) -> Hits:
    fixes, breaks = proposal.fixes, proposal.breaks
    return Hits(len(fixes), len({*fixes} & {*change.fixed}), len(breaks), len({*breaks} & {*change.broken}))


def repeated_idea(proposal: Proposal, files: Mapping[str, str], rows: Sequence[RoundRow], texts: Texts) -> str | None:
    """Which earlier round had the same idea.

    Args:
        proposal: A patch of `files`.
        files: The parent's text files.
        rows: All rounds so far.
        texts: Gives a commit's text files.

    Returns:
        One line; None if the idea is new, or may be tried again by now.
    """
    idea = ideas.idea(proposal.hypothesis, proposal.edits, files)
    tried = [row for row in rows if row.proposal and row.candidate and row.decision and not row.is_null_copy]
    known = [idea_of(row, texts) for row in tried]
    twins = [row for row, other in zip(tried, known, strict=True) if ideas.same_idea(idea, other)]
    asked = [other for row, other in zip(tried, known, strict=True) if row.proposal and not row.proposal.by_loop]
    spare = bool(twins) and ideas.count_repeated(asked) < max(1, len(asked) // AGAIN_ONE_IN)
    for row in reversed(twins):
        if row.decision and not (spare and _moved_on(rows, row)):
            reason = reason_without_figures(row.decision.reason)
            return f"it repeats the idea of round {row.number} ({row.decision.verdict}: {reason})"
    return None


def idea_of(row: RoundRow, texts: Texts) -> ideas.Idea:
    """The idea of a round's patch."""
    assert row.parent and row.proposal
    return ideas.idea(row.proposal.hypothesis, row.proposal.edits, texts(row.parent.commit))


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


def _moved_on(rows: Sequence[RoundRow], row: RoundRow) -> bool:
    """Whether the scaffold has changed enough since that round for its idea to be worth another try."""
    since = [later.decision for later in rows[row.number + 1 :] if later.decision]
    given_up = any(decision.fate is StackFate.GIVEN_UP for decision in since)
    return given_up or sum(decision.verdict in TAKEN for decision in since) >= TAKEN_SINCE
