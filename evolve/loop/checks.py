"""What a patch goes through before it is measured, the cheapest check first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from evolve import guard
from evolve.core.records import Candidate, Limits, Proposal
from evolve.guard import Vocabulary
from evolve.loop.candidates import Candidates
from evolve.loop.smoke import SmokeTest
from evolve.loop.tried import TriedIdeas
from evolve.repo import BadPatch
from evolve.store import RoundRow


@dataclass(frozen=True)
class Checks:
    """Check patches. `vocabulary`: makes the words of single tasks, which no patch may hold, when they are needed."""

    candidates: Candidates
    tried: TriedIdeas
    vocabulary: Callable[[], Vocabulary]
    limits: Limits
    smoke: SmokeTest

    def refusal(self, parent: Candidate, proposal: Proposal) -> str | None:
        """Why the guard refuses this patch, in one line; None if it doesn't. The same rows give the same answer."""
        if proposal.null_copy:
            return None
        files, spec = self.candidates.texts(parent.commit), self.candidates.spec(parent.commit)
        hidden, outside = self.candidates.hidden, self.candidates.outside
        return guard.refusal(
            proposal, files, spec.evolvable, self.vocabulary(), self.limits, hidden, outside, spec.shown
        )

    def problem(self, parent: Candidate, row: RoundRow, proposal: Proposal) -> str | None:
        """Why this patch can't be measured, in one line; None if it can.

        Raises:
            InfraError: The machine failed.
        """
        if refused := self.refusal(parent, proposal):
            return refused
        if not proposal.by_loop and (repeated := self._repeated_idea(parent, proposal)):
            return repeated
        commit = self.candidates.commit(row, parent, proposal)
        return str(commit) if isinstance(commit, BadPatch) else self.smoke.problem(commit)

    def _repeated_idea(self, parent: Candidate, proposal: Proposal) -> str | None:
        return self.tried.repeated_by(proposal, self.candidates.texts(parent.commit))
