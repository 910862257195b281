"""Judge what a scaffold left behind: run the task's tests where no process of the agent runs any more."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace

from evolve.core.errors import InfraError
from evolve.core.records import Cause, TrialSpec, VerifierMode
from evolve.sandbox.archive import unpack_archive
from evolve.sandbox.container import ROOT, Container, TaskState, frozen_image, verifier_container
from evolve.sandbox.shell import ContainerShell
from evolve.trial.instances import packed_part
from evolve.trial.reward import parse_reward

DETAIL_CHARS = 2000
ANSWER_SECONDS = 10.0
# Exit status 10: reward.json; 11: reward.txt; 12: no reward.
READ_REWARD = (
    f"cd /logs/verifier; tail -c {DETAIL_CHARS} test-stdout.txt >&2; "
    "head -c 4096 reward.json 2>/dev/null && exit 10; head -c 4096 reward.txt 2>/dev/null && exit 11; exit 12"
)
JSON_REWARD, TEXT_REWARD = 10, 11


@dataclass(frozen=True)
class Judgement:
    """The verifier's result: a reward in [0, 1] and the end of its output."""

    reward: float
    detail: str
    cause: Cause = Cause.NONE


UNTESTABLE = Judgement(0.0, "the tests could not run in the environment that the agent left")


def judge(spec: TrialSpec, state: TaskState, task: Container, ttl: int) -> Judgement:
    """Judge the current state of the task's container: in that container, or, after killing it, in a fresh one."""
    if spec.task.verifier is VerifierMode.LIVE:
        return _judge_live(spec, state, task)
    if not state.loose:
        verifier = verifier_container(state, ttl)
        try:
            task.kill()
            return run_tests(spec, state, verifier, verifier.main_shell())
        finally:
            verifier.kill()
    with frozen_image(task) as image:
        task.kill()
        return _judge_frozen(spec, state, ttl, image)


def _judge_frozen(spec: TrialSpec, state: TaskState, ttl: int, image: str) -> Judgement:
    """Judge a snapshot of the agent's file system, in which root may have broken everything.

    If the tests cannot be installed in it but can in the task's own image, the agent is at fault. Raises InfraError if
    they cannot be installed in that image either.
    """
    with contextlib.ExitStack() as stack:
        try:
            container_and_shell = stack.enter_context(_with_tests(spec, state, ttl, image))
        except InfraError:
            with _with_tests(spec, state, ttl, state.image.image):
                pass
            try:
                container_and_shell = stack.enter_context(_with_tests(spec, state, ttl, image))
            except InfraError:
                return UNTESTABLE
        return _run_installed_tests(spec, state, *container_and_shell)


@contextlib.contextmanager
def _with_tests(spec: TrialSpec, state: TaskState, ttl: int, image: str) -> Iterator[tuple[Container, ContainerShell]]:
    """Start a verifier's container from an image, install the tests, and yield it with its shell. Raises InfraError."""
    verifier = verifier_container(state, ttl, image)
    try:
        shell = verifier.main_shell()
        if shell.run(":", timeout=ANSWER_SECONDS).exit_code != 0:
            raise InfraError("the verifier's shell does not answer")
        unpack_archive(shell, packed_part(spec.task, "tests"), "/tests")
        yield verifier, shell
    finally:
        verifier.kill()


def _judge_live(spec: TrialSpec, state: TaskState, task: Container) -> Judgement:
    """Judge in the task's own container; if the agent left no room for the tests there, it is at fault."""
    try:
        return run_tests(spec, state, task, task.shell(ROOT, state.image.workdir, state.verifier_variables))
    except InfraError:
        if not task.is_ruined():
            raise
        return replace(UNTESTABLE, cause=task.cause())


def run_tests(spec: TrialSpec, state: TaskState, verifier: Container, shell: ContainerShell) -> Judgement:
    """Install and run the task's tests in the verifier's container; they are not there before."""
    unpack_archive(shell, packed_part(spec.task, "tests"), "/tests")
    return _run_installed_tests(spec, state, verifier, shell)


def _run_installed_tests(spec: TrialSpec, state: TaskState, verifier: Container, shell: ContainerShell) -> Judgement:
    """Run installed tests and read the reward."""
    prepare = f"mkdir -p /logs/verifier /logs/agent /logs/artifacts; cd {shlex.quote(state.image.workdir)}"
    tests = "(/tests/test.sh) > /logs/verifier/test-stdout.txt 2>&1"
    if shell.run(f"{prepare} && {tests}", timeout=spec.task.verifier_seconds).timed_out:
        return Judgement(0.0, "the verifier ran out of time", verifier.cause())
    reward = shell.run(READ_REWARD)
    shell.close()
    output = reward.stderr.decode(errors="replace")
    if reward.exit_code not in (JSON_REWARD, TEXT_REWARD):
        return Judgement(0.0, output, verifier.cause())
    return Judgement(parse_reward(reward.stdout, json_file=reward.exit_code == JSON_REWARD), output, verifier.cause())
