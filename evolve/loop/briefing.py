"""What the proposing model is shown of a tip: its files, its train trials and what earlier rounds taught."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from evolve import analysis
from evolve.core.records import Candidate, Limits, ModelSpec, Split, StoredFile, TrialResult
from evolve.guard import visible_files
from evolve.loop.candidates import Candidates
from evolve.loop.history import History
from evolve.loop.lessons import Lessons
from evolve.loop.propose import Brief
from evolve.store import Store
from evolve.trial import trajectory
from evolve.trial.gateway.request import PASSED_FIELDS

SHOWN_ATTEMPTS = 2


@dataclass(frozen=True)
class Briefing:
    """Write briefs.

    labels: of the train tasks, by name; the proposer sees no names; spec: of the model that the scaffold runs with.
    """

    store: Store
    candidates: Candidates
    history: History
    lessons: Lessons
    labels: Mapping[str, str]
    limits: Limits
    spec: ModelSpec

    def brief(self, tip: Candidate) -> Brief:
        """Write the brief for patches of a tip; lessons that are due are asked for first.

        Raises:
            InfraError: The endpoint failed.
        """
        trials = self.store.trials(self.candidates.run, tip.commit)
        read = analysis.analyse_trials(train_trajectories(trials, self.candidates), dict(self.labels))
        groups = analysis.groups(read, self.limits.calls)
        tasks = {label: name for name, label in self.labels.items()}
        meanings = {group.id: [tasks[label] for label in group.tasks] for group in groups}
        self.lessons.learn()
        outlines, latest = self.history.outlines(), self.history.change(tip.round)
        rounds = self.history.newest(analysis.REMEMBERED)
        files, spec = self.candidates.texts(tip.commit), self.candidates.spec(tip.commit)
        shown = visible_files(files, spec.evolvable, spec.shown)
        return Brief(
            files=shown,
            evolvable=spec.evolvable,
            unseen=len(files) - len(shown),
            digest=analysis.digest(analysis.Subject(read, groups, latest)),
            memory=analysis.format_memory(
                rounds, self.lessons.of(rounds[-analysis.FULL_ROUNDS :]), outlines[: -analysis.REMEMBERED]
            ),
            shelf=analysis.Shelf(read),
            meanings={**meanings, **{label: [name] for label, name in tasks.items()}},
            ignored=ignored_parameters(self.spec),
        )


def ignored_parameters(spec: ModelSpec) -> tuple[str, ...]:
    """The parameters that a scaffold may set and the endpoint does not take."""
    return tuple(sorted(name for name, sent in spec.parameters if not sent and name in PASSED_FIELDS))


def train_trajectories(
    trials: Iterable[TrialResult], candidates: Candidates
) -> list[tuple[TrialResult, Mapping[str, object]]]:
    """Those of one commit's trials that a proposer sees, with their trajectories. Its only source of trajectories."""
    root = candidates.folder.parent
    return [(trial, trajectory.load(root / file.path)[0]) for trial, file in seen_by_proposers(trials)]


def seen_by_proposers(trials: Iterable[TrialResult]) -> list[tuple[TrialResult, StoredFile]]:
    """Of one commit's trials those that count, at train tasks: of each task those of the latest attempts."""
    by_task: dict[str, list[tuple[TrialResult, StoredFile]]] = {}
    for trial in trials:
        if trial.counts and trial.split is Split.TRAIN and trial.trajectory:
            by_task.setdefault(trial.task, []).append((trial, trial.trajectory))
    latest = (sorted(pairs, key=lambda pair: pair[0].attempt)[-SHOWN_ATTEMPTS:] for pairs in by_task.values())
    return [pair for pairs in latest for pair in pairs]
