"""The verdict on what a scaffold left behind: the task's tests, in a place where nothing of the agent runs any more."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace

from evolve.core.errors import InfraError
from evolve.core.records import Cause, TrialSpec, VerifierMode
from evolve.sandbox.archive import unpack
from evolve.sandbox.container import ROOT, Container, TaskState, frozen_image, verifier_container
from evolve.sandbox.shell import ContainerShell
from evolve.trial.reward import parse_reward

DETAIL_CHARS = 2000
ANSWER_SECONDS = 10.0
# Exit status 10: a named reward; 11: a plain one; 12: none.
READ_REWARD = (
    f"cd /logs/verifier; tail -c {DETAIL_CHARS} test-stdout.txt >&2; "
    "head -c 4096 reward.json 2>/dev/null && exit 10; head -c 4096 reward.txt 2>/dev/null && exit 11; exit 12"
)
NAMED, PLAIN = 10, 11


@dataclass(frozen=True)
class Judgement:
    """The verifier's word: reward in [0, 1] and the end of its output."""

    reward: float
    detail: str
    cause: Cause = Cause.NONE


UNFIT = Judgement(0.0, "the tests could not run in the environment that the agent left")


def judge(spec: TrialSpec, state: TaskState, task: Container, ttl: int) -> Judgement:
    """The verdict on what is in the task's container now: in it, or, once it is dead, in a fresh one."""
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
    """Root may have left a file system in which nothing runs: whether the image's own is sound tells whose fault it is.

    Raises InfraError where the tests can't be made ready in that one either.
    """
    with contextlib.ExitStack() as stack:
        try:
            place = stack.enter_context(_with_tests(spec, state, ttl, image))
        except InfraError:
            with _with_tests(spec, state, ttl, state.image.image):
                pass
            try:
                place = stack.enter_context(_with_tests(spec, state, ttl, image))
            except InfraError:
                return UNFIT
        return _tested(spec, state, *place)


@contextlib.contextmanager
def _with_tests(spec: TrialSpec, state: TaskState, ttl: int, image: str) -> Iterator[tuple[Container, ContainerShell]]:
    """A verifier's container from some image, and its shell, when the tests are in it. Raises InfraError."""
    verifier = verifier_container(state, ttl, image)
    try:
        shell = verifier.main_shell()
        if shell.run(":", timeout=ANSWER_SECONDS).exit_code != 0:
            raise InfraError("the verifier's shell does not answer")
        unpack(shell, spec.task.folder / "tests", "/tests")
        yield verifier, shell
    finally:
        verifier.kill()


def _judge_live(spec: TrialSpec, state: TaskState, task: Container) -> Judgement:
    """An environment in which the agent left no room for the tests is the agent's own work."""
    try:
        return run_tests(spec, state, task, task.shell(ROOT, state.image.workdir))
    except InfraError:
        if not task.ruined():
            raise
        return replace(UNFIT, cause=task.cause())


def run_tests(spec: TrialSpec, state: TaskState, verifier: Container, shell: ContainerShell) -> Judgement:
    """Run the task's tests by a shell of the verifier's container. The tests appear only now."""
    unpack(shell, spec.task.folder / "tests", "/tests")
    return _tested(spec, state, verifier, shell)


def _tested(spec: TrialSpec, state: TaskState, verifier: Container, shell: ContainerShell) -> Judgement:
    """The reward, from tests that are in place."""
    begin = f"mkdir -p /logs/verifier /logs/agent /logs/artifacts; cd {shlex.quote(state.image.workdir)}"
    tests = "(/tests/test.sh) > /logs/verifier/test-stdout.txt 2>&1"
    if shell.run(f"{begin} && {tests}", timeout=spec.task.verifier_seconds).timed_out:
        return Judgement(0.0, "the verifier ran out of time", verifier.cause())
    found = shell.run(READ_REWARD)
    shell.close()
    output = found.stderr.decode(errors="replace")
    if found.exit_code not in (NAMED, PLAIN):
        return Judgement(0.0, output, verifier.cause())
    return Judgement(parse_reward(found.stdout, json_file=found.exit_code == NAMED), output, verifier.cause())
