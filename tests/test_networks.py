"""Which phases of a task have a network."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evolve.core.task_format import (
    AgentPhase,
    Environment,
    NetworkMode,
    NetworkPolicy,
    Networks,
    SandboxSpec,
    Step,
    TaskFormat,
    VerifierPhase,
    needs_network,
    phase_networks,
    without_network,
)

PUBLIC, NONE = NetworkPolicy(NetworkMode.PUBLIC), NetworkPolicy()


def format_of(base: NetworkPolicy, agent: NetworkPolicy | None, verifier: NetworkPolicy | None) -> TaskFormat:
    return TaskFormat(
        environment=Environment(network=base), agent=AgentPhase(network=agent), verifier=VerifierPhase(network=verifier)
    )


@pytest.mark.parametrize(
    ("format", "networks"),
    [
        (format_of(PUBLIC, NONE, None), Networks(True, False, True)),
        (format_of(PUBLIC, None, NONE), Networks(True, True, False)),
        (format_of(NONE, PUBLIC, None), Networks(False, True, False)),
        (format_of(NONE, None, PUBLIC), Networks(False, False, True)),
    ],
)
def test_a_phase_has_its_own_network_or_the_environments(format: TaskFormat, networks: Networks) -> None:
    assert phase_networks(format, default=False) == phase_networks(format, default=True) == networks
    assert needs_network(format, default=False)


@pytest.mark.parametrize("default", [True, False])
def test_without_phases_of_their_own_the_run_decides(default: bool) -> None:
    format = format_of(PUBLIC, None, None)
    assert phase_networks(format, default) == Networks(default, default, default)
    assert needs_network(format, default) is default


def test_a_run_without_a_network_takes_it_from_every_phase_and_step() -> None:
    own = Environment(network=PUBLIC, sandbox=SandboxSpec(network=True))
    phases = format_of(PUBLIC, PUBLIC, PUBLIC)
    verifier = replace(phases.verifier, environment=own)
    step = Step("one", "steps/one", "Do it.", agent=phases.agent, verifier=verifier)
    format = without_network(replace(phases, verifier=verifier, steps=(step,)))
    assert not needs_network(format, default=False)
    for phase in (format.verifier, format.steps[0].verifier):
        assert phase.environment is not None and not phase.environment.sandbox.network
