"""`evolve regrade`: grade the kept states of ungraded trials again. Each is one more row; no row changes."""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from evolve.budget.ledger import SpendingFile
from evolve.budget.run_budget import NO_CAPS, begin_unbooked
from evolve.core.caps import Caps
from evolve.core.clock import now
from evolve.core.config import RunConfig
from evolve.core.errors import BadInput, BudgetExhausted, InfraError
from evolve.core.records import Fault, ScaffoldSource, Task, TrialResult, TrialSpec, VerifierMode
from evolve.host.locks import hold_lock
from evolve.host.temporary import process_mark, sweep_folders
from evolve.loop.trial_specs import task_as_run
from evolve.loop.watcher import Watcher
from evolve.runs import gc_record
from evolve.runs.identity import suite_of_run
from evolve.runs.stored_config import stored_config
from evolve.sandbox import engine, images, leftovers
from evolve.sandbox.cleanup import reaper
from evolve.sandbox.egress_check import refuse_unsupported
from evolve.store import Regrade, RunRow, Store
from evolve.suite.instances import instance_seed
from evolve.suite.tasks import Suite
from evolve.trial.grader_gateway import with_grader
from evolve.trial.regrading import regrade
from evolve.trial.reward import NoReward, Reward, Ungraded
from evolve.trial.verdict import Judgement

DETAIL_CHARS = 2000


@dataclass(frozen=True)
class KeptState:
    """An ungraded trial whose state is still there. `row`: the id of its row."""

    row: int
    trial: TrialResult
    file: Path


@dataclass(frozen=True)
class Regraded:
    """A trial, and the result of grading its state again."""

    trial: TrialResult
    result: Regrade


@dataclass(frozen=True)
class Regrading:
    """What was graded again, and how many states are left because a cap of the run is reached, which `reached` says."""

    done: tuple[Regraded, ...]
    left: int = 0
    reached: str = ""


def regrade_run(
    store: Store, row: RunRow, runs: Path, number: int | None, watcher: Watcher, given: Caps = NO_CAPS
) -> Regrading:
    """Grade the kept states of a run again, or of one round, except those that have got a reward since.

    Args:
        given: Caps in place of those of the run's last session. Only dollars and tokens matter: a regrade is no trial.

    Raises:
        BadInput: There is no such state, or it can't be graded: the message says why.
        InfraError: The machine failed; what was graded before is stored.
        Locked: Another process is working on the run.
    """
    states = find_states(store, row.id, runs, number)
    config, suite = stored_config(row), suite_of_run(row, runs)
    owner = f"{row.id}.regrade.{process_mark()}"
    with hold_lock(runs / row.id / "lock", row.id):
        engine.bring_up(watcher.say)
        leftovers.sweep_dead()
        sweep_folders()
        watcher.trials_planned(len(states))
        try:
            caps = spending_caps(store, row.id, given)
            return _regraded(store, row.id, states, _tasks(config, suite), config, owner, watcher, caps)
        finally:
            reaper().wait()
            engine.sweep(owner)


def find_states(store: Store, run: str, runs: Path, number: int | None) -> list[KeptState]:
    """The states of a run, or of one round, that can be graded again. Raises BadInput, which says why there is none."""
    commits = {candidate.commit for candidate in store.candidates(run) if number in (None, candidate.round)}
    where = f"run {run}" if number is None else f"round {number} of run {run}"
    ungraded = [t for t in store.failed_trials(run) if t.fault is Fault.GRADER and t.candidate in commits]
    if not ungraded:
        raise BadInput(where, "has no ungraded trial", "see the faults in `evolve show`")
    done = {regrade.trial for regrade in store.regrades(run) if regrade.reward is not None}
    kept = {key: trial for key, trial in store.kept_states(run).items() if trial.candidate in commits}
    if not kept:
        raise BadInput(where, _why_none(ungraded), "resume the run: attempts without a result are run again")
    states = [KeptState(key, trial, runs / trial.state.path) for key, trial in kept.items() if trial.state]
    present = [state for state in states if state.file.is_file() and state.row not in done]
    if not present:
        raise BadInput(where, _why_gone(states, done, runs, run), "resume the run, or see `evolve show`")
    return present


