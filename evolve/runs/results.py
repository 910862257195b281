"""What a stored run shows: the scores of its scaffolds, and its claim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from evolve.core.attempts import Trial, first_fresh_attempt
from evolve.core.config import RunConfig
from evolve.core.coverage import Coverage, coverage
from evolve.core.errors import BadInput
from evolve.core.records import Candidate, Outcome, Split, TrialResult
from evolve.core.scores import Gap, Score, gap, score
from evolve.gate.arms import ArmFigures, figures
from evolve.gate.claim import Claim, claim, comparisons_made
from evolve.runs.ends import ends_of
from evolve.runs.regrades import regraded_trials
from evolve.runs.stored_config import stored
from evolve.store import LookRow, RoundRow, Store

# On the holdout, for a claim (`gate.comparison`).
LEAST_TASKS = 2


def fresh_scores(store: Store, run: str, candidate: Candidate) -> dict[Split, Score | None]:
    """Scores from a candidate's own fresh trials; those that it was chosen by are left out."""
    fresh = _fresh_trials(store, run, candidate)
    return {split: score(of_split(fresh, split)) for split in Split}


def fresh_coverage(store: Store, run: str, candidate: Candidate, config: RunConfig) -> dict[Split, Coverage]:
    """How many of the attempts that a candidate's fresh scores are made of could be graded.

    How many trials the seed scaffold has on train and validation is decided by the gate: those that were begun are the
    planned ones. So it is on the holdout, which isn't used while the seed scaffold is the champion.
    """
    fresh, tasks = _fresh_trials(store, run, candidate), [task for task in store.tasks(run) if task.excluded is None]
    planned = {split: sum(task.split is split for task in tasks) for split in Split}
    compared = config.holdout_attempts_at(planned[Split.HOLDOUT]) if store.champion(run).round else 0
    attempts = {Split.HOLDOUT: compared}
    measured = planned[Split.TRAIN] + planned[Split.VALIDATION]
    chosen = config.score_attempts_at(measured) if candidate.round else 0
    return {split: coverage(of_split(fresh, split), planned[split] * attempts.get(split, chosen)) for split in Split}


def _fresh_trials(store: Store, run: str, candidate: Candidate) -> list[TrialResult]:
    trials = regraded_trials(store, run, candidate.commit)
    fresh = [t for t in trials if t.split is Split.HOLDOUT or t.attempt >= first_fresh_attempt(candidate)]
    return fresh if candidate.round else _beside_champion(store, run, fresh)


def _beside_champion(store: Store, run: str, seed: list[TrialResult]) -> list[TrialResult]:
    """The seed scaffold's trials without those holdout attempts on which it was compared with an earlier champion."""
    champion = store.champion(run)
    its = {t.attempt for t in store.trials(run, champion.commit) if t.split is Split.HOLDOUT}
    return [t for t in seed if not its or t.split is not Split.HOLDOUT or t.attempt in its]


def champions_gap(store: Store, run: str) -> Gap | None:
    """The champion's gains over the seed scaffold on train and validation, from its fresh trials.

    The seed scaffold's trials are all of its own: it was never chosen by them. None if the champion is the seed
    scaffold, or has no fresh trials yet.
    """
    seed, champion = store.seed(run), store.champion(run)
    if champion.round == 0:
        return None
    return gap(store.trials(run, seed.commit), _fresh_trials(store, run, champion))


def of_split(trials: Sequence[Trial], split: Split) -> list[Trial]:
    """The trials at tasks of a split."""
    return [trial for trial in trials if trial.split is split]


def suite_looks(store: Store, run: str) -> list[LookRow]:
    """All looks at the holdout of a run's suite that the database knows, by whichever run."""
    row = store.run(run)
    digest = None if row is None else stored(row, "suite_digest")
    return store.holdout_looks(run) if digest is None else store.looks_at_suite(digest)


def holdout_figures(store: Store, run: str) -> list[ArmFigures]:
    """The figures of seed scaffold and champion on the holdout attempts that both have."""
    pair = {"seed scaffold": store.seed(run).commit, "champion": store.champion(run).commit}
    known = {
        name: {
            (trial.task, trial.attempt): trial
            for trial in regraded_trials(store, run, commit)
            if trial.split is Split.HOLDOUT and trial.counts
        }
        for name, commit in pair.items()
    }
    shared = set.intersection(*(set(trials) for trials in known.values()))
    return [
        figures(name, {slot: [trials[slot]] for slot in sorted(shared)}, 1, lambda _: 0, _passes)
        for name, trials in known.items()
    ]


def _passes(trial: TrialResult) -> bool:
    return trial.outcome is Outcome.PASSED


def has_new_champion(store: Store, run: str) -> bool | None:
    """Whether the champion of a run is another scaffold than its seed.

    None: neither yet, since the run is not over, or its holdout is too small for a claim. A run of an earlier version
    measured the seed scaffold on the holdout in any case.
    """
    try:
        champion = store.champion(run)
    except LookupError:
        return None
    if champion.round:
        return True
    trials = (trial for trial in store.trials(run, champion.commit) if trial.split is Split.HOLDOUT and trial.counts)
    measured = len({trial.task for trial in trials})
    holdout = sum(task.split is Split.HOLDOUT and task.excluded is None for task in store.tasks(run))
    return False if measured >= LEAST_TASKS or (is_over(store, run) and holdout >= LEAST_TASKS) else None


def is_over(store: Store, run: str) -> bool:
    """Whether all rounds of a run were played when it last ended."""
    ends = store.ends(run)
    return bool(ends) and ends[-1].reason == "done"


def no_champion(run: str, rounds: Sequence[RoundRow]) -> BadInput:
    """Why there is nothing to claim, and what can be had instead."""
    problem, fix = "the champion is still the seed scaffold", "resume the run"
    ends = ends_of(rounds)
    if ends is None or ends[1].round == ends[0].round:
        return BadInput(f"run {run}", problem, f"{fix} for more rounds")
    problem += f"; the gain of its tip, of round {ends[1].round}, is not proven yet"
    return BadInput(f"run {run}", problem, f"{fix} for more rounds, or take the tip over: evolve adopt {run} --tip")


def claim_of(store: Store, run: str, other_looks: int = 0) -> Claim:
    """The claim of a run.

    Args:
        other_looks: How many comparisons were made on its holdout by runs that the database lacks.

    Raises:
        BadInput: The run has no new champion, or too few holdout trials.
    """
    pair = _pair(store, run)
    if pair and pair[1].round == 0:
        raise no_champion(run, store.rounds_in_brief(run))
    trials = [regraded_trials(store, run, candidate.commit) for candidate in pair] or [[], []]
    comparisons = comparisons_made(look.why for look in suite_looks(store, run)) + other_looks
    claimed = claim(trials[0], trials[1], comparisons)
    if claimed is None:
        raise BadInput(
            f"run {run}", "seed and champion were not both measured on two holdout tasks", "let the run end first"
        )
    return replace(claimed, gap=champions_gap(store, run))


def _pair(store: Store, run: str) -> tuple[Candidate, ...]:
    """Seed scaffold and champion; none before the first decision."""
    try:
        return store.seed(run), store.champion(run)
    except LookupError:
        return ()
