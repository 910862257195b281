"""What a run is made of, and the measuring that rounds, evaluations and replays share."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from evolve.budget.run_budget import Budget
from evolve.core.config import RunConfig
from evolve.core.records import (
    Decision,
    SandboxSpec,
    ScaffoldSource,
    Split,
    StoredFile,
    Task,
    TaskImage,
    TrialResult,
    TrialSpec,
    stable_hash,
)
from evolve.executor.evaluate import Evaluator
from evolve.gate import Slot, TaskSlot
from evolve.guard import Vocabulary
from evolve.host import disk
from evolve.host.signals import Stop
from evolve.llm import ChatModel
from evolve.repo import Lineage
from evolve.store import Store
from evolve.suite import scaffold
from evolve.suite.tasks import Suite
from evolve.trial import trajectory

SHOWN_ATTEMPTS = 2
SELF_WORKDIR = "/app"


class Watcher(Protocol):
    """Whoever shows the progress. Nothing depends on it."""

    def say(self, text: str) -> None: ...
    def round_started(self, number: int, total: int) -> None: ...
    def trials_planned(self, count: int) -> None: ...
    def trial_done(self, result: TrialResult) -> None: ...
    def round_decided(self, number: int, decision: Decision) -> None: ...
    def budget_left(self, words: str) -> None: ...


@dataclass(frozen=True)
class Campaign:
    """One run at work. `folder` is the run's own under the runs folder.

    `asked`: the model that proposes, for some work as the purse knows it. `vocabulary`: the words of single tasks,
    which no patch may hold. `least_room`: bytes that must be free on the disk where a round or trials are to begin.
    """

    run: str
    config: RunConfig
    suite: Suite
    store: Store
    lineage: Lineage
    evaluator: Evaluator
    asked: Callable[[str], ChatModel]
    budget: Budget
    images: Mapping[str, TaskImage]
    base_image: str
    folder: Path
    watcher: Watcher
    vocabulary: Vocabulary = field(default_factory=Vocabulary)
    stop: Stop = field(default_factory=Stop)
    least_room: int = disk.MIN_FREE_BYTES

    def check(self) -> None:
        """Whether the run may go on. Raises KeyboardInterrupt if the user has asked for the end, BudgetExhausted if a
        cap is reached, DiskFull if there is too little room for what comes next.
        """
        self.stop.check()
        self.budget.check()
        disk.check_free_space((self.folder, self.lineage.git_dir), self.least_room)

    def may_start(self) -> bool:
        """Whether one more trial may begin; it is counted at once."""
        return not self.stop.requested and self.budget.may_start()

    @property
    def task_slots(self) -> tuple[TaskSlot, ...]:
        """What the gate may know of: never the holdout."""
        tasks = self.suite.split(Split.TRAIN, Split.VALIDATION)
        return tuple(TaskSlot(task.name, task.split, task.difficulty) for task in tasks)

    def task(self, name: str) -> Task:
        return next(task for task in self.suite.tasks if task.name == name)

    def text_files(self, commit: str) -> dict[str, str]:
        """The scaffold's text files at a commit."""
        return dict(text_files(self.lineage, commit))

    def source(self, commit: str) -> ScaffoldSource:
        """The candidate's files on disk, exported from its commit. Raises BadInput for a broken scaffold.toml."""
        spec = scaffold.read(commit[:12], self.lineage.files(commit))
        folder = self.lineage.export(commit, self.folder / "candidates" / commit[:16])
        return ScaffoldSource(folder.resolve(), spec.entry, spec.image or self.base_image)

    def evolvable(self, commit: str) -> tuple[str, ...]:
        return scaffold.read(commit[:12], self.lineage.files(commit)).evolvable

    def trial_spec(self, commit: str, source: ScaffoldSource, slot: Slot) -> TrialSpec:
        name, attempt = slot
        task = self.task(name)
        task = replace(task, sandbox=self.config.task_sandbox(task.sandbox))
        seed = stable_hash(self.config.seed, name, attempt)
        return self._spec(commit, source, task, self.images[name], seed, attempt)

    def self_spec(self, commit: str, instruction: str, seed: int) -> TrialSpec:
        """The candidate at work on its own files: the base image, the limits of a trial, no verifier."""
        sandbox, seconds = self.config.task_sandbox(SandboxSpec()), self.config.limits.for_task().seconds
        task = Task("self", self.folder, Split.TRAIN, instruction, "", "", seconds, 0.0, sandbox)
        return self._spec(commit, self.source(commit), task, TaskImage(self.base_image, SELF_WORKDIR), seed)

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
            limits=self.config.limits.for_task(task.agent_seconds),
            sandbox=self.config.sandbox,
            folder=self.folder.resolve(),
            owner=self.run,
        )


@functools.lru_cache(maxsize=512)
def text_files(lineage: Lineage, commit: str) -> Mapping[str, str]:
    """By path. A commit never changes, and each round compares its patch with all earlier ones."""
    return {path: text for path, text in lineage.files(commit).items() if isinstance(text, str)}


def measure(campaign: Campaign, commits: Sequence[str], slots: Iterable[Slot]) -> None:
    """Give every commit a trial that counts on every slot; each trial is a row as soon as it ends.

    Raises BudgetExhausted if a cap is reached, KeyboardInterrupt if the user has asked for the end: no trial begins
    after that, and those that ran are rows.
    InfraError comes from the evaluator.
    """
    wanted = list(slots)
    specs = [spec for commit in commits for spec in _lacking(campaign, commit, wanted)]
    if not specs:
        return
    campaign.check()
    campaign.watcher.trials_planned(len(specs))

    def keep(result: TrialResult) -> None:
        campaign.store.add_trial(campaign.run, result)
        campaign.budget.book(result.key, result.usage)
        campaign.watcher.budget_left(campaign.budget.left())
        campaign.watcher.trial_done(result)

    campaign.evaluator.measure(specs, keep, campaign.may_start)
    if any(_lacking(campaign, commit, wanted) for commit in commits):
        campaign.check()


def _lacking(campaign: Campaign, commit: str, slots: Sequence[Slot]) -> list[TrialSpec]:
    known = {(t.task, t.attempt) for t in campaign.store.trials(campaign.run, commit) if t.counts}
    missing = [slot for slot in slots if slot not in known]
    if not missing:
        return []
    source = campaign.source(commit)
    return [campaign.trial_spec(commit, source, slot) for slot in missing]


def train_trajectories(campaign: Campaign, commit: str) -> list[tuple[TrialResult, Mapping[str, object]]]:
    """The commit's trials that a proposer sees, with their trajectories."""
    root, trials = campaign.folder.parent, campaign.store.trials(campaign.run, commit)
    return [(trial, trajectory.load(root / file.path)[0]) for trial, file in seen_by_proposers(trials)]


def seen_by_proposers(trials: Iterable[TrialResult]) -> list[tuple[TrialResult, StoredFile]]:
    """Of one commit's trials those that count, at train tasks: of each task those of the latest attempts."""
    by_task: dict[str, list[tuple[TrialResult, StoredFile]]] = {}
    for trial in trials:
        if trial.counts and trial.split is Split.TRAIN and trial.trajectory:
            by_task.setdefault(trial.task, []).append((trial, trial.trajectory))
    return [one for some in by_task.values() for one in sorted(some, key=lambda one: one[0].attempt)[-SHOWN_ATTEMPTS:]]
