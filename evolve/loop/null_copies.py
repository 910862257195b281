"""Some rounds judge an unchanged copy of the tip: how often the gate would have kept it is its realised error."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from evolve.core.gate_config import GateConfig
from evolve.core.records import Candidate, Decision, Proposal
from evolve.gate import NeedTrials, Standing
from evolve.gate.null_copies import is_null_round, judge_copy
from evolve.gate.standing import Entrant
from evolve.loop.measuring import Measurer
from evolve.loop.proposer import RoundProposal
from evolve.store import RoundRow

NULL_COPY = Proposal("an unchanged copy of the tip", "nothing changes", (), null_copy=True)


@dataclass(frozen=True)
class NullCopyProposer:
    """Propose a copy of the tip, in rounds that are due for it. `seed`: the run's."""

    gate: GateConfig
    seed: int

    def propose(self, standing: Standing, rounds: Sequence[RoundRow]) -> Iterator[RoundProposal]:
        """Yield one for each round that is due."""
        for row in rounds:
            if is_null_round(row.number, self.seed, self.gate):
                yield RoundProposal(row.number, NULL_COPY)


def judge_null_copy(measurer: Measurer, standing: Standing, copy: Candidate) -> Decision:
    """Run trials of a copy until it is decided; the standing stays as it is."""
    while True:
        entrant = Entrant(copy, measurer.trials(copy.commit))
        answer = judge_copy(standing, entrant, measurer.trials(standing.tip.commit))
        if not isinstance(answer, NeedTrials):
            return answer
        measurer.measure(answer.commits, answer.slots)
