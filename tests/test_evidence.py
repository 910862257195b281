"""What commands say of a stored run: valid or not, coverage, and how its tests ran."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from evolve import Run, cli
from evolve.cli import measuring
from evolve.core.attempts import first_fresh_attempt
from evolve.core.records import Fault, VerifierMode
from evolve.core.task_format import AgentPhase, Environment, NetworkMode, NetworkPolicy, TaskFormat
from evolve.report.validity import network_lines
from evolve.runs.identity import identity
from evolve.runs.stored_config import stored_config
from evolve.store import Store
from evolve.suite.tasks import Suite
from tests.fakes import result, task
from tests.played import RUN, RUNS


@pytest.fixture
def store(played_home: Path) -> Store:
    return Store.open(RUNS / "evolve.db")


def evolve(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    monkeypatch.setattr(sys, "argv", ["evolve", *words])
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code


def lost(store: Store, number: int, attempt: int, name: str = "train-0", **changes: object) -> None:
    """Add an attempt that could not be graded."""
    commit = store.candidates(RUN)[number].commit
    store.add_trial(RUN, result(name, None, attempt, fault=Fault.GRADER, candidate=commit, **changes))


def test_history_ends_with_validity_and_marks_rounds_without_all_results(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    evolve(monkeypatch, "history")
    before = capsys.readouterr().out
    assert before.rstrip().endswith("run: VALID") and " of " not in before.partition("run:")[0]
    trials = sum(trial.counts for trial in store.trials(RUN, store.candidates(RUN)[1].commit))
    for attempt in range(900, 920):
        lost(store, 1, attempt, verifier=VerifierMode.SHARED)
    evolve(monkeypatch, "history")
    after = capsys.readouterr().out
    assert f"{trials}/{trials + 20}" in after and "run: INVALID: 20 of " in after and "could not be graded" in after
    assert "verifier: shared in 1 task" in after
    evolve(monkeypatch, "history", "--json")
    row = json.loads(capsys.readouterr().out)[1]
    assert (row["graded"], row["attempts"], row["ungraded"]) == (trials, trials + 20, 20)
    assert not Run(RUN, RUNS).validity.valid


def test_missing_recordings_make_a_run_invalid(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert Run(RUN, RUNS).validity.valid
    shutil.rmtree(RUNS / RUN / "trials")
    evolve(monkeypatch, "history")
    assert "trials have no recording" in capsys.readouterr().out


def test_the_end_of_a_run_shows_coverage_beside_each_score(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    champion = store.champion(RUN)
    lost(store, champion.round, first_fresh_attempt(champion) + 500)
    measuring.print_result(store, RUN, RUNS)
    shown = capsys.readouterr().out
    line = next(line for line in shown.splitlines() if line.startswith("  champion: "))
    assert "train " in line and " of " in line and line.count("graded)") >= 2
    assert "  run: VALID" in shown


def test_a_runs_record_names_verifier_modes_that_are_weaker(store: Store) -> None:
    row = store.run(RUN)
    assert row is not None
    config, isolated = stored_config(row), task()
    suite = Suite(Path(), (isolated, replace(task("b"), verifier=VerifierMode.LIVE)))
    assert json.loads(identity(config, suite, ""))["suite_verifiers"] == ["live"]
    assert "suite_verifiers" not in json.loads(identity(config, Suite(Path(), (isolated,)), ""))


def test_a_runs_record_and_its_claim_name_the_networks_of_tasks(store: Store) -> None:
    row = store.run(RUN)
    assert row is not None
    config, offline = stored_config(row), task()
    listed = Environment(network=NetworkPolicy(NetworkMode.ALLOWLIST, ("pypi.org",)))
    one = replace(offline, name="b", format=TaskFormat(environment=listed))
    other = replace(
        one, name="c", format=replace(one.format, agent=AgentPhase(network=NetworkPolicy(NetworkMode.PUBLIC)))
    )
    suite = Suite(Path(), (offline, one, replace(one, name="d"), other))
    networks = json.loads(identity(config, suite, ""))["suite_networks"]
    assert networks == {"allowlist": 2, "public": 1}
    assert network_lines(networks) == ["network: allowlist in 2 tasks, public in 1 task"]
    unasked = [identity(config, Suite(Path(), (offline,)), "")]
    unasked.append(identity(config.model_copy(update={"network": False}), suite, ""))
    assert not any("suite_networks" in text for text in unasked) and network_lines(None) == []