def _why_none(ungraded: list[TrialResult]) -> str:
    modes = {trial.verifier for trial in ungraded} - {VerifierMode.ISOLATED}
    if modes:
        return f"its tests run in the agent's container (verifier mode {min(modes)}), where no state can be kept"
    return "no state of its ungraded trials was kept: it was too large, or in volumes"


def _why_gone(states: list[KeptState], done: set[int], runs: Path, run: str) -> str:
    if all(state.row in done for state in states):
        return "all of its kept states have a reward by now"
    removed = gc_record.read(runs / run).files
    by_gc = any(state.trial.state and state.trial.state.path in removed for state in states)
    return "its kept states are not there any more" + (" (`evolve gc` removed them)" if by_gc else "")


def _tasks(config: RunConfig, suite: Suite) -> dict[str, Task]:
    return {task.name: task_as_run(task, config) for task in suite.tasks}


def _regraded(
    store: Store,
    run: str,
    states: list[KeptState],
    tasks: Mapping[str, Task],
    config: RunConfig,
    owner: str,
    watcher: Watcher,
    caps: Caps,
) -> Regrading:
    base = images.base_image(watcher.say)
    refuse_unsupported(tasks.values(), owner, config.sandbox.runtime)
    done, left, reached = list[Regraded](), 0, ""
    with contextlib.closing(begin_unbooked(states[0].file.parents[1], caps, store.spent(run), config.free)) as budget:
        for state in states:
            spec = _spec(run, state, tasks[state.trial.task], config, base, owner)
            # States whose tests ask nothing cost nothing.
            if spec.grader is not None and (reached := reached or budget.reached()):
                left += 1
                continue
            result = _regrade_one(spec, state, budget.terms)
            store.add_regrade(run, result)
            watcher.trial_done(state.trial)
            done.append(Regraded(state.trial, result))
    return Regrading(tuple(done), left, reached if left else "")


def spending_caps(store: Store, run: str, given: Caps) -> Caps:
    """The caps on dollars and tokens that a run's last session had, with those that are given now in their place."""
    sessions = store.sessions(run)
    last = Caps(**json.loads(sessions[-1].caps)) if sessions else Caps()
    usd = last.usd if given.usd is None else given.usd
    return Caps(usd=usd, tokens=last.tokens if given.tokens is None else given.tokens)


def _regrade_one(spec: TrialSpec, state: KeptState, terms: SpendingFile) -> Regrade:
    """Grade one state. Raises InfraError if its file is not the one that was kept.

    terms: Where calls of a model are counted meanwhile.
    """
    began, graded_at, archive = time.monotonic(), now(), state.file.read_bytes()
    if state.trial.state and hashlib.sha256(archive).hexdigest() != state.trial.state.sha256:
        raise InfraError(f"{state.file}: has changed since it was kept (sha256 differs)")
    spec, door = with_grader(spec, terms)
    try:
        judgement = regrade(spec, archive, door) if door else regrade(spec, archive)
    except BudgetExhausted as error:  # what the tests asked before counts
        judgement = Judgement(NoReward(Ungraded.BUDGET, str(error)), "")
    grade, grading = judgement.grade, door.grading if door else None
    seconds, detail = round(time.monotonic() - began, 3), judgement.output[-DETAIL_CHARS:]
    if isinstance(grade, Reward):
        passed = spec.task.scale.is_pass(grade.value)
        return Regrade(state.row, graded_at, seconds, grade.value, "", detail, passed, grading)
    return Regrade(state.row, graded_at, seconds, None, f"{grade.why}: {grade.text}", detail, None, grading)


def _spec(run: str, state: KeptState, task: Task, config: RunConfig, base: str, owner: str) -> TrialSpec:
    trial = state.trial
    seed = instance_seed(config.seed, task.split, task.name, trial.attempt) if task.generates else None
    return TrialSpec(
        run=run,
        candidate=trial.candidate,
        task=task,
        image=images.task_image(task, base),
        scaffold=ScaffoldSource(Path(), "", ""),
        attempt=trial.attempt,
        seed=trial.seed,
        model=config.model_spec,
        limits=config.limits.for_task(task.agent_seconds),
        sandbox=config.sandbox,
        folder=state.file.parents[1],
        owner=owner,
        instance_seed=seed,
        grader=config.trial_grader(task, base),
    )
