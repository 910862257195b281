"""Run a task's tests as Harbor does: as the verifier's user, in the agent's container or in a copy of it."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Mapping

from evolve.core.errors import InfraError
from evolve.core.records import Task, TrialSpec
from evolve.sandbox.container import Container, frozen_image
from evolve.sandbox.egress import NetworkFault, set_network
from evolve.sandbox.inside import ROOT
from evolve.sandbox.task_containers import copy_container, spare_container
from evolve.sandbox.task_state import TaskState
from evolve.trial.instances import packed_part
from evolve.trial.verdict import Judgement, read_judgement, untestable

CLEAR_SECONDS = 60.0
# The agent may have put files there: neither tests nor a reward of its own may meet the task's.
# A folder that is a volume stays, empty.
CLEAR_TESTS = '{ rm -rf /tests 2>/dev/null; mkdir -p /tests && [ ! -L /tests ] && [ -z "$(ls -A /tests)" ]; }'
CLEAR_REWARDS = (
    "{ rm -rf /logs/verifier 2>/dev/null; mkdir -p /logs/verifier && [ ! -L /logs/verifier ] && "
    '[ -z "$(ls -A /logs/verifier)" ] && chmod 777 /logs/verifier; }'
)
TESTS_OUTPUT = "/logs/verifier/test-stdout.txt"


def script_command(script: str, output: str) -> str:
    """The command that runs a task's script with its output in a file.

    Bash runs it, where there is one: a script without `#!` in its first line is then one for bash.
    """
    inner = f"({script}) > {output} 2>&1"
    return f"if command -v bash >/dev/null 2>&1; then exec bash -c {shlex.quote(inner)}; fi; {inner}"


def judge_in_place(spec: TrialSpec, state: TaskState, task: Container, ttl: int) -> Judgement:
    """Judge what the agent left, in its own container; if it left no room for the tests there, it is at fault.

    Raises:
        InfraError: The machine failed, or the tests can't be installed in the task's own image either.
    """
    # A fault of the machine seldom comes twice, with a success elsewhere in between.
    for prove in (_prove_testable, None):
        try:
            set_network(task, state, state.networks.tests)
            return _judge_in(spec, state, task)
        except NetworkFault:
            raise
        except InfraError:
            if not task.is_ruined():
                raise
        if prove:
            prove(spec, state, ttl)
    return untestable(task.cause())


def judge_copy(spec: TrialSpec, state: TaskState, task: Container, ttl: int) -> Judgement:
    """Kill the agent's container, and judge a copy of its file system, in which the agent may have broken everything.

    Raises:
        InfraError: As `judge_in_place`.
    """
    with frozen_image(task) as image:
        try:
            return _judge_copy(spec, state, task, ttl, image)
        except NetworkFault:
            raise
        except InfraError:
            _prove_testable(spec, state, ttl)
        try:
            return _judge_copy(spec, state, task, ttl, image)
        except NetworkFault:
            raise
        except InfraError:
            return untestable()


def _judge_copy(spec: TrialSpec, state: TaskState, task: Container, ttl: int, image: str) -> Judgement:
    copy = copy_container(state, ttl, image, task)
    try:
        set_network(copy, state, state.networks.tests)
        with state.with_door(copy, ttl):
            return _judge_in(spec, state, copy)
    finally:
        copy.kill()


def _judge_in(spec: TrialSpec, state: TaskState, container: Container) -> Judgement:
    install_tests(spec.task, container)
    return run_tests_in(container, state, spec.task, dict(state.format.verifier.env))


def _prove_testable(spec: TrialSpec, state: TaskState, ttl: int) -> None:
    """Raise InfraError if the tests can't be installed in the task's own image either."""
    spare = spare_container(state, ttl)
    try:
        install_tests(spec.task, spare)
        spare.working_shell(state.verifier_user, state.image.workdir).close()
    finally:
        spare.kill()


def install_tests(task: Task, container: Container, copied: bool = True) -> None:
    """Remove rewards, and put the task's tests into a container, which has only those then.

    Args:
        copied: False if the container's image brings its tests.

    Raises:
        InfraError: They can't be installed.
    """
    with contextlib.closing(container.shell(ROOT, "/")) as shell:
        done = shell.run(f"{CLEAR_REWARDS} && {CLEAR_TESTS}" if copied else CLEAR_REWARDS, timeout=CLEAR_SECONDS)
        if done.exit_code != 0:
            reason = done.stderr.decode(errors="replace").strip()[:200]
            raise InfraError(f"the container's folders can't be prepared for the tests: {reason}")
        if copied:
            container.put(packed_part(task, "tests"), "/tests")
        shell.run("chmod +x /tests/test.sh", timeout=CLEAR_SECONDS)


def run_tests_in(container: Container, state: TaskState, task: Task, variables: Mapping[str, str]) -> Judgement:
    """Run installed tests in a container with these variables, and read the reward. Raises InfraError."""
    shell = container.working_shell(state.verifier_user, state.image.workdir, variables)
    done = shell.run(script_command("/tests/test.sh", TESTS_OUTPUT), timeout=task.verifier_seconds)
    return read_judgement(container, shell, done, task)
