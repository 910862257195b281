"""What the further gradings of kept states change: scores that decide nothing, and never a decision."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from evolve.core.records import Fault, Outcome, TrialResult
from evolve.store import Regrade, Store


def regraded_trials(store: Store, run: str, commit: str) -> list[TrialResult]:
    """A candidate's trials, with the rewards of regraded states for attempts without a result."""
    trials, regrades = store.trials(run, commit), store.regrades(run)
    if not regrades:
        return trials
    kept = {number: trial for number, trial in store.kept_states(run).items() if trial.candidate == commit}
    return with_regrades(trials, kept, regrades)


def with_regrades(
    trials: Sequence[TrialResult], kept: Mapping[int, TrialResult], regrades: Iterable[Regrade]
) -> list[TrialResult]:
    """Trials, and for each attempt that has none which counts the first reward of a regraded state.

    Args:
        kept: The ungraded trials by the id of their row.
    """
    graded = {(trial.task, trial.attempt) for trial in trials if trial.counts}
    added = []
    for regrade in regrades:
        trial = kept.get(regrade.trial)
        if trial is None or regrade.reward is None or (trial.task, trial.attempt) in graded:
            continue
        graded.add((trial.task, trial.attempt))
        added.append(_graded(trial, regrade))
    return [*trials, *added]


def _graded(trial: TrialResult, regrade: Regrade) -> TrialResult:
    outcome = Outcome.PASSED if regrade.is_pass else Outcome.FAILED
    return replace(trial, outcome=outcome, reward=regrade.reward, fault=Fault.NONE, state=None)
