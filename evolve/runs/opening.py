"""Brings a run together: every check first, then the engine and the images, then the rows."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from evolve import __version__, llm
from evolve.budget import run_budget
from evolve.budget.ledger import SpendingFile
from evolve.budget.metered import Metered, charge_dead
from evolve.budget.rate import rates_of
from evolve.budget.run_budget import Budget
from evolve.core.caps import Caps
from evolve.core.clock import now
from evolve.core.config import PLACES, RunConfig
from evolve.core.errors import BadInput, BudgetExhausted, InfraError
from evolve.core.records import TaskImage
from evolve.executor.concurrency import Concurrency
from evolve.executor.evaluate import Evaluator, default_jobs
from evolve.executor.fault_policy import Restore
from evolve.executor.protocol import Executor
from evolve.gate import begin_rule
from evolve.host import disk, signals
from evolve.host.run_names import owner_of
from evolve.host.signals import Stop
from evolve.host.temporary import process_mark, sweep_folders
from evolve.loop.assembly import assemble
from evolve.loop.events import RunEnded, RunOpened, hears, tell, tell_pace, tell_wait
from evolve.loop.journal import RECENT
from evolve.loop.judging import protected_tasks
from evolve.loop.search import Search
from evolve.loop.watcher import Watcher
from evolve.models.choice import check_commercial
from evolve.runs import gc_record
from evolve.runs.contents import check_scaffold, describe_left_out, refuse_self_proposer
from evolve.runs.digests import scaffold_survey
from evolve.runs.identity import check_same, continued_config, identity, suite_differences
from evolve.runs.jobs import planned_concurrency
from evolve.runs.naming import check_name, hold_run
from evolve.runs.pinned import check_pinned, pinned_images
from evolve.runs.places import check_writable
from evolve.runs.plugins import Plugins, check_plugins, find_plugins, is_local
from evolve.runs.replay import Replayer
from evolve.runs.repository import left_out_places, outside_of, scaffold_digest
from evolve.runs.request import NamedRun, RunRequest, stored_row
from evolve.runs.restoring import restore_engine
from evolve.runs.sampling import first_instances
from evolve.runs.scaffold_image import KEY, image_finder, images_at_start
from evolve.runs.stored_config import MEASUREMENT, stored, stored_config
from evolve.runs.stored_suite import suite_of_config
from evolve.sandbox import engine, images, leftovers
from evolve.sandbox.egress_check import refuse_unsupported
from evolve.store import RunRow, Store, TaskRow
from evolve.suite.hidden import hidden_of
from evolve.suite.tasks import Suite
from evolve.suite.unbuildable import UsableSuite, exclude_unbuildable
from evolve.suite.vocabulary import vocabulary_of
from evolve.trial.run import run_trial, run_trial_ahead
from evolve.trial.self_work import run_self_work

# Of tasks whose environments an executor makes itself.
NO_IMAGE = TaskImage("", "")
# Folders of a run that hold many files.
WRITTEN = ("proposals", "trials", "states", "untouched")


def check(request: RunRequest) -> Suite:
    """Check everything that the user gave, before anything is written. Raises BadInput."""
    check_name(request)
    check_writable(request.runs)
    row = stored_row(request.runs, request.run)
    suite = suite_of_config(request.config, None if row is None else stored(row, "suite_digest"))
    if row is not None:
        _refuse_measurement(request, row)
        check_same(request.config, suite, row)
    elif request.origin is None:
        check_scaffold(request.config.scaffold, suite, request.runs)
        refuse_self_proposer(request.config)
    protected_tasks(suite, request.config.protect)
    check_plugins(request.config, request.plugins)
    check_commercial(request.config)
    if not request.checks_models:
        check_priced(request.config, request.caps)
    return suite


def _refuse_measurement(request: RunRequest, row: RunRow) -> None:
    """Raise BadInput if rounds are to be played in a run that measures scaffolds side by side."""
    if stored(row, MEASUREMENT) and not request.measurement:
        problem = "measures scaffolds side by side and has no rounds"
        raise BadInput(
            f"run {row.id}", problem, "resume it with the command that began it, `evolve claim` or `effects`"
        )


def left_out_line(request: RunRequest) -> str:
    """What of the scaffold's folder doesn't belong to a new run's scaffold, in one line; "" if all of it does."""
    if request.origin or stored_row(request.runs, request.run) is not None:
        return ""
    survey = scaffold_survey(request.config.scaffold, *left_out_places(request.config.suite, request.runs))
    return describe_left_out(survey.left_out)


