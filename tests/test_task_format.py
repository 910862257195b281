"""Records of the task format: templates, sizes, and times without a limit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.core.config import UNLIMITED_SECONDS, RunConfig, TrialLimits
from evolve.core.task_format import (
    NetworkMode,
    NetworkPolicy,
    SandboxSpec,
    has_default,
    resolve_variables,
    template_name,
)
from evolve.executor.concurrency import UNSIZED_MB, WORKER_MB, trial_memory_mb


@pytest.mark.parametrize(
    ("value", "name", "default"),
    [
        ("${A}", "A", False),
        ("${A:-b}", "A", True),
        ("${A:-}", "A", True),
        ("${A:-${B}}", "A", True),
        ("x${A}", None, False),
        ("${A}x${B}", None, False),
        ("${}", None, False),
        ("$A", None, False),
    ],
)
def test_a_whole_value_may_be_a_template(value: str, name: str | None, default: bool) -> None:
    assert (template_name(value), has_default(value)) == (name, default)


def test_templates_take_the_hosts_values() -> None:
    variables = (("X", "plain"), ("A", "${A}"), ("B", "${B:-none}"), ("C", "${C:-}"))
    assert resolve_variables(variables, {"A": "1", "C": "2"}) == {"X": "plain", "A": "1", "B": "none", "C": "2"}
    with pytest.raises(KeyError):
        resolve_variables((("A", "${A}"),), {})


@given(st.text(max_size=20))
def test_a_value_that_is_no_template_stays(value: str) -> None:
    if template_name(value) is None:
        assert resolve_variables((("X", value),), {}) == {"X": value}


def test_a_size_may_be_the_machines_but_a_scaffolds_may_not() -> None:
    unsized = SandboxSpec(None, None, disk_mb=None)
    assert trial_memory_mb(SandboxSpec(), [unsized]) == 512 + 2 * UNSIZED_MB + WORKER_MB
    with pytest.raises(ValueError, match="a scaffold's container has a size"):
        RunConfig(sandbox=unsized)


def test_a_tasks_processes_are_its_own_unless_the_run_says_otherwise() -> None:
    asked = SandboxSpec(pids=4096)
    assert RunConfig().task_sandbox(asked).pids == 4096
    assert RunConfig(sandbox=SandboxSpec(pids=512)).task_sandbox(asked).pids == 512


def test_an_agent_without_a_limit_has_a_day_or_what_the_run_says() -> None:
    assert TrialLimits().for_task(None).seconds == UNLIMITED_SECONDS
    assert TrialLimits(seconds=60).for_task(None).seconds == 60
    assert TrialLimits().for_task(12_000).seconds == 12_000


def test_only_an_allowlist_names_hosts() -> None:
    assert NetworkPolicy(NetworkMode.ALLOWLIST, ("a.example",)).allowed_hosts
    with pytest.raises(ValueError, match="only an allowlist"):
        NetworkPolicy(NetworkMode.PUBLIC, ("a.example",))
