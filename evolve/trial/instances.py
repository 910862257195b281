"""Generate a task's instance from a seed, in a container of its own; no agent is in it."""

from __future__ import annotations

from dataclasses import replace

from evolve.core.errors import BadInput
from evolve.core.instances import FileContent, Instance
from evolve.core.records import Task, TaskImage, TrialSpec
from evolve.core.text import last_line
from evolve.sandbox.archive import CollectedFiles, collect_files, merge_archives, pack, unpack
from evolve.sandbox.cleanup import reaper
from evolve.sandbox.task_containers import generator_container
from evolve.sandbox.task_state import TaskState
from evolve.suite.instances import FOLDER, GENERATOR, parse_instance

GENERATE_SECONDS = 30.0
TTL_SECONDS = 180
MAX_REASON = 200


def with_instance(spec: TrialSpec) -> TrialSpec:
    """The trial with its instance in the place of the task's own files; unchanged if the task generates none.

    Raises:
        BadInput: The generator is at fault.
        InfraError: The machine failed.
    """
    if spec.instance_seed is None:
        return spec
    instance = generate(spec.task, spec.image, spec.instance_seed, spec.owner)
    return replace(spec, task=spec.task.as_instance(instance))


def generate(task: Task, image: TaskImage, seed: int, owner: str) -> Instance:
    """Run a task's generator with a seed. Its container has the label `owner`; the reaper removes it.

    Raises:
        As `with_instance`.
    """
    where, collected = str(task.folder / GENERATOR), _run_generator(task, image, seed, owner)
    if collected.problem:
        problem = f"what it wrote for seed {seed} can't be used: {collected.problem}"
        raise BadInput(where, problem, "write few and small regular files")
    files = {
        name.removeprefix("./"): FileContent(data, name in collected.executable)
        for name, data in collected.files.items()
    }
    return parse_instance(where, seed, files)


def packed_part(task: Task, folder: str) -> bytes:
    """One folder of a task as a tar archive, with the files of its instance: `tests` or `solution`."""
    replaced = task.instance.part(folder) if task.instance else None
    folders = task.format.tests if folder == "tests" else (task.format.solution,)
    *others, last = [task.folder / place for place in folders]
    return merge_archives([*(pack(other, follow=True) for other in others), pack(last, replaced, follow=True)])


def _run_generator(task: Task, image: TaskImage, seed: int, owner: str) -> CollectedFiles:
    """Run the generator in a fresh container, and collect what it wrote there."""
    state = TaskState(owner, image, task.sandbox)
    container = generator_container(state, TTL_SECONDS)
    try:
        shell = container.main_shell()
        unpack(shell, task.folder / FOLDER, f"/{FOLDER}")
        done = shell.run(f"cd /instance && /{GENERATOR} {seed} >&2", timeout=GENERATE_SECONDS)
        if done.timed_out or done.exit_code != 0:
            status = (
                f"exit status {done.exit_code}: {last_line(done.stderr.decode(errors='replace'), default='no output')}"
            )
            reason = f"it ran for over {GENERATE_SECONDS:g} seconds" if done.timed_out else status[:MAX_REASON]
            raise BadInput(str(task.folder / GENERATOR), f"it failed for seed {seed} ({reason})", "correct it")
        return collect_files(shell, "/instance", ["."])
    finally:
        reaper().schedule(container.kill)
