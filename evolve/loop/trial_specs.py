"""From a candidate and a slot to all that a worker needs to run the trial."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from evolve.core.config import RunConfig
from evolve.core.records import SandboxSpec, ScaffoldSource, Split, Task, TaskImage, TrialSpec, stable_hash
from evolve.core.task_format import without_network
from evolve.gate import Slot
from evolve.host.run_names import owner_of
from evolve.loop.candidates import Candidates
from evolve.suite.instances import instance_seed
from evolve.suite.tasks import Suite

SELF_WORKDIR = "/app"


def task_as_run(task: Task, config: RunConfig) -> Task:
    """A task with the sizes and the networks that a run lets it have."""
    format = task.format if config.network else without_network(task.format)
    return replace(task, sandbox=config.task_sandbox(task.sandbox), format=format)


@dataclass(frozen=True)
class TrialSpecs:
    """Describe a run's trials. `images`: by the name of the task."""

    run: str
    config: RunConfig
    suite: Suite
    images: Mapping[str, TaskImage]
    candidates: Candidates

    def trials(self, commit: str, slots: Iterable[Slot]) -> list[TrialSpec]:
        """Describe a trial of one commit on each slot; its files are written to disk."""
        source = self.candidates.export(commit)
        return [self._trial(commit, source, slot) for slot in slots]

    def self_work(self, commit: str, instruction: str, seed: int) -> TrialSpec:
        """Describe a candidate's work on its own files: the base image, the limits of a trial, no verifier."""
        sandbox, seconds = self.config.task_sandbox(SandboxSpec()), self.config.limits.for_task().seconds
        task = Task("self", self.candidates.folder, Split.TRAIN, instruction, "", "", seconds, 0.0, sandbox)
        image = TaskImage(self.candidates.base_image, SELF_WORKDIR)
        return self._spec(commit, self.candidates.export(commit), task, image, seed)

    def _trial(self, commit: str, source: ScaffoldSource, slot: Slot) -> TrialSpec:
        name, attempt = slot
        task = next(task for task in self.suite.tasks if task.name == name)
        task = task_as_run(task, self.config)
        seed = stable_hash(self.config.seed, name, attempt)
        spec = self._spec(commit, source, task, self.images[name], seed, attempt)
        if not task.generates:
            return spec
        return replace(spec, instance_seed=instance_seed(self.config.seed, task.split, name, attempt))

    def _spec(
        self, commit: str, source: ScaffoldSource, task: Task, image: TaskImage, seed: int, attempt: int = 0
    ) -> TrialSpec:
        return TrialSpec(
            run=self.run,
            candidate=commit,
            task=task,
            image=image,
            scaffold=source,
            attempt=attempt,
            seed=seed,
            model=self.config.model_spec,
            small=self.config.small_spec,
            limits=self.config.limits.for_task(task.agent_seconds),
            sandbox=self.config.sandbox,
            folder=self.candidates.folder.resolve(),
            owner=owner_of(self.candidates.folder),
            grader=self.config.trial_grader(task, self.candidates.base_image),
        )
