"""Running the trials that a decision needs; each is a row of the database as soon as it ends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from evolve.budget.run_budget import Budget
from evolve.core.caps import Caps
from evolve.core.errors import GraderError
from evolve.core.records import Fault, StoredFile, TrialResult, TrialSpec, grader_key
from evolve.core.text import last_line
from evolve.executor.fault_policy import RESUME_HINT
from evolve.executor.protocol import Executor
from evolve.gate import Slot
from evolve.gate.voids import slot_of
from evolve.host import disk
from evolve.host.signals import Stop
from evolve.loop.drift import Drift
from evolve.loop.durations import Durations
from evolve.loop.events import tell
from evolve.loop.trial_specs import TrialSpecs
from evolve.loop.watcher import Watcher
from evolve.store import Store

NONE: Mapping[Slot, StoredFile] = MappingProxyType({})


def take_turns(queues: Sequence[Sequence[TrialSpec]]) -> list[TrialSpec]:
    """The trials of several candidates in the order of their slots; who goes first changes from slot to slot.

    What changes slowly meanwhile, such as a model behind its endpoint, then changes all candidates alike.

    Args:
        queues: The trials of each candidate, in one order of slots, some of which may be missing.
    """
    slots = list(dict.fromkeys((spec.task.name, spec.attempt) for specs in queues for spec in specs))
    by_slot = [{(spec.task.name, spec.attempt): spec for spec in specs} for specs in queues]
    turns = [by_slot if number % 2 == 0 else by_slot[::-1] for number in range(len(slots))]
    return [specs[slot] for slot, turn in zip(slots, turns, strict=True) for specs in turn if slot in specs]


@dataclass(frozen=True)
class Parent:
    """What challengers patch, and the slots on which they share the answers of its trials, which have ended."""

    commit: str
    shared: Sequence[Slot]


@dataclass(frozen=True)
class Measurer:
    """Run trials within the caps of a run.

    folders: on whose disks `least_room` bytes must be free where a round or trials are to start; drift: knows the
    run's trials so far.
    """

    run: str
    store: Store
    specs: TrialSpecs
    evaluator: Executor
    budget: Budget
    stop: Stop
    watcher: Watcher
    folders: tuple[Path, ...]
    drift: Drift
    least_room: int = disk.MIN_FREE_BYTES
    durations: Durations = field(default_factory=Durations)

    def trials(self, commit: str | None = None) -> list[TrialResult]:
        """All trials so far, of one commit or of the run."""
        return self.store.trials(self.run, commit)

    def check(self) -> None:
        """Check that the run may continue.

        Raises:
            KeyboardInterrupt: The user has asked for the end.
            BudgetExhausted: A cap is reached.
            DiskFull: There is too little room for what comes next.
        """
        self.stop.check()
        self.budget.check()
        disk.check_free_space(self.folders, self.least_room)

    def measure(
        self, commits: Sequence[str], slots: Iterable[Slot], decides: bool = True, parent: Parent | None = None
    ) -> None:
        """Give every commit a trial that counts on every slot, the longest first; they take turns, slot by slot.

        Args:
            decides: Whether a decision needs all of them; otherwise trials that can't be graded are left out.
            parent: Whose answers they share; itself it never does. None: they share none.

        Raises:
            BudgetExhausted: A cap is reached; no trial starts after that, and those that ran are rows.
            KeyboardInterrupt: The user has asked for the end; the same holds.
            GraderError: A decision needs a trial that can't be graded.
            InfraError: The evaluator gave up on a trial.
        """
        wanted = self.durations.longest_first(slots)
        recordings = self._recordings(parent)
        specs = take_turns(
            [
                self._missing(commit, wanted, NONE if parent and commit == parent.commit else recordings)
                for commit in commits
            ]
        )
        if not specs:
            return
        self.check()
        self.watcher.trials_planned(len(specs))
        self.evaluator.measure(specs, self._record, self._may_start)
        missing = [slot for commit in commits for slot in self._missing_slots(commit, wanted)]
        if missing:
            self.check()
            if decides:
                self._check_grades(commits, missing)

    def measure_in_order(self, trials: Sequence[tuple[str, Slot]]) -> None:
        """Give each (commit, slot) a trial that counts, started in this order; what can't be graded is left out.

        Raises:
            As `measure`, apart from GraderError.
        """
        slots: dict[str, list[Slot]] = {}
        for commit, slot in trials:
            slots.setdefault(commit, []).append(slot)
        specs = {
            (commit, (spec.task.name, spec.attempt)): spec
            for commit, wanted in slots.items()
            for spec in self._missing(commit, wanted)
        }
        if not specs:
            return
        self.check()
        self.watcher.trials_planned(len(specs))
        self.evaluator.measure([specs[key] for key in trials if key in specs], self._record, self._may_start)
        if any(self._missing_slots(commit, wanted) for commit, wanted in slots.items()):
            self.check()

    def _check_grades(self, commits: Sequence[str], missing: Sequence[Slot]) -> None:
        """Check that no trial that a decision needs could not be graded. Raises GraderError."""
        trials = [trial for commit in commits for trial in self.trials(commit)]
        for trial in reversed(trials):
            if trial.fault is Fault.GRADER and slot_of(trial) in missing:
                problem = last_line(trial.detail, default="no detail")
                raise GraderError(
                    f"{trial.task} could not be graded, and a decision needs it: {problem}; correct its tests or what "
                    f"they need; {RESUME_HINT}"
                )

    def _recordings(self, parent: Parent | None) -> Mapping[Slot, StoredFile]:
        """The recordings of the trials whose answers are shared, by slot."""
        if parent is None or not parent.shared or self.specs.config.reuse == "off":
            return NONE
        shared, trials = set(parent.shared), self.trials(parent.commit)
        counted = [trial for trial in trials if trial.counts and slot_of(trial) in shared]
        return {slot_of(trial): trial.recording for trial in counted if trial.recording}

    def _missing(
        self, commit: str, slots: Sequence[Slot], recordings: Mapping[Slot, StoredFile] = NONE
    ) -> list[TrialSpec]:
        missing = self._missing_slots(commit, slots)
        specs = self.specs.trials(commit, missing) if missing else []
        if not recordings:
            return specs
        return [replace(spec, reuse_of=recordings.get((spec.task.name, spec.attempt))) for spec in specs]

    def _missing_slots(self, commit: str, slots: Sequence[Slot]) -> list[Slot]:
        if not slots:
            return []
        attempts = [attempt for _, attempt in slots]
        known = self.store.counted_slots(self.run, commit, min(attempts), max(attempts))
        return [slot for slot in slots if slot not in known]

    def _record(self, result: TrialResult) -> None:
        self.store.add_trial(self.run, result)
        self.durations.add(result)
        self.budget.book(result.key, result.usage.paid)
        if result.grading:
            self.budget.book(grader_key(result.key), result.grading.usage)
        self.watcher.budget_left(self.budget.left())
        self.watcher.trial_done(result)
        if self.budget.terms.caps != Caps():
            tell(self.watcher, self.budget.spending())
        for line in self.drift.add(result):
            self.watcher.say(line)

    def _may_start(self) -> bool:
        """Whether one more trial may start; it is counted at once."""
        return not self.stop.requested and self.budget.may_start()
