"""Bringing a run together: every check first, then the engine and the images, then the rows."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from evolve import __version__, llm
from evolve.budget import run_budget
from evolve.runs import gc_record
from evolve.host import disk, signals
from evolve.suite import scaffold
from evolve.suite.bundled import is_bundled, or_bundled, stored_folder
from evolve.budget.run_budget import Budget
from evolve.loop.campaign import Campaign, Watcher
from evolve.core.caps import Caps
from evolve.models.choice import check_commercial
from evolve.core.clock import now
from evolve.core.config import GateConfig, RunConfig
from evolve.core.errors import BadInput, BudgetExhausted, InfraError
from evolve.executor.evaluate import Evaluator
from evolve.host.locks import locked
from evolve.budget.metered import Metered
from evolve.host.run_names import NEW, new_names
from evolve.budget.ledger import Terms
from evolve.repo import Lineage, scaffold_paths
from evolve.sandbox import engine, images
from evolve.trial.self_work import do_work
from evolve.suite.unbuildable import equipped
from evolve.host.signals import Stop
from evolve.store import RunRow, Store, TaskRow
from evolve.suite.tasks import Suite, load_suite
from evolve.trial.run import run_trial, run_trial_ahead
from evolve.suite.vocabulary import vocabulary_of

DATABASE = "evolve.db"


@dataclass(frozen=True)
class Order:
    """What the user asked for, beyond the run's config."""

    config: RunConfig
    runs: Path
    run: str | None
    jobs: int
    caps: Caps = field(default_factory=Caps)
    home: Path | None = None

    def lineage(self) -> Lineage:
        """Where the candidates' commits are: the repository around the scaffold, else one of the run's own.

        A bundled scaffold belongs to no repository of the user's, wherever Evolve is installed.
        """
        home = self.home or lineage_home(self.runs, str(self.run))
        return Lineage.open(or_bundled(self.config.scaffold), home, alone=is_bundled(self.config.scaffold))


def lineage_home(runs: Path, run: str) -> Path:
    """The repository that a run makes for itself where the scaffold is in none."""
    return runs / run / "lineage.git"


def lineage_of(row: RunRow, runs: Path) -> Lineage:
    """Where the commits of a run are that was begun before."""
    return Lineage.open(stored_folder(Path(row.scaffold), runs), lineage_home(runs, row.id))


def check(order: Order) -> Suite:
    """Everything that can be wrong with what the user gave, before anything is written. Raises BadInput."""
    suite = load_suite(order.config.suite)
    scaffold.check_folder(order.config.scaffold)
    check_commercial(order.config)
    unpriced = [one.model for one in order.config.models if not one.spec.priced]
    if order.caps.usd is not None and unpriced:
        raise BadInput(
            "BUDGET_USD",
            f"no price is known for {unpriced[0]}",
            "give --prompt-price and --completion-price, or drop it",
        )
    if order.run not in (None, NEW):
        _check_resumable(order, suite)
    return suite


def _check_resumable(order: Order, suite: Suite) -> None:
    name = str(order.run)
    if not name.replace("-", "").replace("_", "").isalnum() or not name.isascii() or len(name) > 64:
        raise BadInput(f"run {name!r}", "is not a run id", "use letters, digits, - and _, at most 64")
    if not Store.exists(order.runs / DATABASE):
        return
    with Store.open(order.runs / DATABASE) as store:
        row = store.run(name)
    if row is not None and (differing := _differences(order, suite, row)):
        raise BadInput(f"run {name}", f"exists with another config ({differing[0]})", "use the same, or another RUN")


def _differences(order: Order, suite: Suite, row: RunRow) -> list[str]:
    stored = json.loads(row.config)
    for beside in ("suite_digest", "scaffold_digest", "suite_profile"):
        stored.pop(beside, None)
    return order.config.differences(json.dumps(stored)) or _suite_differences(suite, row)


def _suite_differences(suite: Suite, row: RunRow) -> list[str]:
    same = json.loads(row.config).get("suite_digest") == suite.digest
    return [] if same else ["the suite's files have changed"]


def identity(order: Order, suite: Suite) -> str:
    """The run's config as stored: with the digests of what it starts from, and the suite's profile."""
    values = json.loads(order.config.canonical())
    values |= {"suite_digest": suite.digest, "scaffold_digest": _folder_digest(order.config.scaffold)}
    values["suite_profile"] = str(suite.profile)
    return json.dumps(values, sort_keys=True)


