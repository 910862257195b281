"""The scores that a run reports: on the holdout, and on attempts by which nothing is decided."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from evolve.core.caps import Caps
from evolve.core.clock import now
from evolve.core.config import RunConfig
from evolve.core.records import Candidate, Split
from evolve.gate import Slot
from evolve.gate.attempts import first_fresh_attempt
from evolve.loop.measuring import Measurer
from evolve.store import Store
from evolve.suite.tasks import Suite

# The latest trials, by which the cost of those at the end is judged.
JUDGED_TRIALS = 500


@dataclass(frozen=True)
class Scorer:
    """Run the trials of reported scores."""

    run: str
    config: RunConfig
    suite: Suite
    store: Store
    measurer: Measurer

    def keeping_enough(self) -> contextlib.AbstractContextManager[None]:
        """While the context lasts, leave enough of each cap for the trials at the end of the run."""
        measured = self.suite.split(Split.TRAIN, Split.VALIDATION)
        final = self.config.score_attempts * len(measured)
        final += self.config.holdout_attempts * len(self.suite.split(Split.HOLDOUT))
        budget = self.measurer.budget
        if budget.terms.caps == Caps():
            return contextlib.nullcontext()
        trials = [trial for trial in self.store.latest_trials(self.run, JUDGED_TRIALS) if trial.counts]
        return budget.keeping(budget.terms.caps.kept_for_end(trials, final, self.measurer.evaluator.jobs))

    def measure_fresh(self, champion: Candidate) -> None:
        """Measure a champion on attempts by which nothing is decided."""
        first, tasks = first_fresh_attempt(champion), self.suite.split(Split.TRAIN, Split.VALIDATION)
        attempts = range(first, first + self.config.score_attempts)
        self._measure(champion, [(task.name, attempt) for attempt in attempts for task in tasks])

    def look_at_holdout(self, candidate: Candidate, why: str) -> None:
        """Measure on the holdout, on attempts that all candidates share; each look is a row before it happens."""
        tasks = self.suite.split(Split.HOLDOUT)
        slots = [(task.name, attempt) for attempt in range(self.config.holdout_attempts) for task in tasks]
        if not slots:
            return
        looks = self.store.holdout_looks(self.run)
        if not any(look.commit == candidate.commit and look.why == why for look in looks):
            self.store.add_holdout_look(self.run, candidate.commit, why, now())
        self.measurer.watcher.say(f"holdout: {why}")
        self._measure(candidate, slots)

    def measure_once(self, candidate: Candidate, splits: Sequence[Split], attempts: int) -> None:
        """Measure on these splits, on the first attempts; if the holdout is one of them, this is a look at it."""
        if Split.HOLDOUT in splits:
            self.store.add_holdout_look(self.run, candidate.commit, "evaluation asked for by the user", now())
        tasks = self.suite.split(*splits)
        self._measure(candidate, [(task.name, attempt) for attempt in range(attempts) for task in tasks])

    def _measure(self, candidate: Candidate, slots: Sequence[Slot]) -> None:
        """Measure for a score, which says how many of its trials could be graded."""
        self.measurer.measure([candidate.commit], slots, decides=False)
