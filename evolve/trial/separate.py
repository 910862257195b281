"""Judge a trial in a container of the tests' own, which gets nothing of the agent's but the artifacts."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Iterator
from dataclasses import replace

from evolve.core.errors import InfraError
from evolve.core.records import TaskImage, TrialSpec
from evolve.core.task_format import Collect, Environment, NetworkMode, TaskFormat, Variables, resolve_variables
from evolve.sandbox.artifacts import CollectedArtifacts, collected_artifacts
from evolve.sandbox.container import Container
from evolve.sandbox.egress import NetworkFault, set_network
from evolve.sandbox.image_store import working_directory
from evolve.sandbox.inside import ROOT
from evolve.sandbox.services import environment_container
from evolve.sandbox.task_containers import separate_container
from evolve.sandbox.task_state import TaskState, container_user
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
            _run_hook(state, task.service(hook.service), hook)
        except NetworkFault:
            raise
        except InfraError:
            if not task.is_ruined():
                raise


def _run_hook(state: TaskState, task: Container, hook: Collect) -> None:
    """Run a command in the agent's container, or in a service's, where it has that one's user and folder."""
    image = dict(state.image.services).get(hook.service, state.image)
    with contextlib.closing(task.shell(container_user(hook.user, image), image.workdir)) as shell:
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
    with contextlib.ExitStack() as stack:
        with task.halted() if keeps else _stopped(task):
            artifacts = stack.enter_context(collected_artifacts(task, state.format.artifacts))
        return judge_artifacts(spec, state, artifacts, ttl, environment)


def judge_artifacts(
    spec: TrialSpec, state: TaskState, artifacts: CollectedArtifacts, ttl: int, environment: Environment
) -> Judgement:
    """Judge artifacts in a fresh container of that environment. Raises InfraError."""
    own = _own_state(state, environment)
    verifier = _verifier(own, ttl)
    try:
        set_network(verifier, own, own.networks.tests)
        _install_artifacts(verifier, artifacts)
        install_tests(spec.task, verifier, copied=not environment.holds_tests)
        variables = resolve_variables(state.format.verifier.env, os.environ)
        with own.with_door(verifier, ttl):
            return run_tests_in(verifier, own, spec.task, variables)
    finally:
        verifier.kill()


def _verifier(own: TaskState, ttl: int) -> Container:
    """The tests' own container, with the services of its compose file."""
    if own.format.environment.composition is None:
        return separate_container(own, ttl)
    return environment_container(own, ttl, kind="verifier")


@contextlib.contextmanager
def _stopped(task: Container) -> Iterator[None]:
    """Stop a container for good; it stays, so that the same artifacts can be judged again."""
    task.stop()
    yield


def _own_state(state: TaskState, environment: Environment) -> TaskState:
    """How the tests' own container is made: with the image and the settings of its environment."""
    image = dict(state.image.verifiers).get("") or _in_folder_of(state.image, state.format.environment, environment)
    resolved: Variables = tuple(resolve_variables(environment.env, os.environ).items())
    policy = state.format.verifier.network or environment.network
    settled = replace(environment, env=resolved, network=policy)
    # The network of its container is that of the tests, whatever other phases have.
    agent, verifier = replace(state.format.agent, network=None), replace(state.format.verifier, network=None)
    format: TaskFormat = replace(state.format, environment=settled, agent=agent, verifier=verifier, steps=())
    asked = state.format.verifier.network is not None
    network = policy.mode is NetworkMode.PUBLIC if asked else environment.sandbox.network
    spec = replace(environment.sandbox, pids=state.spec.pids, runtime=state.spec.runtime, network=network)
    own = TaskState(state.run, image, spec, state.profile, state.resources, format)
    own.door = state.door
    return own


def _in_folder_of(image: TaskImage, task: Environment, tests: Environment) -> TaskImage:
    """The task's image, with the working directory that the tests' environment has in it. Raises InfraError."""
    if tests.workdir == task.workdir:
        return image
    return replace(image, workdir=tests.workdir or working_directory(image.image))


def _install_artifacts(verifier: Container, artifacts: CollectedArtifacts) -> None:
    """Put artifacts at their places; a folder of that name is emptied before. Raises InfraError."""
    folders = " ".join(map(shlex.quote, artifacts.folders))
    command = (
        f'for folder in {folders}; do mkdir -p "$folder" && cd "$folder" && rm -rf -- ./* ./.[!.]* ./..?*; done; :'
    )
    with contextlib.closing(verifier.shell(ROOT, "/")) as shell:
        shell.run(command, timeout=CLEAR_SECONDS)
    verifier.put(artifacts.archive)
