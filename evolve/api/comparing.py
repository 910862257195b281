"""Measuring scaffolds of a stored run side by side: the claim against opponents, and the effects of kept patches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from evolve.api.running import check_prepared
from evolve.core.caps import Caps
from evolve.core.config import AskedModel, RunConfig
from evolve.core.errors import BadInput
from evolve.core.records import Split, TrialResult
from evolve.gate.arms import ArmFigures
from evolve.gate.claim import comparisons_made
from evolve.gate.comparison import Comparison, compare
from evolve.loop.side_by_side import Arm, measure_side_by_side
from evolve.loop.watcher import Watcher
from evolve.runs import opening
from evolve.runs.from_settings import new_config
from evolve.runs.identity import resumed_config, suite_of_run
from evolve.runs.jobs import planned_concurrency
from evolve.runs.leaving_out import LeftOut, patches_left_out
from evolve.runs.local_model import with_local_server_again
from evolve.runs.lookup import open_results, run_row
from evolve.runs.opponents import CHAMPION, SEED, Pair, arm_of, check_opponent
from evolve.runs.repository import lineage_of
from evolve.runs.results import suite_looks
from evolve.runs.settings import Settings
from evolve.runs.side_by_side import (
    Estimate,
    SideBySide,
    arm_figures,
    estimate,
    is_done,
    left_of_caps,
)
from evolve.runs.stored_suite import suite_of_config
from evolve.store import LookRow, RunRow, Store
from evolve.suite.tasks import Suite


@dataclass(frozen=True)
class ClaimRequest:
    """What a champion is to be compared with.

    Attributes:
        against: Names of opponents, see `runs.opponents`.
        models: Further models, on each of which seed and champion are compared.
        suites: Folders of further suites, on all tasks of which the same is compared.
        attempts: Of each task; None: the run's `holdout_attempts`, at least 1.
        caps: On these trials alone; without any, what the run has left of its own.
    """

    against: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    suites: tuple[Path, ...] = ()
    attempts: int | None = None
    caps: Caps = field(default_factory=Caps)

    @property
    def measures(self) -> bool:
        """Whether it needs trials."""
        return bool(self.against or self.models or self.suites)


@dataclass(frozen=True)
class Findings:
    """What was found side by side: one suite, one model. `comparisons`: of the champion with each other arm.

    `run`: that holds the trials. `where`: the suite and the model, in words.
    """

    run: str
    where: str
    plan: SideBySide
    arms: tuple[ArmFigures, ...]
    comparisons: tuple[Comparison | None, ...]
    looks: tuple[LookRow, ...]


def champion_pair(store: Store, row: RunRow) -> Pair:
    """Seed and champion of a run. Raises BadInput if no round is decided yet."""
    candidates = store.candidates(row.id)
    try:
        seed, champion = candidates[0], store.champion(row.id)
    except (IndexError, LookupError) as error:
        raise BadInput(f"run {row.id}", "no round is decided yet", "resume the run") from error
    trials = [_holdout_first(store.trials(row.id, commit)) for commit in (seed.commit, champion.commit)]
    return Pair(row, seed.commit, champion.commit, *trials)


def _holdout_first(trials: Sequence[TrialResult]) -> list[TrialResult]:
    """The trials on the holdout; all if there are none."""
    return [trial for trial in trials if trial.split is Split.HOLDOUT] or list(trials)


def claim_plans(settings: Settings, request: ClaimRequest) -> list[SideBySide]:
    """What is to be measured: opponents on the holdout and on each suite, the pair on each model. Raises BadInput."""
    for word in request.against:
        check_opponent(word)
    runs = settings.runs
    with open_results(runs) as store:
        row = run_row(store, settings.run)
        pair = champion_pair(store, row)
        if pair.champion == pair.seed:
            problem = "the champion is still the seed scaffold"
            raise BadInput(f"run {row.id}", problem, "resume the run for more rounds")
        config, own = resumed_config(row, {}, runs), suite_of_run(row, runs)
        words = request.against or (SEED,)
        places: list[tuple[Suite, RunConfig, tuple[Split, ...], Sequence[str]]] = [
            (own, config, (Split.HOLDOUT,), words)
        ]
        for folder in request.suites:
            there = config.model_copy(update={"suite": folder})
            places.append((suite_of_config(there, None), there, tuple(Split), words))
        for name in request.models:
            places.append((own, _with_model(config, name, settings), (Split.HOLDOUT,), (SEED,)))
        attempts = request.attempts or max(config.holdout_attempts, 1)
        return [
            SideBySide("claim", row, there, suite, _arms(words, pair, store, runs, suite), splits, attempts)
            for suite, there, splits, words in places
            if _has_tasks(suite, splits)
        ]


@dataclass(frozen=True)
class EffectsPlan:
    """What is to be measured for the effects of a champion's patches. `plan`: None if none can be taken out."""

    patches: tuple[LeftOut, ...]
    plan: SideBySide | None


