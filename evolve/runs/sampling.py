"""Some instances of tasks: the first ones of a run, whose words are words of their task, and those of the check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from evolve.core.errors import BadInput
from evolve.core.instances import Instance
from evolve.core.records import Task, TaskImage
from evolve.sandbox.cleanup import reaper
from evolve.suite.instances import GENERATOR, instance_seed
from evolve.suite.unbuildable import UsableSuite
from evolve.trial.instances import generate

SAMPLES = 2
CHECKED = 3


def first_instances(usable: UsableSuite, run_seed: int, owner: str, jobs: int) -> Mapping[str, Sequence[Instance]]:
    """Generate the instances of each task's first attempts, by the name of the task; none for fixed tasks.

    Args:
        owner: Label of the containers.

    Raises:
        BadInput: A generator is at fault.
        InfraError: The machine failed.
    """

    def sample(task: Task) -> list[Instance]:
        seeds = (instance_seed(run_seed, task.split, task.name, attempt) for attempt in range(SAMPLES))
        return [generate(task, usable.images[task.name], seed, owner) for seed in seeds]

    generating = [task for task in usable.suite.tasks if task.generates]
    try:
        with ThreadPoolExecutor(max(jobs, 1)) as pool:
            return dict(zip((task.name for task in generating), pool.map(sample, generating), strict=True))
    finally:
        reaper().wait()


def checked_instances(task: Task, image: TaskImage, owner: str) -> list[Instance]:
    """Generate some of a task's instances, each twice.

    Raises:
        BadInput: The generator fails, or does not depend on its seed alone.
        InfraError: The machine failed.
    """
    where, instances = str(task.folder / GENERATOR), []
    for seed in (instance_seed(0, task.split, task.name, attempt) for attempt in range(CHECKED)):
        first, again = (generate(task, image, seed, owner) for _ in range(2))
        if first != again:
            raise BadInput(where, f"seed {seed} gave two different instances", "let all of it depend on the seed alone")
        instances.append(first)
    if all((one.instruction, one.files) == (instances[0].instruction, instances[0].files) for one in instances):
        raise BadInput(where, f"{CHECKED} seeds gave the same instance", "let what it writes depend on the seed")
    return instances
