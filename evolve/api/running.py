"""Running and measuring from settings: what the command line and the functions of `evolve` share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from evolve.api.results import Calibration, Replay, Result
from evolve.core.config import RunConfig
from evolve.core.errors import BadInput, GraderError
from evolve.core.launch import Launch
from evolve.core.records import Split
from evolve.executor.evaluate import default_jobs
from evolve.gate import TaskSlot, begin_rule, calibrate
from evolve.gate.expected import least_gain
from evolve.llm import set_call_seconds
from evolve.loop.events import WorkExpected, tell
from evolve.loop.watcher import Watcher
from evolve.runs import opening
from evolve.runs.branches import run_and_commit
from evolve.runs.from_settings import evaluation_request, run_request
from evolve.runs.identity import resumed_config
from evolve.runs.jobs import planned_concurrency
from evolve.runs.local_model import with_local_server_again
from evolve.runs.lookup import open_results
from evolve.runs.model_check import CheckedModel, check_models, resumed_row, summary_line
from evolve.runs.plan import Plan, memory_warnings, plan_of, time_warnings
from evolve.runs.plugins import Plugins, find_plugins
from evolve.runs.request import RunRequest, stored_row
from evolve.runs.settings import Settings
from evolve.runs.stored_config import stored
from evolve.runs.stored_suite import suite_of_config
from evolve.suite.bundled import or_bundled
from evolve.suite.scaffold import check_folder
from evolve.suite.tasks import Suite


@dataclass(frozen=True)
class Prepared:
    """A request whose input has been checked; nothing is written yet. `commit`: to be measured, if it is known."""

    request: RunRequest
    suite: Suite
    commit: str | None = None


def prepare_run(settings: Settings, plugins: Plugins | None = None) -> Prepared:
    """Check what the user gave for a run. Raises BadInput."""
    set_call_seconds(settings.call_seconds)
    request = run_request(settings, plugins)
    return Prepared(request, opening.check(request))


def prepare_evaluation(what: str, settings: Settings, plugins: Plugins | None = None) -> Prepared:
    """Check what the user gave for measuring one scaffold. Raises BadInput."""
    set_call_seconds(settings.call_seconds)
    request, commit = evaluation_request(what, settings, plugins)
    return Prepared(request, opening.check(request), commit)


def plan(prepared: Prepared, rounds: int, watcher: Watcher) -> Plan:
    """Check the run's models, and estimate what its rounds take. Raises BadInput."""
    return _planned(prepared, rounds, watcher)[1]


def _planned(prepared: Prepared, rounds: int, watcher: Watcher) -> tuple[Prepared, Plan]:
    prepared, checked = _checked(prepared, watcher)
    request = prepared.request
    opening.check_priced(request.config, request.caps)
    return prepared, plan_of(request, prepared.suite, rounds, checked)


def _checked(prepared: Prepared, watcher: Watcher) -> tuple[Prepared, list[CheckedModel]]:
    """Say what is left out of the scaffold and what it may lack, check the models, and say what was found."""
    left_out, launch = opening.left_out_line(prepared.request), _launch_of(prepared.request)
    for line in (*filter(None, [left_out]), *memory_warnings(launch, prepared.suite)):
        watcher.say(line)
    request, checked = check_models(prepared.request, prepared.suite, watcher.say)
    for model in checked:
        watcher.say(summary_line(model))
    return replace(prepared, request=request), checked


def check_prepared(request: RunRequest, suite: Suite, watcher: Watcher) -> RunRequest:
    """Check a request's models as for a run; -> the request with what was learned. Raises BadInput."""
    prepared, _ = _checked(Prepared(request, suite), watcher)
    opening.check_priced(prepared.request.config, prepared.request.caps)
    return prepared.request


def _launch_of(request: RunRequest) -> Launch:
    """How the scaffold of a new run is started; that of a stored run may have changed on disk, which is no matter."""
    folder = or_bundled(request.config.scaffold)
    if request.origin or stored_row(request.runs, request.run) is not None or not folder.is_dir():
        return Launch()
    return check_folder(folder).launch