def check_priced(config: RunConfig, caps: Caps) -> None:
    """Raise BadInput if a cap in dollars has no prices, given or listed by the endpoint."""
    unpriced = [asked.model for asked in config.all_models if not asked.spec.priced]
    if caps.usd is not None and unpriced:
        raise BadInput(
            "budget_usd",
            f"no price is known for {unpriced[0]}",
            "give --prompt-price and --completion-price, or drop it",
        )


@contextlib.contextmanager
def open_run(request: RunRequest, suite: Suite, watcher: Watcher) -> Iterator[Search]:
    """Start or resume a run. At the end nothing of it is left in the engine, whatever happened."""
    if is_local(request.config):
        _bring_up(request.config, watcher)
    _make_folder(request.runs)
    with (
        Store.open(request.database) as store,
        signals.listen_for_signals() as stop,
        hold_run(request, suite, store) as name,
    ):
        _refuse_depleted(request.runs / name)
        run = _named(request, name, store)
        check_priced(run.config, request.caps)  # the prices of a stored run stay, also if it has none
        enter = functools.partial(_enter, run, suite, store, watcher)
        owner, known = owner_of(run.folder), store.tasks(run.name)
        with _open_search(run, suite, store, watcher, owner, known, enter, stop) as search:
            try:
                yield search
                store.end_run(run.name, "done", now())
                tell(watcher, RunEnded(run.name, "done"))
            except BudgetExhausted as error:
                store.end_run(run.name, "budget", now())
                tell(watcher, RunEnded(run.name, "budget"))
                again = "" if request.measurement else f" and --run {run.name}"
                watcher.say(f"stopped: {error}; the same command with a larger budget{again} resumes")
        run_budget.book_losses(store, run.name, run.folder)


def _make_folder(runs: Path) -> None:
    """The folder of the results, which git ignores even if it lies within the scaffold."""
    runs.mkdir(parents=True, exist_ok=True)
    if not (ignored := runs / ".gitignore").exists():
        disk.write_atomically(ignored, b"*\n")


def _named(request: RunRequest, name: str, store: Store) -> NamedRun:
    """The run of this name: a stored one keeps its config, apart from what each start sets anew."""
    row, config = store.run(name), request.config
    if row is not None:
        config = continued_config(stored_config(row), config)
    return NamedRun(name, request, config, row)


@contextlib.contextmanager
def open_for_replay(request: RunRequest, watcher: Watcher, tasks: Collection[str] | None = None) -> Iterator[Replayer]:
    """Open a run as it is, to read and replay it: no row of it is written. Raises BadInput if its suite has changed.

    The gate may have changed since: a replay decides nothing. tasks: the names of those that will be needed; only
    their images are built. None: all.
    """
    with Store.open(request.database) as store:
        run = _named(request, str(request.run), store)
        suite, known = _suite_to_replay(run), store.tasks(run.name)
        if tasks is not None:
            suite = replace(suite, tasks=tuple(task for task in suite.tasks if task.name in tasks))
            known = [row for row in known if row.name in tasks]
        owner = f"{run.name}.replay.{process_mark()}"
        with _open_search(
            run, suite, store, watcher, owner, known, lambda *_: run_budget.begin_unbooked(run.folder), Stop()
        ) as search:
            measurer = search.measurer
            yield Replayer(run.name, run.folder, measurer.store, measurer.specs, measurer.evaluator, owner)


def _suite_to_replay(run: NamedRun) -> Suite:
    """The suite of a stored run. Raises BadInput if it has changed."""
    suite = suite_of_config(run.config, None if run.row is None else stored(run.row, "suite_digest"))
    if run.row is not None and (problem := suite_differences(suite, run.row)):
        raise BadInput(f"run {run.name}", problem, "restore them as they were")
    return suite


