"""Judge a trial in a container of the tests' own, which gets nothing of the agent's but the artifacts."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Iterator
from dataclasses import replace

from evolve.core.errors import InfraError
from evolve.core.records import TrialSpec
from evolve.core.task_format import Collect, Environment, NetworkMode, TaskFormat, Variables, resolve_variables
from evolve.sandbox.artifacts import CollectedArtifacts, collected_artifacts
from evolve.sandbox.container import ROOT, Container, TaskState, container_user, separate_container
from evolve.sandbox.egress import set_network
from evolve.trial.in_place import CLEAR_SECONDS, install_tests, run_tests_in
from evolve.trial.verdict import Judgement


def run_collect_hooks(state: TaskState, task: Container) -> None:
    """Run the task's commands that save state of the agent's container. A command that fails has saved nothing.

    Raises:
        InfraError: The machine failed.
    """
    for hook in state.format.verifier.collect:
        try:
            set_network(task, state, state.networks.setup)
            _run_hook(state, task, hook)
        except InfraError:
            if not task.is_ruined():
                raise


def _run_hook(state: TaskState, task: Container, hook: Collect) -> None:
    with contextlib.closing(task.shell(container_user(hook.user, state.image), state.image.workdir)) as shell:
        shell.run(hook.command, timeout=hook.seconds)


def judge_separately(
    spec: TrialSpec, state: TaskState, task: Container, ttl: int, environment: Environment, keeps: bool = False
) -> Judgement:
    """Stop the agent's container, and judge the artifacts in a fresh container of that environment.

    Args:
        keeps: Only halt the agent's container while the artifacts are taken out of it.

    Raises:
        InfraError: The machine failed.
    """
    own = _own_state(state, environment)
    with contextlib.ExitStack() as stack:
        with task.halted() if keeps else _stopped(task):
            artifacts = stack.enter_context(collected_artifacts(task, state.format.artifacts))
        verifier = separate_container(own, ttl)
        try:
            set_network(verifier, own, own.networks.tests)
            _install_artifacts(verifier, artifacts)
            install_tests(spec.task, verifier, copied=not environment.holds_tests)
            variables = resolve_variables(state.format.verifier.env, os.environ)
            return run_tests_in(verifier, own, spec.task, variables)
        finally:
            verifier.kill()


@contextlib.contextmanager
def _stopped(task: Container) -> Iterator[None]:
    """Stop a container for good; it stays, so that the same artifacts can be judged again."""
    task.stop()
    yield


def _own_state(state: TaskState, environment: Environment) -> TaskState:
    """How the tests' own container is made: with the image and the settings of its environment."""
    image = dict(state.image.verifiers).get("", state.image)
    resolved: Variables = tuple(resolve_variables(environment.env, os.environ).items())
    format: TaskFormat = replace(state.format, environment=replace(environment, env=resolved))
    policy = state.format.verifier.network
    network = environment.sandbox.network if policy is None else policy.mode is NetworkMode.PUBLIC
    spec = replace(environment.sandbox, pids=state.spec.pids, runtime=state.spec.runtime, network=network)
    return TaskState(state.run, image, spec, state.profile, state.resources, format)


def _install_artifacts(verifier: Container, artifacts: CollectedArtifacts) -> None:
    """Put artifacts at their places; a folder of that name is emptied before. Raises InfraError."""
    folders = " ".join(map(shlex.quote, artifacts.folders))
    command = (
        f'for folder in {folders}; do mkdir -p "$folder" && cd "$folder" && rm -rf -- ./* ./.[!.]* ./..?*; done; :'
    )
    with contextlib.closing(verifier.shell(ROOT, "/")) as shell:
        shell.run(command, timeout=CLEAR_SECONDS)
    verifier.put(artifacts.archive)
