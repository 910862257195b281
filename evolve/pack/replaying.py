"""Runs a sample of a pack's trials again, with its own recordings, in containers without a network or a key."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from evolve.core.errors import EvolveError
from evolve.core.records import TrialResult, stable_hash
from evolve.core.task_format import NetworkMode, widest_network
from evolve.executor.evaluate import default_jobs
from evolve.loop.trial_specs import task_as_run
from evolve.loop.watcher import Watcher
from evolve.pack.checks import Check, State, Unpacked, checked
from evolve.runs.identity import resumed_config
from evolve.runs.opening import open_for_replay
from evolve.runs.plugins import is_local
from evolve.runs.replay import ReplayResult
from evolve.runs.request import RunRequest
from evolve.suite.tasks import Suite

NAME = "replays"
# How fast a machine is tells nothing about a recording.
TIMED_OUT = re.compile(r"step \S+ differs: run: [a-z_, ]*\btimed_out\b")


def choose_sample(trials: Sequence[TrialResult], count: int, salt: str) -> list[TrialResult]:
    """So many of the trials, at most all: by a hash of the salt and of what each trial is, so that nobody chooses them.

    Returns:
        The sample, in an order that depends on the salt alone.
    """
    return sorted(trials, key=lambda one: (stable_hash(salt, one.candidate, one.task, one.attempt), one.task))[:count]


def check_replays(unpacked: Unpacked, suite: Suite | None, count: int, salt: str, watcher: Watcher) -> Check:
    """Run a sample of the trials that count again, and compare commands, outputs and rewards with the recordings."""
    if not count:
        return Check(NAME, State.UNKNOWN, "no sample was asked for")
    if problem := _refusal(unpacked, suite):
        return Check(NAME, State.UNKNOWN, problem)
    assert suite is not None
    every = [trial for trial in unpacked.store.trials(unpacked.row.id) if trial.counts]
    usable = _usable(unpacked, suite, every)
    if not usable:
        return Check(
            NAME, State.UNKNOWN, f"none of the {len(every)} trials can be run again without a network and a key"
        )
    sample = choose_sample(usable, count, salt)
    try:
        results = _replay(unpacked, sample, watcher, default_jobs())
        # A busy machine makes commands reach their time limits: what differs has one more try, alone.
        if differing := [trial for trial, result in results if not result.identical]:
            kept = [pair for pair in results if pair[1].identical]
            results = [*kept, *_replay(unpacked, differing, watcher, 1)]
    except EvolveError as error:
        return Check(NAME, State.UNKNOWN, f"the sample of {len(sample)} could not be run: {error}")
    undecided = [trial for trial, result in results if TIMED_OUT.search(result.divergence)]
    decided = [(trial, result) for trial, result in results if trial not in undecided]
    problems = [problem for trial, result in decided if (problem := _problem(unpacked, trial, result))]
    if undecided and not problems:
        words = f"commands of {len(undecided)} of {len(results)} trials reached other time limits"
        return Check(NAME, State.UNKNOWN, words)
    rest = "" if len(usable) == len(every) else f", of {len(usable)} that need no network"
    return checked(NAME, f"{len(results)} of {len(every)} trials run again{rest}, chosen by {salt[:16]}", problems)


def _refusal(unpacked: Unpacked, suite: Suite | None) -> str:
    """Why no trial of a pack is run here; "" if some may be."""
    if suite is None:
        return "this takes the whole suite"
    if not is_local(unpacked.config):
        return f"its trials were run by the executor {unpacked.config.executor}"
    # A stranger's tests get nothing of this environment.
    if unpacked.config.pass_env:
        return "its tests were given variables of the host"
    return ""


def _usable(unpacked: Unpacked, suite: Suite, trials: Sequence[TrialResult]) -> list[TrialResult]:
    """The trials that can be run again with what is in the pack alone."""
    members = {member.path for member in unpacked.manifest.members}
    config = unpacked.config
    inside = {
        task.name
        for task in (task_as_run(task, config) for task in suite.tasks)
        if widest_network(task.format, task.sandbox.network) is NetworkMode.NONE
    }
    return [
        trial for trial in trials if trial.task in inside and _is_recorded(trial, members, config.graded_by is None)
    ]


def _is_recorded(trial: TrialResult, members: set[str], ungraded: bool) -> bool:
    graders = trial.grading.recording if trial.grading else None
    answered = ungraded or (graders is not None and graders.path in members)
    return answered and trial.recording is not None and trial.recording.path in members


def _replay(
    unpacked: Unpacked, sample: Sequence[TrialResult], watcher: Watcher, jobs: int
) -> list[tuple[TrialResult, ReplayResult]]:
    config = resumed_config(unpacked.row, {}, unpacked.runs)
    request = RunRequest(config, unpacked.runs, unpacked.row.id, jobs)
    by_commit: dict[str, list[TrialResult]] = defaultdict(list)
    for trial in sample:
        by_commit[trial.candidate].append(trial)
    results: list[tuple[TrialResult, ReplayResult]] = []
    with open_for_replay(request, watcher, {trial.task for trial in sample}) as replayer:
        for commit, trials in by_commit.items():
            results += zip(trials, replayer.run_offline(commit, trials), strict=True)
    return results


def _problem(unpacked: Unpacked, trial: TrialResult, result: ReplayResult) -> str:
    if result.identical:
        return ""
    rounds = {one.commit: one.round for one in unpacked.store.candidates(unpacked.row.id)}
    place = f"round {rounds.get(trial.candidate)}, task {trial.task}, attempt {trial.attempt}"
    return f"{place}: {result.divergence}"
