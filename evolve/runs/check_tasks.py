"""Check a suite's tasks: the reference solution must earn 1 and doing nothing 0, every time and on every instance."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path
from threading import Event

from evolve.core.errors import BadInput, EngineError, EvolveError, InfraError
from evolve.core.instances import Instance
from evolve.core.model_access import is_model_key
from evolve.core.records import (
    Fault,
    Grader,
    Limits,
    ModelSpec,
    SandboxSpec,
    ScaffoldSource,
    SuiteProfile,
    Task,
    TaskImage,
    TrialSpec,
)
from evolve.core.reward_scale import RewardScale
from evolve.host.temporary import process_mark, sweep_folders, temporary_folder
from evolve.loop.watcher import Watcher
from evolve.repo import find_excess
from evolve.runs.check_record import CheckRecord, TaskCheck
from evolve.runs.sampling import CHECKED, checked_instances
from evolve.sandbox import engine, image_files, images, leftovers
from evolve.sandbox.cleanup import reaper
from evolve.sandbox.egress_check import refuse_unsupported
from evolve.suite.tasks import Suite
from evolve.trial.solving import try_task
from evolve.trial.verdict import Judgement

OWNER = "tasks-check"  # with the mark of the process: several may check at once
TRIES = 2
FAULT_TRIES = 3
GIT_FIX = (
    "in its Dockerfile, delete the other branches, tags and remotes and run "
    "`git reflog expire --expire=now --all && git gc --prune=now`, or make a new repository of the files"
)
UNTOUCHED_ONLY = "only the untouched state was checked"
NO_SOLUTION = f"no solution: {UNTOUCHED_ONLY}"


GraderOf = Callable[[Task, str], Grader | None]


def no_grader(task: Task, image: str) -> None:
    """Where no tests ask a model."""


def check_suite(
    suite: Suite, jobs: int, watcher: Watcher, record: CheckRecord | None = None, grader_of: GraderOf = no_grader
) -> list[TaskCheck]:
    """Check every task of a suite, in its order.

    Args:
        grader_of: What the tests of a task may ask, given the image of the container that leads to the gateway.
        record: What earlier checks found, which is not tried again; new findings are added to it.

    Raises:
        InfraError: The engine failed. What is finished is in the record.
    """
    engine.bring_up(watcher.say)
    leftovers.sweep_dead()
    sweep_folders()
    base = images.base_image(watcher.say)
    refuse_unsupported(suite.tasks, _owner(), None)
    watcher.say(f"checking {len(suite.tasks)} tasks, {_trial_counts(suite)}")
    stop = Event()
    findings = _check_all(
        suite.tasks, lambda task: _check_task(task, base, record, stop, grader_of), jobs, watcher, stop
    )
    found = {finding.task: finding for finding in findings}
    refused = [TaskCheck(name, (), (), reason) for name, reason in suite.reasons.items()]
    return [*(found[task.name] for task in suite.tasks), *refused]


def _check_all(
    tasks: Sequence[Task], check: Callable[[Task], TaskCheck], jobs: int, watcher: Watcher, stop: Event
) -> list[TaskCheck]:
    """Check tasks at once, and report each that is finished. An error or interruption ends the tries in progress."""
    pool, findings = ThreadPoolExecutor(jobs), []
    try:
        for future in as_completed([pool.submit(check, task) for task in tasks]):
            findings.append(future.result())
            watcher.say(f"{len(findings)} of {len(tasks)}: {findings[-1].task}: {findings[-1].verdict}")
        return findings
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        if len(findings) < len(tasks):
            stop.set()
            engine.sweep(_owner())  # ends the commands that run now
        pool.shutdown(wait=True)
        reaper().wait()
        engine.sweep(_owner())


def _check_task(task: Task, base: str, record: CheckRecord | None, stop: Event, grader_of: GraderOf) -> TaskCheck:
    """Check a task; again, if the machine failed meanwhile.

    Raises:
        InfraError: The engine does not answer any more, or the disk is full.
    """
    for _ in range(FAULT_TRIES):
        try:
            return _check_built(task, base, record, stop, grader_of(task, base))
        except InfraError as error:
            if stop.is_set() or error.fault is not Fault.ENGINE or not engine.answers():
                raise
            fault = str(error)
    return TaskCheck(task.name, (), (), "", fault=fault)


def _check_built(task: Task, base: str, record: CheckRecord | None, stop: Event, grader: Grader | None) -> TaskCheck:
    """Build a task's image if there is none, and check the task unless that was done. Raises InfraError."""
    built, failures = images.build_all([task], base, 1, _say_nothing)
    if task.name in failures:
        return TaskCheck(task.name, (), (), failures[task.name])
    image_id = images.image_id(built[task.name].image)
    if record is not None and (earlier := record.find(task, image_id)) is not None:
        return earlier
    finding = _check_generated(task, built[task.name], stop, grader)
    _raise_if_set(stop)  # what a try found without its containers says nothing
    if record is not None:
        record.add(task, image_id, finding)
    return finding


def _raise_if_set(stop: Event) -> None:
    """Raise EngineError if the check was interrupted."""
    if stop.is_set():
        raise EngineError("the check was interrupted")