def effects_plan(settings: Settings, attempts: int | None) -> EffectsPlan:
    """The champion beside itself without each of its patches, on train and validation. Raises BadInput.

    attempts: At each task; None: the run's `score_attempts`.
    """
    runs = settings.runs
    with open_results(runs) as store:
        row = run_row(store, settings.run)
        pair = champion_pair(store, row)
        patches = patches_left_out(row, store.rounds(row.id), pair.champion, lineage_of(row, runs))
    config, suite = resumed_config(row, {}, runs), suite_of_run(row, runs)
    arms = tuple(patch.arm for patch in patches if patch.arm)
    splits, times = (Split.TRAIN, Split.VALIDATION), attempts or config.score_attempts
    plan = SideBySide("effects", row, config, suite, (Arm(CHAMPION, pair.champion), *arms), splits, times)
    return EffectsPlan(tuple(patches), plan if arms and _has_tasks(suite, splits) else None)


def _has_tasks(suite: Suite, splits: Sequence[Split]) -> bool:
    if len(suite.split(*splits)) < 2:
        where = "holdout" if tuple(splits) == (Split.HOLDOUT,) else "any split"
        raise BadInput(str(suite.folder), f"has fewer than two tasks ({where})", "a claim needs at least two")
    return True


def _with_model(config: RunConfig, name: str, settings: Settings) -> RunConfig:
    """The config with another model for the scaffold."""
    asked = new_config(settings.model_copy(update={"model": name}))
    return config.model_copy(update={key: getattr(asked, key) for key in AskedModel.model_fields})


def _arms(words: Sequence[str], pair: Pair, store: Store, runs: Path, suite: Suite) -> tuple[Arm, ...]:
    others = [arm_of(word, pair, store, runs, suite) for word in dict.fromkeys(words)]
    return (Arm(CHAMPION, pair.champion), *dict.fromkeys(others))


def estimates(plans: Sequence[SideBySide], settings: Settings) -> list[Estimate]:
    """What each of them will take, as far as it is not measured yet, judged by the run's own trials."""
    found = []
    with open_results(settings.runs) as store:
        for plan in plans:
            pair = champion_pair(store, plan.origin)
            known = [*pair.seed_trials, *pair.champion_trials]
            row = plan.stored_run(store)
            request = plan.request(store, settings.runs, settings.jobs, Caps(), settings.preflight)
            jobs = planned_concurrency(request, plan.suite).most
            missing = 0 if is_done(store, row) else plan.trials - (store.trial_count(row.id) if row else 0)
            found.append(estimate(max(missing, 0), known, jobs, plan.config.scaffold_priced))
    return found


def measure(plan: SideBySide, settings: Settings, caps: Caps, watcher: Watcher) -> None:
    """Run the trials of a measurement that are missing; what was measured stays.

    caps: On these trials alone; without any, what the run has left of its own. Raises BadInput if that is nothing.
    """
    with open_results(settings.runs) as store:
        if is_done(store, plan.stored_run(store)):
            return
        allowed = caps if caps != Caps() else left_of_caps(store, plan.origin)
    with _served(plan, settings.local_file) as served:
        with open_results(settings.runs) as store:
            request = served.request(store, settings.runs, settings.jobs, allowed, settings.preflight)
        opening.check(request)
        request = check_prepared(request, served.suite, watcher)
        with opening.open_run(request, served.suite, watcher) as search:
            looks = plan.purpose == "claim"
            measure_side_by_side(search, plan.arms, plan.splits, plan.attempts, looks)


@contextmanager
def _served(plan: SideBySide, local_file: Path | None) -> Iterator[SideBySide]:
    with with_local_server_again(plan.config, local_file) as config:
        yield replace(plan, config=config)


def findings(plan: SideBySide, settings: Settings) -> Findings:
    """What was found. Raises BadInput if nothing was measured yet."""
    with open_results(settings.runs) as store:
        row = plan.stored_run(store)
        if row is None:
            raise BadInput(f"run {plan.origin.id}", "these trials have not begun", "run the command without --plan")
        arms = arm_figures(store, row.id, plan, settings.runs)
        looks = suite_looks(store, row.id)
    made = comparisons_made(look.why for look in looks) if plan.purpose == "claim" else len(arms) - 1
    champion, *others = arms
    found = tuple(compare(arm.rewards, champion.rewards, max(made, 1)) for arm in others)
    splits = "all tasks" if len(plan.splits) == len(Split) else " and ".join(plan.splits)
    where = f"{plan.suite.folder.name}, {splits}, model {plan.config.model}"
    return Findings(row.id, where, plan, tuple(arms), found, tuple(looks))
