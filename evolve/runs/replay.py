"""Run a candidate's trials again: offline with the recorded answers, or live with new calls of the model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from evolve.core.errors import BadInput, InfraError
from evolve.core.records import TrialResult, TrialSpec, stable_hash
from evolve.executor.protocol import Executor
from evolve.host.temporary import temporary_folder
from evolve.loop.trial_specs import TrialSpecs
from evolve.store import Store
from evolve.trial import comparison, trajectory
from evolve.trial.nature import Window


@dataclass(frozen=True)
class ReplayResult:
    """A trial and its replay.

    Attributes:
        divergence: Empty if commands, reward and trajectory are the same, apart from what differs by nature.
        by_nature: The steps whose output differs by nature alone: by times, process ids and the like.
    """

    task: str
    attempt: int
    recorded_reward: float | None
    replayed_reward: float | None
    divergence: str
    by_nature: tuple[str, ...] = ()

    @property
    def identical(self) -> bool:
        return not self.divergence


@dataclass(frozen=True)
class Replayer:
    """Run trials of a run again. `folder`: the run's; `owner`: under which the trials' containers are swept."""

    run: str
    folder: Path
    store: Store
    specs: TrialSpecs
    evaluator: Executor
    owner: str = "replay"

    def recorded_trials(self, commit: str) -> list[TrialResult]:
        """The counted trials of a commit. Raises BadInput if there are none."""
        trials = [trial for trial in self.store.trials(self.run, commit) if trial.counts]
        if not trials:
            raise BadInput(commit[:12], "has no recorded trials", "name a branch of a run, such as evolve/RUN/champion")
        return trials

    def run_offline(self, commit: str, trials: Sequence[TrialResult]) -> Iterator[ReplayResult]:
        """Run each trial again with the recorded answers instead of a model; writes nothing to the database.

        Raises BadInput if no recording is left.
        """
        root = self.folder.parent
        _refuse_without_recordings(commit, trials, root)
        with temporary_folder("replay") as place:
            specs, problems = {}, {}
            for trial in trials:
                problem = _recording_problem(trial, root)
                if problem:
                    problems[_slot(trial)] = problem
                if trial.recording and (root / trial.recording.path).is_file():
                    specs[_slot(trial)] = self._spec(commit, trial, place / "run", root / trial.recording.path)
            replays: dict[tuple[str, int], TrialResult] = {}
            self.evaluator.measure(
                _readable(specs), lambda result: replays.update({_slot(result): result} if result.counts else {})
            )
            for trial in trials:
                yield _compare(trial, replays.get(_slot(trial)), problems.get(_slot(trial), ""), root, place)

    def run_live(self, commit: str, trials: Sequence[TrialResult]) -> list[TrialResult]:
        """Run each trial again with new calls of the model and new seeds; writes nothing to the database."""
        results: list[TrialResult] = []
        with temporary_folder("replay") as place:
            specs = [self._spec(commit, trial, place / "run", None) for trial in trials]
            reseeded = [replace(spec, seed=stable_hash("live replay", spec.seed)) for spec in specs]
            self.evaluator.measure(reseeded, lambda result: results.append(result) if result.counts else None)
        return results

    def _spec(self, commit: str, trial: TrialResult, folder: Path, recording: Path | None) -> TrialSpec:
        (spec,) = self.specs.trials(commit, [_slot(trial)])
        asked = trial.grading.recording if trial.grading else None
        graders = self.folder.parent / asked.path if asked and recording else None
        return replace(
            spec,
            seed=trial.seed,
            folder=folder,
            owner=self.owner,
            replay_of=recording,
            grader_replay_of=graders if graders and _loads(graders) else None,
        )


def _refuse_without_recordings(commit: str, trials: Sequence[TrialResult], root: Path) -> None:
    if not any(trial.recording and (root / trial.recording.path).is_file() for trial in trials):
        raise BadInput(
            commit[:12],
            f"the recordings of its {len(trials)} trials are missing (`evolve gc` removes old ones)",
            "restore them from a backup, or use --live to call the model again",
        )


def _slot(trial: TrialResult) -> tuple[str, int]:
    return trial.task, trial.attempt


def _recording_problem(trial: TrialResult, root: Path) -> str:
    kinds = [("recording", trial.recording), ("trajectory", trial.trajectory)]
    if trial.grading:
        kinds.append(("grader's recording", trial.grading.recording))
    for kind, file in kinds:
        if file is not None and not (root / file.path).is_file():
            return f"its {kind} is missing"
        if file is None or not trajectory.is_intact(file, root):
            return f"its {kind} has changed since it was stored (sha256 differs)"
    return ""


def _readable(specs: dict[tuple[str, int], TrialSpec]) -> list[TrialSpec]:
    return [spec for spec in specs.values() if spec.replay_of is not None and _loads(spec.replay_of)]


def _loads(path: Path) -> bool:
    try:
        trajectory.load(path)
    except InfraError:
        return False
    return True


def _compare(
    trial: TrialResult, replay: TrialResult | None, problem: str, root: Path, replay_root: Path
) -> ReplayResult:
    reward = replay.reward if replay else None
    problems, by_nature = [problem] if problem else [], tuple[str, ...]()
    if replay is None:
        problems.append("could not be replayed")
    elif replay.recording is not None and trial.recording is not None:
        old, new = (
            trajectory.load(root / trial.recording.path),
            trajectory.load(replay_root / replay.recording.path),
        )
        found = comparison.differences(old, new, _window(trial), _window(replay))
        by_nature = found.by_nature
        if (step := found.first) is not None:
            problems.append(f"step {step} differs: {comparison.describe_step(old, new, step)}")
        if problem := _grading_problem(trial, replay, root, replay_root):
            problems.append(problem)
        if (replay.outcome, replay.reward) != (trial.outcome, trial.reward):
            problems.append(f"{trial.outcome} with reward {trial.reward} became {replay.outcome} with {replay.reward}")
    return ReplayResult(trial.task, trial.attempt, trial.reward, reward, "; ".join(problems), by_nature)


def _grading_problem(trial: TrialResult, replay: TrialResult, root: Path, replay_root: Path) -> str:
    """What the tests asked a model otherwise than before; "" if nothing."""
    asked, now = (one.grading.recording if one.grading else None for one in (trial, replay))
    if asked is None or now is None or not (root / asked.path).is_file():
        return ""
    old, new = trajectory.load(root / asked.path), trajectory.load(replay_root / now.path)
    number = comparison.first_difference(old, new)
    return "" if number is None else f"the tests ask otherwise: call {number} of the grader's model differs"


def _window(trial: TrialResult) -> Window:
    return Window.of(trial.started_at, trial.seconds)