def _say_nothing(text: str) -> None: ...


def _check_generated(task: Task, image: TaskImage, stop: Event, grader: Grader | None) -> TaskCheck:
    """Check a task with instances of its generator, if it has one. Raises InfraError for a fault of the machine."""
    try:
        instances = checked_instances(task, image, _owner()) if task.generates else []
    except (BadInput, InfraError) as error:
        if is_machine_fault(error):
            raise
        return TaskCheck(task.name, (), (), str(error), unusable=isinstance(error, BadInput))
    return _check(task, image, instances, stop, grader)


def is_machine_fault(error: EvolveError) -> bool:
    """Whether engine, disk or a model's API failed, which says nothing about a task."""
    return error.fault in (Fault.ENGINE, Fault.DISK, Fault.ENDPOINT, Fault.ACCOUNT)


def _trial_counts(suite: Suite) -> str:
    generating = any(task.generates for task in suite.tasks)
    more = f", and {2 * CHECKED} more of each that generates instances" if generating else ""
    return f"{2 * TRIES} trials each{more}"


def _check(
    task: Task, image: TaskImage, instances: Sequence[Instance], stop: Event, grader: Grader | None
) -> TaskCheck:
    """Try the task as it is, then these instances. Raises InfraError for a fault of the machine."""
    try:
        beyond = _git_problem(image)
        if beyond and task.profile is SuiteProfile.STRICT:
            return TaskCheck(task.name, (), (), beyond)
        judged = functools.partial(_judgement, grader=grader) if grader else _judgement
        tries = [task] * TRIES + [task.as_instance(instance) for instance in instances]
        solved = [judged(tried, image, True, stop) for tried in tries if task.format.solved]
        untouched = [judged(tried, image, False, stop) for tried in tries]
    except (InfraError, BadInput) as error:
        if is_machine_fault(error):
            raise
        return TaskCheck(task.name, (), (), str(error))
    solution, nothing = _rewards(solved), _rewards(untouched)
    scale, note = task.scale, "; ".join(filter(None, (_note(task), beyond)))
    problem = _problem(solution, nothing, scale)
    wrong = [*(one for one in solved if not scale.is_pass(one.reward)), *(one for one in untouched if one.reward > 0)]
    output = wrong[0].detail if problem and wrong else ""
    return TaskCheck(task.name, solution, nothing, problem, output=output, note=note)


def _note(task: Task) -> str:
    """What was not checked."""
    if lacking := task.format.unsolved:
        way = "which no container gets" if is_model_key(lacking) else f"which --pass-env {lacking} passes"
        return f"its solution takes the host's variable {lacking}, {way}: {UNTOUCHED_ONLY}"
    return "" if task.format.solved else NO_SOLUTION


def _rewards(judgements: Sequence[Judgement]) -> tuple[float, ...]:
    return tuple(judgement.reward for judgement in judgements)


def _git_problem(image: TaskImage) -> str:
    """What of a solution may be in the git repositories of an image; "" if they end with HEAD.

    Outside strict suites it is a note: other people's tasks may be about lost commits.
    """
    with temporary_folder("scan") as folder:
        image_files.read_repositories(image.image, _owner(), folder)
        excesses = find_excess(folder)
    if not excesses:
        return ""
    place, excess = next(iter(excesses.items()))
    return f"its image has a git repository at {place} with {excess}, where the solution may be found; {GIT_FIX}"


def _problem(solution: Sequence[float], nothing: Sequence[float], scale: RewardScale) -> str:
    """What is wrong with the rewards of the solution and of doing nothing. Numbers may vary, but not what passes."""
    problems = []
    if not all(map(scale.is_pass, solution)):
        problems.append(f"the reference solution earns {_listed(solution, scale)}")
    if any(map(scale.is_pass, nothing)) or (scale == RewardScale() and any(nothing)):
        problems.append(f"doing nothing earns {_listed(nothing, scale)}")
    if not problems and solution and max(nothing) >= min(solution):
        problems.append(f"doing nothing earns as much as the solution: {_listed(nothing, scale)}")
    return "; ".join(problems)


def _listed(rewards: Sequence[float], scale: RewardScale) -> str:
    return ", ".join(f"{reward:g}" if scale.is_plain else scale.describe(reward) for reward in rewards)


def _judgement(task: Task, image: TaskImage, solve: bool, stop: Event, grader: Grader | None = None) -> Judgement:
    """Run one trial without a scaffold, with the reference solution or with nothing done."""
    _raise_if_set(stop)
    return try_task(replace(_spec(task, image), grader=grader), solve)


def _owner() -> str:
    return f"{OWNER}.{process_mark()}"


def _spec(task: Task, image: TaskImage) -> TrialSpec:
    no_scaffold = ScaffoldSource(Path(), "", "")
    return TrialSpec(
        run=OWNER,
        candidate="oracle",
        task=task,
        image=image,
        scaffold=no_scaffold,
        attempt=0,
        seed=0,
        model=ModelSpec("none"),
        limits=Limits(),
        sandbox=SandboxSpec(),
        folder=Path(),
        owner=_owner(),
    )
