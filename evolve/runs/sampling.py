"""The first instances of a run's tasks: their words belong to single tasks, like those of the tasks' files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from evolve.core.instances import Instance
from evolve.core.records import Task
from evolve.sandbox.cleanup import reaper
from evolve.suite.instances import instance_seed
from evolve.suite.unbuildable import UsableSuite
from evolve.trial.instances import generate

SAMPLES = 2


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
