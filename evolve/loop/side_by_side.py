"""Measuring several scaffolds side by side: in the same minutes, in mixed order, as a run of its own without rounds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from evolve.core.clock import now
from evolve.core.records import Decision, Split, Verdict, stable_hash
from evolve.gate import Slot
from evolve.loop.search import Search

ALONE = "measured side by side"


@dataclass(frozen=True)
class Arm:
    """One of the scaffolds. `samples`: trials for each attempt, of which one is chosen; the first is its own."""

    name: str
    commit: str
    samples: int = 1

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise ValueError(f"an arm has at least one sample: {self.samples}")

    @property
    def why(self) -> str:
        """Why it looks at the holdout."""
        return f"claim: {self.name}"

    def sampled(self, attempt: int, attempts: int) -> tuple[int, ...]:
        """The trials of one attempt, by the attempts under which they are stored. `attempts`: of each task."""
        more = self.samples - 1
        return (attempt, *range(attempts + attempt * more, attempts + (attempt + 1) * more))


def schedule(arms: Sequence[Arm], tasks: Sequence[str], attempts: int) -> list[tuple[str, Slot]]:
    """The trials as (commit, slot), each once: attempt by attempt, task by task, all arms of it in mixed order."""
    planned: dict[tuple[str, Slot], None] = {}
    for attempt in range(attempts):
        for task in tasks:
            every = [(arm.commit, (task, number)) for arm in arms for number in arm.sampled(attempt, attempts)]
            planned |= dict.fromkeys(sorted(every, key=lambda trial: stable_hash("order", *trial)))
    return list(planned)


def measure_side_by_side(
    search: Search, arms: Sequence[Arm], splits: Sequence[Split], attempts: int, looks: bool = True
) -> None:
    """Measure the arms; each is a candidate of the run, the first one that of round 0. What is measured stays.

    looks: Write down that each arm looks at the suite's holdout.

    Raises:
        BudgetExhausted: A cap is reached; the run can be resumed.
        InfraError: The machine failed; the same holds.
    """
    _enter(search, list(dict.fromkeys(arm.commit for arm in arms)))
    if looks:
        _note_looks(search, arms)
    tasks = [task.name for task in search.suite.split(*splits)]
    search.measurer.measure_in_order(schedule(arms, tasks, attempts))


def _enter(search: Search, commits: Sequence[str]) -> None:
    """Write down the candidates; those of a run that is resumed are there. Rounds after the first stay undecided."""
    journal = search.journal
    first = journal.add_seed(journal.start_baseline(), commits[0])
    journal.decide(0, Decision(Verdict.BASELINE, ALONE))
    journal.set_champion(first)
    if others := commits[1:]:
        rows = journal.start_rounds(range(1, len(commits)), first)
        for row, commit in zip(rows, others, strict=True):
            journal.add_candidate(row, first, commit)


def _note_looks(search: Search, arms: Iterable[Arm]) -> None:
    run, store = search.journal.run, search.journal.store
    known = {(look.commit, look.why) for look in store.holdout_looks(run)}
    for arm in arms:
        if (arm.commit, arm.why) not in known:
            store.add_holdout_look(run, arm.commit, arm.why, now())