def _folder_digest(folder: Path) -> str:
    total, folder = hashlib.sha256(), or_bundled(folder)
    files = [p for p in folder.rglob("*") if p.is_file() and not {"__pycache__", ".git"} & {*p.relative_to(folder).parts}]
    own = set(scaffold_paths(folder, [path.relative_to(folder).as_posix() for path in files]))
    for path in sorted(p for p in files if p.relative_to(folder).as_posix() in own):
        total.update(f"{path.relative_to(folder).as_posix()}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


@contextlib.contextmanager
def campaign(order: Order, suite: Suite, watcher: Watcher) -> Iterator[Campaign]:
    """A run ready to go: new, or gone on with. At the end nothing of it is left in the engine, whatever happened."""
    engine.bring_up(watcher.say)
    engine.check_runtime(order.config.sandbox.runtime)
    order.runs.mkdir(parents=True, exist_ok=True)
    with Store.open(order.runs / DATABASE) as store:
        run = _named_run(order, suite, store)
        (order.runs / run).mkdir(exist_ok=True)
        with signals.heard() as stop, locked(order.runs / run / "lock", run, lambda: _holder(store, run)):
            _refuse_depleted(order.runs / run)
            named = replace(order, run=run)
            enter = functools.partial(_entered, named, suite, store, watcher)
            with _campaign(named, suite, watcher, run, store.tasks(run), enter, stop) as it:
                try:
                    yield it
                    store.end_run(run, "done", now())
                except BudgetExhausted as error:
                    store.end_run(run, "budget", now())
                    watcher.say(f"stopped: {error}; a larger one, with RUN={run}, goes on from here")
            run_budget.book_losses(store, run, order.runs / run)


@contextlib.contextmanager
def _campaign(
    order: Order,
    suite: Suite,
    watcher: Watcher,
    owner: str,
    known: Sequence[TaskRow],
    enter: Callable[[Mapping[str, str]], Budget],
    stop: Stop,
) -> Iterator[Campaign]:
    """Engine, images, store, lineage and workers together; nothing labelled `owner` is left at the end."""
    engine.bring_up(watcher.say)
    engine.check_runtime(order.config.sandbox.runtime)
    base = images.base_image(watcher.say)
    disk.check((order.runs,))
    made = equipped(suite, known, lambda some: images.build_all(some, base, order.jobs, watcher.say), watcher.say)
    purse, run, spec = enter(made.aside), str(order.run), order.config.proposer_spec
    engine.sweep(owner)
    engine.sweep_overdue()
    model = llm.open_model(spec)
    try:
        with (
            contextlib.closing(purse),
            Store.open(order.runs / DATABASE) as store,
            Evaluator(order.jobs, notify=watcher.say, over=lambda: stop.asked, **_paid_by(purse.terms)) as evaluator,
        ):
            yield Campaign(
                run=run,
                config=order.config,
                suite=made.suite,
                store=store,
                lineage=order.lineage(),
                evaluator=evaluator,
                asked=lambda what: Metered(model, spec, purse.terms, what),
                budget=purse,
                images=made.images,
                base_image=base,
                folder=order.runs / run,
                watcher=watcher,
                vocabulary=vocabulary_of(made.suite.tasks),
                stop=stop,
            )
    finally:
        _swept(owner, watcher)


def _swept(owner: str, watcher: Watcher) -> None:
    """What can't be removed now must not hide why the run ended."""
    try:
        engine.sweep(owner)
    except InfraError as error:
        watcher.say(f"{error}; the next start of the run removes what is left")


def _paid_by(terms: Terms) -> dict[str, Any]:
    """All that workers do with a model, paid for out of one purse."""
    return {
        "work": functools.partial(run_trial_ahead, purse=terms),
        "here": functools.partial(run_trial, purse=terms),
        "on_itself": functools.partial(do_work, purse=terms),
    }


def stored_config(row: RunRow) -> RunConfig:
    """The config that a run was begun with; of a gate that no longer exists only what this version knows."""
    values = {k: v for k, v in json.loads(row.config).items() if k in RunConfig.model_fields}
    values["gate"] = {k: v for k, v in values.get("gate", {}).items() if k in GateConfig.model_fields}
    return RunConfig.model_validate(values)


@contextlib.contextmanager
def reopened(order: Order, watcher: Watcher) -> Iterator[Campaign]:
    """A run as it is, to look at and replay: no row of it is written. Raises BadInput if its suite has changed.

    The gate may have changed since: a replay decides nothing.
    """
    order = replace(order, config=_with_stored_folders(order.config, order.runs))
    suite = load_suite(order.config.suite)
    with Store.open(order.runs / DATABASE) as store:
        row, known = store.run(str(order.run)), store.tasks(str(order.run))
    if row is not None and (differing := _suite_differences(suite, row)):
        raise BadInput(f"run {order.run}", differing[0], "put them back as they were")
    folder = order.runs / str(order.run)
    enter, owner = lambda _: run_budget.beside(folder), f"{order.run}.replay"
    with _campaign(order, suite, watcher, owner, known, enter, Stop()) as campaign:
        yield campaign


def _with_stored_folders(config: RunConfig, runs: Path) -> RunConfig:
    """The config with the folders that its paths stand for, wherever the command runs."""
    folders = {name: stored_folder(getattr(config, name), runs) for name in ("suite", "scaffold")}
    return config.model_copy(update=folders)


def _named_run(order: Order, suite: Suite, store: Store) -> str:
    """The run that was asked for; else the newest one that was begun like this and has not ended; else a new one."""
    if order.run not in (None, NEW):
        return str(order.run)
    latest = store.runs()[:1]
    if order.run is None and latest and _begun_alike(order, suite, latest[0]) and not store.ends(latest[0].id):
        return latest[0].id
    return next(name for name in new_names() if store.run(name) is None)


def _begun_alike(order: Order, suite: Suite, row: RunRow) -> bool:
    """Whether a run was begun with this config, from this suite and this scaffold."""
    same = json.loads(row.config).get("scaffold_digest") == _folder_digest(order.config.scaffold)
    return same and not _differences(order, suite, row)


def _holder(store: Store, run: str) -> str:
    """The process that began the run's latest session."""
    sessions = store.sessions(run)
    if not sessions:
        return "another process"
    return f"process {sessions[-1].pid} on {sessions[-1].host}, since {sessions[-1].started_at},"


def _refuse_depleted(folder: Path) -> None:
    """A run's next rounds read the patches and trajectories of all its earlier ones."""
    if not gc_record.read(folder).nothing:
        raise BadInput(
            f"run {folder.name}", "`evolve gc` has removed what its rounds need", "begin a new one with RUN=new"
        )


def _entered(order: Order, suite: Suite, store: Store, watcher: Watcher, aside: Mapping[str, str]) -> Budget:
    """The run's rows at the beginning of a session."""
    run, folder = str(order.run), order.runs / str(order.run)
    if (row := store.run(run)) is not None:
        watcher.say(f"going on with run {run}, begun {row.created_at}: {_state(store, run)}")
    else:
        _create_run(order, suite, store, aside)
        watcher.say(f"run {run}")
    purse = run_budget.begin(store, run, folder, order.caps, order.config.free)
    watcher.budget_left(purse.left())
    return purse


def _state(store: Store, run: str) -> str:
    """How far the run has come, in words."""
    rows = store.rounds(run)
    decided = sum(row.decision is not None for row in rows[1:])
    under_way = [row for row in rows if row.decision is None]
    words = f"{decided} rounds decided, {store.trial_count(run)} trials"
    if not under_way:
        return words
    last = under_way[-1]
    begun = "measured in part" if last.candidate else "proposed" if last.proposal else "begun"
    return f"{words}, round {last.number} {begun}"


def _create_run(order: Order, suite: Suite, store: Store, aside: Mapping[str, str]) -> None:
    config, run, lineage = order.config, str(order.run), order.lineage()
    text = identity(order, suite)
    row = RunRow(
        id=run,
        created_at=now(),
        seed=config.seed,
        config=text,
        config_sha256=hashlib.sha256(text.encode()).hexdigest(),
        suite=str(config.suite),
        scaffold=str(config.scaffold),
        model=config.model,
        base_url=config.base_url,
        engine=json.dumps(engine.describe(), sort_keys=True),
        evolve_version=__version__,
        repository=str(lineage.git_dir),
        base_commit=lineage.resolve("HEAD"),
    )
    store.create_run(row, suite.tasks, aside)
