"""Check a suite's tasks: the reference solution must earn 1 and doing nothing 0, every time and on every instance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from evolve.core.errors import BadInput, InfraError
from evolve.core.instances import Instance
from evolve.core.records import Limits, ModelSpec, SandboxSpec, ScaffoldSource, Task, TaskImage, TrialSpec
from evolve.loop.watcher import Watcher
from evolve.sandbox import engine, images
from evolve.sandbox.archive import unpack_archive
from evolve.sandbox.cleanup import reaper
from evolve.suite.instances import GENERATOR, instance_seed
from evolve.suite.tasks import Suite
from evolve.trial.instances import generate, packed_part
from evolve.trial.run import populated_shell, sandboxes
from evolve.trial.verdict import judge

OWNER = "tasks-check"
TRIES = 2
INSTANCES = 3
SOLVE_SECONDS = 120.0


@dataclass(frozen=True)
class TaskCheck:
    """The rewards of all tries with the solution and with nothing done; `problem` is empty for a sound task.

    unusable: The problem is a generator that no run could use; nothing was tried.
    """

    task: str
    solution: tuple[float, ...]
    nothing: tuple[float, ...]
    problem: str
    unusable: bool = False


def check_suite(suite: Suite, jobs: int, watcher: Watcher) -> list[TaskCheck]:
    """Check every task of a suite, in its order."""
    engine.bring_up(watcher.say)
    base = images.base_image(watcher.say)
    built, failures = images.build_all(suite.tasks, base, jobs, watcher.say)
    watcher.say(f"checking {len(suite.tasks)} tasks, {_trial_counts(suite)}")
    try:
        with ThreadPoolExecutor(jobs) as pool:
            return list(pool.map(lambda task: _check_built(task, built, failures), suite.tasks))
    finally:
        reaper().wait()
        engine.sweep(OWNER)


def _check_built(task: Task, built: Mapping[str, TaskImage], failures: Mapping[str, str]) -> TaskCheck:
    if task.name in failures:
        return TaskCheck(task.name, (), (), failures[task.name])
    return _check(task, built[task.name])


def _trial_counts(suite: Suite) -> str:
    more = (
        f", and {2 * INSTANCES} more of each that generates instances" if any(t.generates for t in suite.tasks) else ""
    )
    return f"{2 * TRIES} trials each{more}"


def _check(task: Task, image: TaskImage) -> TaskCheck:
    """Try the task as it is, then some of its instances."""
    try:
        instances = sample_instances(task, image) if task.generates else []
        tries = [task] * TRIES + [task.as_instance(instance) for instance in instances]
        solution = tuple(_reward(tried, image, solve=True) for tried in tries)
        nothing = tuple(_reward(tried, image, solve=False) for tried in tries)
    except BadInput as error:
        return TaskCheck(task.name, (), (), str(error), unusable=True)
    except InfraError as error:
        return TaskCheck(task.name, (), (), str(error))
    return TaskCheck(task.name, solution, nothing, _problem(solution, nothing))


def sample_instances(task: Task, image: TaskImage) -> list[Instance]:
    """Some of the task's instances, each generated twice. Raises BadInput if two that must be equal differ."""
    where = str(task.folder / GENERATOR)
    seeds = [instance_seed(0, task.split, task.name, attempt) for attempt in range(INSTANCES)]
    instances = []
    for seed in seeds:
        first, again = (generate(task, image, seed, OWNER) for _ in range(2))
        if first != again:
            raise BadInput(where, f"seed {seed} gave two different instances", "let all of it depend on the seed alone")
        instances.append(first)
    if all((one.instruction, one.files) == (instances[0].instruction, instances[0].files) for one in instances):
        raise BadInput(where, f"{INSTANCES} seeds gave the same instance", "let what it writes depend on the seed")
    return instances


def _problem(solution: Sequence[float], nothing: Sequence[float]) -> str:
    problems = []
    if set(solution) != {1.0}:
        problems.append(f"the reference solution earns {', '.join(f'{reward:g}' for reward in solution)}")
    if set(nothing) != {0.0}:
        problems.append(f"doing nothing earns {', '.join(f'{reward:g}' for reward in nothing)}")
    return "; ".join(problems)


def _reward(task: Task, image: TaskImage, solve: bool) -> float:
    """Run one trial without a scaffold, with the reference solution or with nothing done."""
    spec = _spec(task, image)
    ttl = int(SOLVE_SECONDS + task.verifier_seconds) + 60
    with sandboxes(spec, ttl) as (state, container):
        shell = populated_shell(container, state, task)
        if solve:
            unpack_archive(shell, packed_part(task, "solution"), "/solution")
            result = shell.run("DEBIAN_FRONTEND=noninteractive /solution/solve.sh", timeout=SOLVE_SECONDS)
            if result.exit_code != 0:
                raise InfraError(f"solution/solve.sh failed: {result.stderr.decode(errors='replace')[:200]}")
        shell.close()
        return judge(spec, state, container, ttl).reward


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
        owner=OWNER,
    )