@contextlib.contextmanager
def _open_search(
    run: NamedRun,
    suite: Suite,
    store: Store,
    watcher: Watcher,
    owner: str,
    known: Sequence[TaskRow],
    enter: Callable[[UsableSuite, Mapping[str, str]], Budget],
    stop: Stop,
) -> Iterator[Search]:
    """Engine, images, lineage and workers together; nothing labelled `owner` is left at the end."""
    request, plugins = run.request, find_plugins(run.config, run.request.plugins)
    local = is_local(run.config)
    disk.check_free_space((request.runs,))
    sweep_folders()
    disk.sweep_parts((request.runs, run.folder, *(run.folder / name for name in WRITTEN)))
    base, made = _built(run, suite, watcher, known) if local else ("", _unbuilt(suite, known, watcher))
    is_new = run.row is None and run.request.origin is None
    own_images = images_at_start(run.config, owner, base, watcher.say) if local and is_new else {}
    instances = first_instances(made, run.config.seed, owner, request.jobs or default_jobs()) if local else {}
    budget, spec = enter(made, own_images), run.config.proposer_spec
    if local:
        engine.sweep(owner)
        leftovers.sweep_dead()
        engine.sweep_overdue()
    restore = functools.partial(restore_engine, made.suite.tasks, base)
    model = llm.open_model(spec, has_answered=request.checks_models)
    try:
        with (
            contextlib.closing(budget),
            _executor(run, plugins, planned_concurrency(request, suite), watcher, stop, budget, restore) as evaluator,
        ):
            yield assemble(
                run=run.name,
                config=run.config,
                suite=made.suite,
                store=store,
                lineage=run.lineage(),
                evaluator=evaluator,
                model_for=lambda what: Metered(model, spec, budget.terms, what),
                budget=budget,
                images=made.images,
                base_image=base,
                folder=run.folder,
                watcher=watcher,
                vocabulary=functools.cache(lambda: vocabulary_of(made.suite.tasks, instances)),
                hidden=hidden_of((*suite.tasks, *suite.refused)),
                outside=outside_of(run.config.scaffold, left_out_places(run.config.suite, request.runs)),
                find_image=image_finder(run, owner, base, watcher.say) if local else None,
                stop=stop,
                proposer=plugins.proposer,
                begin=plugins.rule or begin_rule,
            )
    finally:
        if local:
            _swept(owner, watcher)


def _bring_up(config: RunConfig, watcher: Watcher) -> None:
    engine.bring_up(watcher.say)
    engine.check_runtime(config.sandbox.runtime)


def _built(run: NamedRun, suite: Suite, watcher: Watcher, known: Sequence[TaskRow]) -> tuple[str, UsableSuite]:
    """The base image, and the suite with the images of its tasks."""
    _bring_up(run.config, watcher)
    base, jobs = images.base_image(watcher.say), run.request.jobs or default_jobs()
    if run.config.network:
        refuse_unsupported(suite.tasks, owner_of(run.folder), run.config.sandbox.runtime)
    return base, exclude_unbuildable(
        suite, known, lambda tasks: images.build_all(tasks, base, jobs, watcher.say), watcher.say
    )


def _unbuilt(suite: Suite, known: Sequence[TaskRow], watcher: Watcher) -> UsableSuite:
    """The suite for an executor that makes the tasks' environments itself."""
    return exclude_unbuildable(suite, known, lambda tasks: ({t.name: NO_IMAGE for t in tasks}, {}), watcher.say)


@contextlib.contextmanager
def _executor(
    run: NamedRun,
    plugins: Plugins,
    concurrency: Concurrency,
    watcher: Watcher,
    stop: Stop,
    budget: Budget,
    restore: Restore,
) -> Iterator[Executor]:
    """What runs the trials; a plug-in is not closed."""
    if plugins.executor is not None:
        yield plugins.executor
        return
    watcher.say(concurrency.describe(rates_of(run.config.model_spec)))
    tell_pace(watcher, concurrency.first)
    with Evaluator(
        concurrency.most,
        first_jobs=concurrency.first,
        notify=watcher.say,
        should_stop=lambda: stop.requested,
        restore=restore,
        on_wait=functools.partial(tell_wait, watcher),
        on_pace=functools.partial(tell_pace, watcher),
        **_paid_by(budget.terms),
    ) as evaluator:
        yield evaluator


def _swept(owner: str, watcher: Watcher) -> None:
    """What can't be removed now must not hide why the run ended."""
    try:
        engine.sweep(owner)
    except InfraError as error:
        watcher.say(f"{error}; the next start of the run removes what is left")