def play(prepared: Prepared, rounds: int, watcher: Watcher, until: str | None = None) -> str:
    """Start or resume a run, and play its rounds until they are decided, no longer pay or a cap is reached.

    until: A condition such as `gain<1`; None: none. Raises BadInput if it is none that the run's gate can answer.

    Returns:
        The run's id.
    """
    least = None if until is None else _least_gain(until, prepared.request.config)
    prepared, checked = _checked(prepared, watcher)
    request, suite = prepared.request, prepared.suite
    opening.check_priced(request.config, request.caps)
    for line in (*suite.warnings, *time_warnings(request.config, suite)):
        watcher.say(line)
    # A run that is resumed says what is left to do, judged by its own trials.
    if resumed_row(request, suite) is None:
        planned = plan_of(request, suite, rounds, checked)
        for line in planned.lines():
            watcher.say(line)
        tell(watcher, WorkExpected(planned.trials.low, planned.trials.high))
    with opening.open_run(prepared.request, prepared.suite, watcher) as search:
        name = search.journal.run
        search.run_rounds(rounds, least)
    return name


def _least_gain(until: str, config: RunConfig) -> float:
    if config.gate.rule != "evolve":
        problem = f"rule {config.gate.rule} has no prior over the effects of patches"
        raise BadInput("until", problem, "leave it out, or use the rule `evolve`")
    return least_gain(until)


def measure(prepared: Prepared, splits: Sequence[Split], attempts: int, watcher: Watcher) -> Result:
    """Measure one scaffold, as a run of its own without rounds."""
    prepared, _ = _checked(prepared, watcher)
    with opening.open_run(prepared.request, prepared.suite, watcher) as search:
        trials = search.evaluate_once(prepared.commit, splits, attempts)
        return Result(search.journal.run, tuple(trials))
    raise AssertionError("an evaluation has no caps")


def measure_noise(prepared: Prepared, attempts: int, rounds: int, watcher: Watcher) -> Calibration:
    """Measure a scaffold against itself, and compute what that says of a run of so many rounds."""
    result = measure(prepared, [Split.TRAIN, Split.VALIDATION], attempts, watcher)
    config, passes = prepared.request.config, calibrate.complete_passes(result.trials)
    if len({trial.attempt for trial in passes}) < 2:
        raise GraderError(
            f"run {result.run}: fewer than two passes over the tasks could be graded; see `evolve show 0`"
        )
    noise = calibrate.noise(passes)
    measured = [t for t in prepared.suite.split(Split.TRAIN, Split.VALIDATION) if t.name in noise.rates]
    tasks = [TaskSlot(t.name, t.split, t.difficulty) for t in measured]
    begin = find_plugins(config, prepared.request.plugins).rule or begin_rule
    power = calibrate.power(tasks, calibrate.Luck(noise.rates, noise.scatter), config.gate, begin=begin)
    jobs = planned_concurrency(prepared.request, prepared.suite).most
    return Calibration(result, noise, power, calibrate.cost(result.trials, power.trials, rounds, jobs))


def prepare_replay(branch: str, settings: Settings, plugins: Plugins | None = None) -> Prepared:
    """Find the run and the commit of a branch. Raises BadInput."""
    set_call_seconds(settings.call_seconds)
    runs = settings.runs
    with open_results(runs) as store:
        row, commit = run_and_commit(store, branch, runs)
    config, jobs = resumed_config(row, {}, runs), settings.jobs or default_jobs()
    return Prepared(
        RunRequest(config, runs, row.id, jobs, plugins=plugins or Plugins()),
        suite_of_config(config, stored(row, "suite_digest")),
        commit,
    )


def play_again(prepared: Prepared, live: bool, watcher: Watcher, local_file: Path | None = None) -> Replay:
    """Run a candidate's trials again, with the recorded answers or with new calls of the model.

    local_file: of a local model, as for a run.
    """
    if live:
        with with_local_server_again(prepared.request.config, local_file) as config:
            return _play_live(replace(prepared, request=replace(prepared.request, config=config)), watcher)
    with opening.open_for_replay(prepared.request, watcher) as replayer:
        recorded = replayer.recorded_trials(str(prepared.commit))
        watcher.trials_planned(len(recorded))
        compared = tuple(replayer.run_offline(str(prepared.commit), recorded))
        return Replay(Result(replayer.run, tuple(recorded)), compared)


def _play_live(prepared: Prepared, watcher: Watcher) -> Replay:
    """Run a candidate's trials again with new calls of the model."""
    with opening.open_for_replay(prepared.request, watcher) as replayer:
        recorded = replayer.recorded_trials(str(prepared.commit))
        watcher.trials_planned(len(recorded))
        new = Result(replayer.run, tuple(replayer.run_live(str(prepared.commit), recorded)))
        return Replay(Result(replayer.run, tuple(recorded)), (), new)
