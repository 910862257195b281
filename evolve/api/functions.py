"""The functions of `evolve`. Settings come from arguments, `EVOLVE_*` variables and `evolve.toml`, in this order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from evolve.api import running
from evolve.api.results import Calibration, Replay, Result, split_of
from evolve.api.stored import Run
from evolve.core.errors import BadInput
from evolve.core.gate_config import GateConfig
from evolve.core.records import Split
from evolve.executor.protocol import Executor
from evolve.gate.claim import Claim
from evolve.gate.ruling import RuleMaker
from evolve.host.platform import check_platform
from evolve.loop.proposer import Proposer
from evolve.loop.watcher import SilentWatcher, Watcher
from evolve.runs.local_model import with_local_server
from evolve.runs.notify import notifying
from evolve.runs.plugins import Plugins, created, name_of
from evolve.runs.settings import Settings, read_arguments

# Settings that only a run with rounds has.
OF_RUNS = (
    "rounds",
    "until",
    "run",
    "scaffold",
    "budget_usd",
    "budget_tokens",
    "budget_seconds",
    "budget_trials",
    "on_event",
)


def run(
    scaffold: Path | str | None = None,
    suite: Path | str | None = None,
    rounds: int | None = None,
    model: str | None = None,
    runs: Path | str | None = None,
    *,
    watcher: Watcher | str | None = None,
    proposer: Proposer | str | None = None,
    rule: RuleMaker | str | None = None,
    executor: Executor | str | None = None,
    **settings: Any,
) -> Run:
    """Start or resume a run, and play its rounds. At a cap of the budget the run ends early, without an error.

    Args:
        scaffold: Folder of the seed scaffold.
        suite: Folder of the task suite.
        rounds: Number of rounds.
        model: Model, or PROFILE/MODEL; `embedded` and `local` need no key.
        runs: Folder of the results.
        watcher: Shows the progress; None: nothing is shown.
        proposer: Writes the patches, or its name.
        rule: Makes the gate's rule, or its name.
        executor: Runs the trials, or its name.
        **settings: Any other setting of docs/configuration.md; tables (`gate`, `limits`, `sandbox`) as mappings.

    Raises:
        BadInput: A setting, a file or a plug-in is wrong; nothing was written.
        InfraError: The machine, the container engine or the endpoint failed; the same call resumes the run.
        Locked: Another process is working on the run.
    """
    named = {"scaffold": scaffold, "suite": suite, "rounds": rounds, "model": model, "runs": runs}
    given, plugins = _settings({**settings, **named}, proposer, rule, executor)
    with with_local_server(given, given.run) as served:
        prepared = running.prepare_run(served, plugins)
        with notifying(given.on_event, _watcher(watcher), given.runs) as told:
            name = running.play(prepared, given.rounds, told, given.until)
    return Run(name, given.runs)


def evaluate(
    what: Path | str,
    splits: Sequence[Split | str] = ("train", "validation"),
    attempts: int = 1,
    *,
    watcher: Watcher | str | None = None,
    executor: Executor | str | None = None,
    **settings: Any,
) -> Result:
    """Measure one scaffold, as a run of its own without rounds.

    Args:
        what: A scaffold's folder, or a branch evolve/RUN/NAME.
        splits: The splits to measure on; `holdout` counts as a look at it.
        attempts: Trials of each task.
        watcher: As for `run`.
        executor: As for `run`.
        **settings: As for `run`, except those of rounds and budgets.

    Raises:
        BadInput: A setting, a file or a plug-in is wrong.
        InfraError: The machine, the container engine or the endpoint failed.
    """
    _refuse_settings_of_runs(settings)
    given, plugins = _settings(settings, None, None, executor)
    wanted = [split_of(split) for split in splits]
    _check_count("attempts", attempts, 1)
    with with_local_server(given) as served:
        prepared = running.prepare_evaluation(str(what), served, plugins)
        return running.measure(prepared, wanted, attempts, _watcher(watcher))


def calibrate(
    what: Path | str | None = None,
    attempts: int = 4,
    rounds: int = 100,
    *,
    watcher: Watcher | str | None = None,
    rule: RuleMaker | str | None = None,
    executor: Executor | str | None = None,
    **settings: Any,
) -> Calibration:
    """Measure a scaffold against itself: the noise of its score, and what a run with it could show.

    Args:
        what: A scaffold's folder, or a branch evolve/RUN/NAME; None: the scaffold of the settings.
        attempts: Trials of each task, at least 2.
        rounds: Number of rounds whose cost is estimated.
        watcher: As for `run`.
        rule: As for `run`.
        executor: As for `run`.
        **settings: As for `evaluate`.

    Raises:
        BadInput: A setting, a file or a plug-in is wrong.
        InfraError: The machine, the container engine or the endpoint failed.
    """
    _refuse_settings_of_runs(settings)
    given, plugins = _settings(settings, None, rule, executor)
    _check_count("attempts", attempts, 2)
    _check_count("rounds", rounds, 1)
    with with_local_server(given) as served:
        prepared = running.prepare_evaluation(str(what or given.scaffold), served, plugins)
        return running.measure_noise(prepared, attempts, rounds, _watcher(watcher))


def replay(
    branch: str,
    live: bool = False,
    runs: Path | str | None = None,
    *,
    watcher: Watcher | str | None = None,
    proposer: Proposer | None = None,
    rule: RuleMaker | None = None,
    executor: Executor | None = None,
    jobs: int | None = None,
) -> Replay:
    """Run a candidate's trials again. Nothing is written to the database.

    Args:
        branch: A branch evolve/RUN/NAME.
        live: Call the model again, with new seeds; otherwise it answers from the recordings.
        runs: Folder of the results.
        watcher: As for `run`.
        proposer: The object that the run began with, if it did.
        rule: The same.
        executor: The same.
        jobs: Number of trials at once.

    Raises:
        BadInput: There is no such branch, or its suite or recordings are not there any more.
        InfraError: The machine, the container engine or the endpoint failed.
    """
    check_platform()
    given = read_arguments({"runs": runs, "jobs": jobs})
    prepared = running.prepare_replay(branch, given, Plugins(proposer, rule, executor))
    return running.play_again(prepared, live, _watcher(watcher), given.local_file)


def claim(run: str | None = None, runs: Path | str | None = None) -> Claim:
    """Compare seed and champion of a run on the holdout.

    Args:
        run: The run's id; None: the newest.
        runs: Folder of the results.

    Raises:
        BadInput: There is no such run, it has no new champion, or too few holdout trials.
    """
    return Run(run, runs).claim()


def _settings(
    arguments: Mapping[str, Any],
    proposer: Proposer | str | None,
    rule: RuleMaker | str | None,
    executor: Executor | str | None,
) -> tuple[Settings, Plugins]:
    """The settings with the names of plug-ins, and those that were given as objects."""
    check_platform()
    names = {kind: one for kind, one in (("proposer", proposer), ("executor", executor)) if isinstance(one, str)}
    gate = {"gate": {**(arguments.get("gate") or {}), "rule": rule}} if isinstance(rule, str) else {}
    settings = read_arguments({**arguments, **names, **gate})
    plugins = Plugins(
        proposer=None if isinstance(proposer, str) else proposer,
        rule=None if isinstance(rule, str) else rule,
        executor=None if isinstance(executor, str) else executor,
    )
    return _named(settings, plugins), plugins


def _named(settings: Settings, plugins: Plugins) -> Settings:
    """The settings with the names of objects, which no entry point has."""
    changes: dict[str, Any] = {}
    if plugins.proposer is not None:
        changes["proposer"] = name_of("proposer", plugins.proposer)
    if plugins.executor is not None:
        changes["executor"] = name_of("executor", plugins.executor)
    if plugins.rule is not None:
        changes["gate"] = _gate_of(settings.gate, name_of("rule", plugins.rule))
    return settings.model_copy(update=changes)


def _gate_of(gate: GateConfig, rule: str) -> GateConfig:
    try:
        return GateConfig(**{**gate.model_dump(exclude_unset=True), "rule": rule})
    except ValidationError as error:
        raise BadInput("gate", error.errors()[0]["msg"].removeprefix("Value error, "), "leave it out") from error


def _watcher(watcher: Watcher | str | None) -> Watcher:
    if isinstance(watcher, str):
        found: Watcher = created("watcher", watcher)
        return found
    return watcher if watcher is not None else SilentWatcher()


def _refuse_settings_of_runs(settings: Mapping[str, Any]) -> None:
    for name in OF_RUNS:
        if name in settings:
            raise BadInput(name, "has no effect on a measurement", "leave it out")


def _check_count(name: str, value: int, least: int) -> None:
    if value < least:
        raise BadInput(name, f"is {value}", f"give {least} or more")