def _paid_by(terms: SpendingFile) -> dict[str, Any]:
    """All that workers do with a model, paid for from one budget."""
    return {
        "work": functools.partial(run_trial_ahead, spending_file=terms),
        "run_inline": functools.partial(run_trial, spending_file=terms),
        "do_self_work": functools.partial(run_self_work, spending_file=terms),
        "charge_dead": functools.partial(charge_dead, terms),
    }


def _refuse_depleted(folder: Path) -> None:
    """A run's next rounds read the patches and trajectories of all its earlier ones."""
    if not gc_record.read(folder).empty:
        raise BadInput(
            f"run {folder.name}", "`evolve gc` has removed files that its next rounds need", "start one with --run new"
        )


def _enter(
    run: NamedRun,
    suite: Suite,
    store: Store,
    watcher: Watcher,
    usable: UsableSuite,
    own_images: Mapping[str, str],
) -> Budget:
    """Write the run's rows at the beginning of a session. `own_images`: the id of the scaffold's own image, by name."""
    request = run.request
    if run.row is not None:
        _check_seed(run)
        check_pinned(run.row, usable)
        watcher.say(f"resuming run {run.name}, started {run.row.created_at}: {_progress(store, run.name)}")
    else:
        _create_run(run, suite, store, usable, own_images)
        watcher.say(f"run {run.name}")
    budget = run_budget.begin(store, run.name, run.folder, request.caps, run.config.free, request.preflights)
    watcher.budget_left(budget.left())
    if hears(watcher):
        tell(watcher, _opened(store, run.name))
        tell(watcher, budget.spending())
    return budget


def _opened(store: Store, run: str) -> RunOpened:
    """The run with its decisions so far, and the hypotheses of its newest rounds."""
    rows = store.latest_rounds(run, RECENT)
    hypotheses = [(row.number, row.proposal.hypothesis) for row in rows if row.proposal]
    return RunOpened(run, list(store.decisions(run).items()), hypotheses)


def _check_seed(run: NamedRun) -> None:
    """Raise BadInput if a resumed run has no commit yet and the scaffold has changed since it began."""
    if run.row is None or run.request.measurement or run.lineage().seed_of(run.name) is not None:
        return
    digest = scaffold_digest(run.config.scaffold, run.config.suite, run.request.runs)
    if digest != stored(run.row, "scaffold_digest"):
        problem = f"its scaffold {run.config.scaffold} has changed before the run's first commit"
        raise BadInput(f"run {run.name}", problem, "restore the scaffold's files, or start another run with --run new")


def _progress(store: Store, run: str) -> str:
    """How far the run has come, in words."""
    under_way = store.open_rounds(run)
    words = f"{max(store.decided_count(run) - 1, 0)} rounds decided, {store.trial_count(run)} trials"
    if not under_way:
        return words
    last = under_way[-1]
    state = "measured in part" if last.candidate else "proposed" if last.proposal else "started"
    return f"{words}, round {last.number} {state}"


def _placed(config: RunConfig) -> RunConfig:
    """The config with absolute paths, so that the run is found from any folder."""
    return config.model_copy(update={key: path.resolve() for key in PLACES if (path := getattr(config, key)).is_dir()})


def _create_run(run: NamedRun, suite: Suite, store: Store, usable: UsableSuite, own_images: Mapping[str, str]) -> None:
    config, lineage = _placed(run.config), run.lineage()
    origin = run.request.origin
    digest = (
        stored(origin, "scaffold_digest")
        if origin
        else scaffold_digest(config.scaffold, config.suite, run.request.runs)
    )
    text = identity(config, suite, digest, run.request.measurement)
    row = RunRow(
        id=run.name,
        created_at=now(),
        seed=config.seed,
        config=text,
        config_sha256=hashlib.sha256(text.encode()).hexdigest(),
        suite=str(config.suite),
        scaffold=str(config.scaffold),
        model=config.model,
        base_url=config.base_url,
        engine=json.dumps({**_described_engine(config, own_images), **pinned_images(usable)}, sort_keys=True),
        evolve_version=__version__,
        repository=str(lineage.git_dir),
        base_commit=lineage.resolve("HEAD"),
    )
    store.create_run(row, (*suite.tasks, *suite.refused), usable.excluded)


def _described_engine(config: RunConfig, images: Mapping[str, str]) -> Mapping[str, object]:
    """The container engine with the scaffold's own image, or the plug-in that runs trials without it."""
    if not is_local(config):
        return {"executor": config.executor}
    return {**engine.describe(), **({KEY: images} if images else {})}
