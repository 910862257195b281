"""Agents in the containers of tasks with Harbor's defaults: shared verifiers, steps, and tools of their own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from evolve.core.errors import BadInput
from evolve.core.launch import Launch, Place
from evolve.core.records import Outcome, SandboxSpec, ScaffoldSource, TrialResult, TrialSpec
from evolve.sandbox import engine
from evolve.sandbox.agent_images import image_with_tools
from evolve.sandbox.build_context import pack_dockerfile
from evolve.sandbox.image_store import build
from evolve.sandbox.scaffold_images import pinned_tools
from evolve.trial import trajectory
from evolve.trial.run import run_trial

from .harbor_tasks import DOCKERFILE, IS_OK, NONE_LEFT, Small, with_scaffold
from .test_steps import two_steps

pytestmark = pytest.mark.docker
# Other processes may run tests of this file.
TOOLS = f"evolve/scaffold:tests-tools-{os.getpid()}"


@pytest.fixture(scope="module")
def tools(base: str) -> Iterator[str]:
    """An image with a tool of an agent's."""
    say = "/opt/agent/bin/say"
    text = f"FROM {base}\nRUN mkdir -p /opt/agent/bin && printf '#!/bin/sh\\necho ok\\n' > {say} && chmod 755 {say}\n"
    with pack_dockerfile(text) as context:
        build(context, TOOLS, {}, 60)
    yield TOOLS
    engine.connect().api.remove_image(TOOLS, force=True)


def agent(spec: TrialSpec, script: str, tools: str = "") -> TrialSpec:
    """The trial of a shell script in the task's container."""
    with_scaffold(spec, script)
    launch = Launch(Place.TASK, ("sh", "/scaffold/main.py", "{instruction}"))
    source = ScaffoldSource(spec.scaffold.folder, "", spec.scaffold.image, launch, tools)
    return replace(spec, scaffold=source, sandbox=SandboxSpec(memory_mb=128))


def changes(spec: TrialSpec, result: TrialResult) -> dict[str, str]:
    assert result.recording
    event = trajectory.load(spec.folder.parent / result.recording.path)[-1]
    return {row["path"]: row["change"] for row in event["changes"]}


def test_what_it_leaves_is_judged_where_it_is(tmp_path: Path, base: str, swept: str) -> None:
    small = Small(dockerfile=DOCKERFILE + "RUN echo x > old; echo y > gone\n")
    spec = agent(
        small.spec(tmp_path / "task", base, swept), "[ $(id -u) = 0 ] && echo ok > out; echo z >> old; rm gone"
    )
    result = run_trial(spec)
    assert (result.outcome, result.reward) == (Outcome.PASSED, 1.0), result.detail
    assert changes(spec, result) == {"out": "added", "old": "modified", "gone": "deleted"}


def test_its_processes_end_before_the_tests_and_its_services_stay(tmp_path: Path, base: str, swept: str) -> None:
    small = Small(f"{NONE_LEFT} && cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -q 'sleep 8[8]' && {IS_OK}")
    script = "sleep 99 & (sleep 99 &) ; setsid sleep 88 & echo ok > out"
    result = run_trial(agent(small.spec(tmp_path / "task", base, swept), script))
    assert result.outcome is Outcome.PASSED, result.detail


def test_it_runs_anew_on_each_step(tmp_path: Path, base: str, swept: str) -> None:
    script = 'word=$(echo "$1" | cut -d" " -f2 | tr -d .); echo $word >> out; ! ls /tests /solution 2>/dev/null'
    spec = agent(two_steps().spec(tmp_path / "task", base, swept), script)
    result = run_trial(spec)
    assert (result.outcome, result.reward) == (Outcome.PASSED, 1.0), result.detail
    assert result.recording
    kinds = [event["kind"] for event in trajectory.load(spec.folder.parent / result.recording.path)]
    assert kinds == ["state", "state"]


def test_its_tools_are_in_its_container_alone(tmp_path: Path, base: str, swept: str, tools: str) -> None:
    separate = "[verifier.environment]\n"
    small = Small("[ ! -e /opt/agent ] && grep -q ok /app/out", toml='artifacts = ["/app/out"]\n' + separate)
    spec = small.spec(tmp_path / "task", base, swept)
    result = run_trial(agent(spec, "/opt/agent/bin/say > out", tools))
    assert result.outcome is Outcome.PASSED, result.detail
    name = image_with_tools(spec.image.image, tools, "/opt/agent")
    assert name.startswith(f"{spec.image.image}-agent-")


def test_an_image_without_the_tools_is_refused(base: str, swept: str, tools: str) -> None:
    assert pinned_tools(tools, swept, "/opt/agent").startswith("sha256:")
    with pytest.raises(BadInput, match="has no folder /opt/other"):
        pinned_tools(tools, swept, "/opt/other")
