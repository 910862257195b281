"""Check a suite's tasks: the reference solution must earn 1 and doing nothing 0, every time and on every instance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from evolve.core.errors import BadInput, InfraError
from evolve.core.instances import Instance
from evolve.core.records import Limits, ModelSpec, SandboxSpec, ScaffoldSource, Task, TaskImage, TrialSpec
from evolve.host.temporary import process_mark, sweep_folders, temporary_folder
from evolve.loop.watcher import Watcher
from evolve.repo import find_excess
from evolve.runs.sampling import CHECKED, checked_instances
from evolve.sandbox import engine, image_files, images, leftovers
from evolve.sandbox.cleanup import reaper
from evolve.suite.tasks import Suite
from evolve.trial.solving import try_task

OWNER = "tasks-check"  # with the mark of the process: several may check at once
TRIES = 2
GIT_FIX = (
    "in its Dockerfile, delete the other branches, tags and remotes and run "
    "`git reflog expire --expire=now --all && git gc --prune=now`, or make a new repository of the files"
)
NO_SOLUTION = "no solution: only the untouched state was checked"


@dataclass(frozen=True)
class TaskCheck:
    """The rewards of all tries with the solution and with nothing done; `problem` is empty for a sound task.

    unusable: The problem is a generator that no run could use; nothing was tried. note: What was not checked.
    """

    task: str
    solution: tuple[float, ...]
    nothing: tuple[float, ...]
    problem: str
    unusable: bool = False
    note: str = ""


def check_suite(suite: Suite, jobs: int, watcher: Watcher) -> list[TaskCheck]:
    """Check every task of a suite, in its order."""
    engine.bring_up(watcher.say)
    leftovers.sweep_dead()
    sweep_folders()
    base = images.base_image(watcher.say)
    built, failures = images.build_all(suite.tasks, base, jobs, watcher.say)
    watcher.say(f"checking {len(suite.tasks)} tasks, {_trial_counts(suite)}")
    try:
        with ThreadPoolExecutor(jobs) as pool:
            checks = list(pool.map(lambda task: _check_built(task, built, failures), suite.tasks))
            return [*checks, *(TaskCheck(name, (), (), reason) for name, reason in suite.reasons.items())]
    finally:
        reaper().wait()
        engine.sweep(_owner())


def _check_built(task: Task, built: Mapping[str, TaskImage], failures: Mapping[str, str]) -> TaskCheck:
    if task.name in failures:
        return TaskCheck(task.name, (), (), failures[task.name])
    try:
        instances = checked_instances(task, built[task.name], _owner()) if task.generates else []
    except (BadInput, InfraError) as error:
        return TaskCheck(task.name, (), (), str(error), unusable=isinstance(error, BadInput))
    return _check(task, built[task.name], instances)


def _trial_counts(suite: Suite) -> str:
    generating = any(task.generates for task in suite.tasks)
    more = f", and {2 * CHECKED} more of each that generates instances" if generating else ""
    return f"{2 * TRIES} trials each{more}"


def _check(task: Task, image: TaskImage, instances: Sequence[Instance]) -> TaskCheck:
    """Try the task as it is, then these instances."""
    try:
        if problem := _git_problem(image):
            return TaskCheck(task.name, (), (), problem)
        tries = [task] * TRIES + [task.as_instance(instance) for instance in instances]
        solution = tuple(_reward(tried, image, solve=True) for tried in tries if task.format.solved)
        nothing = tuple(_reward(tried, image, solve=False) for tried in tries)
    except (InfraError, BadInput) as error:
        return TaskCheck(task.name, (), (), str(error))
    note = "" if task.format.solved else NO_SOLUTION
    return TaskCheck(task.name, solution, nothing, _problem(solution, nothing), note=note)


def _git_problem(image: TaskImage) -> str:
    """What of a solution may be in the git repositories of an image; "" if they end with HEAD."""
    with temporary_folder("scan") as folder:
        image_files.read_repositories(image.image, _owner(), folder)
        excesses = find_excess(folder)
    if not excesses:
        return ""
    place, excess = next(iter(excesses.items()))
    return f"its image has a git repository at {place} with {excess}, where the solution may be found; {GIT_FIX}"


def _problem(solution: Sequence[float], nothing: Sequence[float]) -> str:
    problems = []
    if set(solution) - {1.0}:
        problems.append(f"the reference solution earns {', '.join(f'{reward:g}' for reward in solution)}")
    if set(nothing) != {0.0}:
        problems.append(f"doing nothing earns {', '.join(f'{reward:g}' for reward in nothing)}")
    return "; ".join(problems)


def _reward(task: Task, image: TaskImage, solve: bool) -> float:
    """Run one trial without a scaffold, with the reference solution or with nothing done."""
    return try_task(_spec(task, image), solve).reward


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
