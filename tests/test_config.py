"""What a run is begun with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from evolve.core.config import TASK_SECONDS, Difference, RunConfig, TrialLimits
from evolve.core.gate_config import GateConfig
from evolve.core.records import Limits, SandboxSpec


def test_the_defaults_need_no_key() -> None:
    assert RunConfig().model_spec.embedded


def test_a_config_is_stored_as_json_and_comes_back() -> None:
    config = RunConfig(suite=Path("x"), seed=3, limits=TrialLimits(calls=9), gate=GateConfig(risk=0.01))
    assert RunConfig.model_validate_json(config.canonical()) == config
    assert json.loads(config.canonical())["suite"] == "x"


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 1},
        {"model": "m"},
        {"limits": TrialLimits(calls=1)},
        {"gate": GateConfig(risk=0.03)},
        {"suite": Path("y")},
    ],
)
def test_the_digest_depends_on_every_value(changes: dict[str, Any]) -> None:
    assert RunConfig().digest() == RunConfig().digest()
    assert RunConfig(**changes).digest() != RunConfig().digest()


def test_differences_name_key_old_and_new() -> None:
    stored = RunConfig(seed=1, model="a").canonical()
    assert RunConfig(seed=2, model="a").differences(stored) == [Difference("seed", 1, 2)]
    assert str(Difference("seed", 1, 2)) == "seed: 1 -> 2"
    assert RunConfig(seed=1, model="a").differences(stored) == []
    older = json.dumps({"seed": 0, "gone": True})
    assert RunConfig().differences(older) == [Difference("gone", True, None)]
    moved = RunConfig(suite=Path("elsewhere"), scaffold=Path("moved"))
    assert moved.differences(RunConfig().canonical()) == []


def test_an_option_that_came_later_is_at_its_default() -> None:
    stored = json.loads(RunConfig().canonical())
    del stored["gate"]["race"], stored["network"]
    assert RunConfig().differences(json.dumps(stored)) == []
    raced = RunConfig(gate=GateConfig(race=2))
    assert raced.differences(json.dumps(stored)) == [Difference("gate.race", 1, 2)]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", -1),
        ("prompt_price", -0.1),
        ("holdout_attempts", 17),
        ("unknown", 1),
        ("sandbox", {"memory_mb": 1}),
        ("sandbox", {"pids": 0}),
        ("gate", {"passes": [2, 1]}),
        ("gate", {"risk": 0.5}),
        ("gate", {"race": 2, "rule": "greedy"}),
    ],
)
def test_a_bad_value_is_refused_by_its_key(key: str, value: Any) -> None:
    with pytest.raises(ValidationError, match=key):
        RunConfig(**{key: value})


def test_the_models_prices_reach_its_description() -> None:
    spec = RunConfig(model="m", base_url="http://x/v1", prompt_price=1, completion_price=2).model_spec
    assert (spec.name, spec.base_url, spec.priced) == ("m", "http://x/v1", True)


def test_a_task_keeps_its_limits_and_takes_runtime_and_pids_from_the_run() -> None:
    config = RunConfig(sandbox=SandboxSpec(cpus=4, runtime="runsc", pids=512))
    asked = SandboxSpec(cpus=2, memory_mb=64, disk_mb=32, network=True)
    assert config.task_sandbox(asked) == SandboxSpec(2, 64, 512, 32, "runsc", True)
    assert not RunConfig(network=False).task_sandbox(asked).network
    assert not RunConfig().task_sandbox(SandboxSpec()).network


def test_a_config_from_before_there_were_two_proposers_is_the_same() -> None:
    stored = json.loads(RunConfig().canonical())
    del stored["proposer"]
    assert RunConfig().differences(json.dumps(stored)) == []
    assert RunConfig(proposer="self").differences(json.dumps(stored)) == [Difference("proposer", "direct", "self")]


def test_an_older_run_keeps_its_gate_which_pooled_train_and_validation() -> None:
    stored = json.loads(RunConfig().canonical())
    assert stored["gate"].pop("generalise") is True
    older = json.dumps(stored)
    assert not RunConfig.from_stored(older).gate.generalise
    assert not RunConfig.from_stored("{}").gate.generalise
    assert RunConfig().differences(older) == [] == RunConfig.from_stored(older).differences(older)
    off = RunConfig(gate=GateConfig(generalise=False))
    assert off.differences(RunConfig().canonical()) == [Difference("gate.generalise", True, False)]


def test_each_request_of_an_older_run_asks_the_model() -> None:
    stored = json.loads(RunConfig().canonical())
    assert stored.pop("reuse") == "on"
    older = json.dumps(stored)
    assert RunConfig.from_stored(older).reuse == "off"
    assert RunConfig().differences(older) == [] == RunConfig.from_stored(older).differences(older)
    off = RunConfig(reuse="off")
    assert off.differences(older) == [] and RunConfig.from_stored(off.canonical()) == off
    assert off.differences(RunConfig().canonical()) == [Difference("reuse", "on", "off")]


def test_a_trials_seconds_are_the_tasks_unless_the_run_sets_them() -> None:
    assert RunConfig().limits.for_task(900.0) == Limits(seconds=900.0)
    assert RunConfig().limits.for_task().seconds == TASK_SECONDS == 1800
    limits = TrialLimits(seconds=60, commands=5)
    assert limits.for_task(900.0) == limits.for_task(30.0) == Limits(seconds=60.0, commands=5)
    assert TrialLimits(seconds=60, shorter_of_both=True).for_task(30.0).seconds == 30


def test_an_older_run_keeps_its_three_minutes_or_a_tasks_shorter_time() -> None:
    stored = json.loads(RunConfig().canonical())
    assert stored["limits"]["seconds"] is None
    for limits in (None, {"calls": 80}, {"seconds": 180.0}):
        older = json.dumps(stored | {"limits": limits}) if limits else json.dumps({"seed": 0})
        config = RunConfig.from_stored(older)
        assert [config.limits.for_task(seconds).seconds for seconds in (900.0, 60.0)] == [180, 60]
        assert config.limits.commands is None
        assert RunConfig().differences(older) == [] == config.differences(older)
    assert Difference("limits.seconds", 60.0, None) in RunConfig().differences(
        json.dumps(stored | {"limits": {"seconds": 60.0}})
    )
    explicit = RunConfig(limits=TrialLimits(seconds=180))
    assert explicit.differences(json.dumps(stored)) == [Difference("limits.seconds", None, 180.0)]
    assert RunConfig.from_stored(json.dumps(stored)) == RunConfig()
