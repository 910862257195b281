"""The ideas that a run has tried: whether a new patch repeats one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from evolve.analysis import ideas, reason_without_figures
from evolve.core.records import FileEdit, Proposal, StackFate, Verdict
from evolve.store import RoundRow, Store

# An idea may be tried again once so many patches have been taken since.
TAKEN_SINCE = 6
# At most one patch in so many is such an idea.
AGAIN_ONE_IN = 20
TAKEN = (Verdict.KEEP, Verdict.STACK)
Texts = Callable[[str], Mapping[str, str]]


class TriedIdeas:
    """The ideas of a run's measured patches, each of which is read once. `texts`: gives a commit's text files."""

    def __init__(self, run: str, store: Store, texts: Texts) -> None:
        self._run, self._store, self._texts = run, store, texts
        self._index, self._rows = ideas.IdeaIndex(), list[RoundRow]()
        self._read = self._asked = self._repeated = 0

    def repeated_by(self, proposal: Proposal, files: Mapping[str, str]) -> str | None:
        """Say in one line which earlier round had the same idea as a patch of these text files.

        Returns:
            None if the idea is new, or may be tried again by now.
        """
        rows = self._catch_up()
        twins = [self._rows[place] for place in self._index.twins(_idea(proposal, proposal.edits, files))]
        spare = bool(twins) and self._repeated < max(1, self._asked // AGAIN_ONE_IN)
        for row in reversed(twins):
            if row.decision and not (spare and _moved_on(rows, row)):
                reason = reason_without_figures(row.decision.reason)
                return f"it repeats the idea of round {row.number} ({row.decision.verdict}: {reason})"
        return None

    def _catch_up(self) -> Sequence[RoundRow]:
        """Read the ideas of the rounds that were decided meanwhile. Returns all rounds."""
        rows = self._store.rounds_in_brief(self._run)
        for row in rows[self._read :]:
            if row.decision is None:
                break
            self._read += 1
            if row.proposal and row.candidate and row.parent and not row.is_null_copy:
                self._add(row, row.proposal, self._texts(row.parent.commit))
        return rows

    def _add(self, row: RoundRow, proposal: Proposal, before: Mapping[str, str]) -> None:
        found = _idea(proposal, self._store.edits(self._run, row.number), before)
        if not proposal.by_loop:
            self._asked += 1
            self._repeated += any(self._is_asked(place) for place in self._index.twins(found))
        self._index.add(found)
        self._rows.append(row)

    def _is_asked(self, place: int) -> bool:
        """Whether a model made the patch."""
        proposal = self._rows[place].proposal
        return proposal is not None and not proposal.by_loop


def _idea(proposal: Proposal, edits: Sequence[FileEdit], before: Mapping[str, str]) -> ideas.Idea:
    return ideas.idea(proposal.hypothesis, edits, before)


def idea_of(row: RoundRow, texts: Texts) -> ideas.Idea:
    """The idea of a round's patch. `row`: with the edits of its proposal."""
    assert row.parent and row.proposal
    return _idea(row.proposal, row.proposal.edits, texts(row.parent.commit))


def _moved_on(rows: Sequence[RoundRow], row: RoundRow) -> bool:
    """Whether the scaffold has changed enough since that round for its idea to be worth another try."""
    since = [later.decision for later in rows[row.number + 1 :] if later.decision]
    given_up = any(decision.fate is StackFate.GIVEN_UP for decision in since)
    return given_up or sum(decision.verdict in TAKEN for decision in since) >= TAKEN_SINCE
