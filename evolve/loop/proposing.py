"""Where the patches of a race come from: several proposers are asked in turn; the last one is a model."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path

from evolve.core.records import Candidate, Proposal, StoredFile, stable_hash
from evolve.gate import Standing
from evolve.loop.briefing import Briefing
from evolve.loop.checks import Checks
from evolve.loop.journal import Journal
from evolve.loop.propose import Brief, Message, emphases
from evolve.loop.proposer import RoundProposal, RoundProposer
from evolve.loop.writers import Writer
from evolve.store import RoundRow
from evolve.trial import trajectory


def collect_proposals(
    proposers: Sequence[RoundProposer], journal: Journal, standing: Standing, rounds: Sequence[RoundRow]
) -> list[Proposal]:
    """Ask the proposers in turn until every round has a proposal; each is stored before it is used.

    Raises:
        InfraError: A proposer failed; what was proposed by then is stored.
    """
    proposals = {row.number: row.proposal for row in rounds if row.proposal}
    for proposer in proposers:
        for proposed in proposer.propose(standing, [row for row in rounds if row.number not in proposals]):
            journal.add_proposal(proposed)
            proposals[proposed.round] = proposed.proposal
    return [proposals[row.number] for row in rounds]


@dataclass(frozen=True)
class ModelProposer:
    """Have a writer propose for all rounds at once, from the same brief. `folder`: the run's."""

    briefing: Briefing
    writer: Writer
    checks: Checks
    seed: int
    folder: Path

    def propose(self, standing: Standing, rounds: Sequence[RoundRow]) -> Iterator[RoundProposal]:
        """Yield one for every round, as they come."""
        if not rounds:
            return
        brief, digest = self.briefing.brief(standing.tip), self.writer.prompt_digest()
        one_at_a_time = threading.Lock()

        def write(row: RoundRow) -> Proposal:
            return self._write(standing.tip, row, replace(brief, emphasis=_emphasis(row, rounds)), one_at_a_time)

        for number, proposal in _as_they_come(write, rounds):
            yield RoundProposal(number, proposal, self.writer.model, digest)

    def _write(self, tip: Candidate, row: RoundRow, brief: Brief, one_at_a_time: threading.Lock) -> Proposal:
        def check(proposal: Proposal) -> str | None:
            with one_at_a_time:
                return self.checks.problem(tip, row, proposal)

        seed = stable_hash(self.seed, "propose", row.number)
        made = self.writer.write(tip, row.number, brief, seed, check)
        return replace(made.proposal, transcript=self._keep(row.number, made.messages))

    def _keep(self, number: int, messages: Sequence[Message]) -> StoredFile:
        """Keep the conversation in a file."""
        path = self.folder / "proposals" / f"round-{number:04}.jsonl.gz"
        return trajectory.store(path, self.folder.parent, messages)


def _emphasis(row: RoundRow, rounds: Sequence[RoundRow]) -> str:
    """Several proposals that are written at once focus on different things."""
    if len(rounds) == 1:
        return ""
    known = emphases()
    return known[row.number % len(known)]


def _as_they_come(write: Callable[[RoundRow], Proposal], rounds: Sequence[RoundRow]) -> Iterator[tuple[int, Proposal]]:
    """Yield the proposals, then raise what one of them raised. A single one is written here: an interrupt ends it."""
    if len(rounds) == 1:
        yield rounds[0].number, write(rounds[0])
        return
    with ThreadPoolExecutor(len(rounds)) as pool:
        written = {pool.submit(write, row): row.number for row in rounds}
        yield from ((written[done], done.result()) for done in as_completed(written) if done.exception() is None)
    for done in written:
        done.result()
