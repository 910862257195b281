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
    has_allowlist,
    needs_network,
    phase_networks,
    without_network,
)

PUBLIC, NONE = NetworkPolicy(NetworkMode.PUBLIC), NetworkPolicy()
PYPI = NetworkPolicy(NetworkMode.ALLOWLIST, ("pypi.org",))
MORE = NetworkPolicy(NetworkMode.ALLOWLIST, ("pypi.org", "*.pypi.org"))


def format_of(base: NetworkPolicy, agent: NetworkPolicy | None, verifier: NetworkPolicy | None) -> TaskFormat:
    return TaskFormat(
        environment=Environment(network=base), agent=AgentPhase(network=agent), verifier=VerifierPhase(network=verifier)
    )


@pytest.mark.parametrize(
    ("format", "networks"),
    [
        (format_of(PUBLIC, NONE, None), Networks(PUBLIC, NONE, PUBLIC)),
        (format_of(PUBLIC, None, NONE), Networks(PUBLIC, PUBLIC, NONE)),
        (format_of(NONE, PUBLIC, None), Networks(NONE, PUBLIC, NONE)),
        (format_of(NONE, None, PUBLIC), Networks(NONE, NONE, PUBLIC)),
        (format_of(PUBLIC, PYPI, MORE), Networks(PUBLIC, PYPI, MORE)),
        (format_of(PYPI, PUBLIC, None), Networks(PYPI, PUBLIC, PYPI)),
    ],
)
def test_a_phase_has_its_own_network_or_the_environments(format: TaskFormat, networks: Networks) -> None:
    assert phase_networks(format, default=False) == phase_networks(format, default=True) == networks
    assert needs_network(format, default=False)


@pytest.mark.parametrize("environment", [PUBLIC, NONE, PYPI])
@pytest.mark.parametrize("agent", [None, PUBLIC, NONE, PYPI])
@pytest.mark.parametrize("verifier", [None, PUBLIC, NONE, PYPI])
def test_every_combination_of_phases(
    environment: NetworkPolicy, agent: NetworkPolicy | None, verifier: NetworkPolicy | None
) -> None:
    networks = phase_networks(format_of(environment, agent, verifier), default=environment is PUBLIC)
    assert networks == Networks(environment, agent or environment, verifier or environment)


@pytest.mark.parametrize("default", [True, False])
def test_without_phases_of_their_own_the_run_decides(default: bool) -> None:
    format = format_of(PUBLIC, None, None)
    policy = PUBLIC if default else NONE
    assert phase_networks(format, default) == Networks(policy, policy, policy)
    assert needs_network(format, default) is default


@pytest.mark.parametrize("default", [True, False])
def test_an_environments_allowlist_holds_for_all_phases_without_their_own(default: bool) -> None:
    format = format_of(PYPI, None, None)
    assert phase_networks(format, default) == Networks(PYPI, PYPI, PYPI)
    assert has_allowlist(format) and not needs_network(format, default)


def test_an_allowlist_is_found_in_every_place_that_can_have_one() -> None:
    own = VerifierPhase(environment=Environment(network=PYPI))
    step = Step("one", "steps/one", "Do it.", agent=AgentPhase(network=PYPI), verifier=VerifierPhase())
    found = [format_of(NONE, PYPI, None), format_of(NONE, None, PYPI), replace(TaskFormat(), verifier=own)]
    assert all(map(has_allowlist, [*found, replace(TaskFormat(), steps=(step,))]))
    assert not any(map(has_allowlist, [TaskFormat(), format_of(PUBLIC, NONE, PUBLIC)]))
    assert not any(has_allowlist(without_network(format)) for format in found)


@pytest.mark.parametrize(
    ("policy", "other", "within"),
    [(NONE, PYPI, True), (PYPI, NONE, False), (PYPI, MORE, True), (MORE, PYPI, False), (MORE, PUBLIC, True),
     (PUBLIC, MORE, False), (PUBLIC, PUBLIC, True), (NONE, NONE, True)],
)  # fmt: skip
def test_a_network_within_another_reaches_nothing_more(
    policy: NetworkPolicy, other: NetworkPolicy, within: bool
) -> None:
    assert policy.is_within(other) is within


def test_a_run_without_a_network_takes_it_from_every_phase_and_step() -> None:
    own = Environment(network=PUBLIC, sandbox=SandboxSpec(network=True))
    phases = format_of(PUBLIC, PUBLIC, PUBLIC)
    verifier = replace(phases.verifier, environment=own)
    step = Step("one", "steps/one", "Do it.", agent=phases.agent, verifier=verifier)
    format = without_network(replace(phases, verifier=verifier, steps=(step,)))
    assert not needs_network(format, default=False)
    for phase in (format.verifier, format.steps[0].verifier):
        assert phase.environment is not None and not phase.environment.sandbox.network
