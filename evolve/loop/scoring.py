"""The scores that a run reports: on the holdout, and on attempts by which nothing is decided."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from evolve.core.attempts import first_fresh_attempt
from evolve.core.caps import Caps
from evolve.core.clock import now
from evolve.core.config import RunConfig
from evolve.core.records import Candidate, Split
from evolve.gate import Slot
from evolve.loop.events import StageStarted, tell
from evolve.loop.measuring import Measurer
from evolve.store import Store
from evolve.suite.tasks import Suite

CHAMPION_LOOK = "champion at the end"
SEED_LOOK = "seed scaffold at the end"
# Of runs of earlier versions, for their first comparison.
EARLY_SEED_LOOK = "seed scaffold at the start"
NOTHING_TO_COMPARE = "holdout: not used, since the champion is the seed scaffold"
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
        final = self.trials_at_end()
        budget = self.measurer.budget
        if budget.terms.caps == Caps():
            return contextlib.nullcontext()
        trials = [trial for trial in self.store.latest_trials(self.run, JUDGED_TRIALS) if trial.counts]
        return budget.keeping(budget.terms.caps.kept_for_end(trials, final, self.measurer.evaluator.jobs))

    def trials_at_end(self) -> int:
        """The number of trials that the scores at the end of the run take at most."""
        measured, holdout = len(self.suite.split(Split.TRAIN, Split.VALIDATION)), len(self.suite.split(Split.HOLDOUT))
        scores = self.config.score_attempts_at(measured) * measured
        return scores + 2 * self.config.holdout_attempts_at(holdout) * holdout

    def measure_fresh(self, champion: Candidate) -> None:
        """Measure a champion on attempts by which nothing is decided."""
        first, tasks = first_fresh_attempt(champion), self.suite.split(Split.TRAIN, Split.VALIDATION)
        attempts = range(first, first + self.config.score_attempts_at(len(tasks)))
        self._measure(champion, [(task.name, attempt) for attempt in attempts for task in tasks])

    def compare_on_holdout(self, seed: Candidate, champion: Candidate) -> None:
        """Measure seed scaffold and champion on the holdout side by side, on attempts that they share.

        They take turns, so that an endpoint or a machine that changes meanwhile changes both alike. A later champion is
        compared on attempts of its own, on which the seed scaffold is measured anew. Each look is a row before it
        happens. While the seed scaffold is the champion, there is nothing to compare, and no look is spent.
        """
        tasks = self.suite.split(Split.HOLDOUT)
        attempts = self.config.holdout_attempts_at(len(tasks))
        if not tasks or not attempts:
            return
        if champion.commit == seed.commit:
            self.measurer.watcher.say(NOTHING_TO_COMPARE)
            return
        self.measurer.watcher.say("holdout: seed scaffold and champion side by side")
        tell(self.measurer.watcher, StageStarted("measuring seed scaffold and champion on the holdout"))
        first = attempts * self._note_looks(seed, champion)
        slots = [(task.name, first + attempt) for attempt in range(attempts) for task in tasks]
        self.measurer.measure([seed.commit, champion.commit], slots, decides=False)

    def _note_looks(self, seed: Candidate, champion: Candidate) -> int:
        """Write down the looks that a comparison takes, unless they are there; returns how many were made before it."""
        looks = self.store.holdout_looks(self.run)
        compared = [look.commit for look in looks if look.why == CHAMPION_LOOK]
        place = compared.index(champion.commit) if champion.commit in compared else len(compared)
        has_early = any(look.why == EARLY_SEED_LOOK for look in looks)
        others = [commit for commit in [*compared[:place], champion.commit][has_early:] if commit != seed.commit]
        if sum(look.why == SEED_LOOK for look in looks) < len(others):
            self.store.add_holdout_look(self.run, seed.commit, SEED_LOOK, now())
        if place == len(compared):
            self.store.add_holdout_look(self.run, champion.commit, CHAMPION_LOOK, now())
        return place

    def measure_once(self, candidate: Candidate, splits: Sequence[Split], attempts: int) -> None:
        """Measure on these splits, on the first attempts; if the holdout is one of them, this is a look at it."""
        if Split.HOLDOUT in splits:
            self.store.add_holdout_look(self.run, candidate.commit, "evaluation asked for by the user", now())
        tasks = self.suite.split(*splits)
        self._measure(candidate, [(task.name, attempt) for attempt in range(attempts) for task in tasks])

    def _measure(self, candidate: Candidate, slots: Sequence[Slot]) -> None:
        """Measure for a score, which says how many of its trials could be graded."""
        self.measurer.measure([candidate.commit], slots, decides=False)
