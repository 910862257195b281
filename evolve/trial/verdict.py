"""Judge what a scaffold left behind: run the task's tests where no process of the agent runs any more."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace

from evolve.core.errors import InfraError
from evolve.core.records import Cause, Task, TrialSpec, VerifierMode
from evolve.core.reward_scale import RewardScale
from evolve.sandbox.archive import unpack_archive
from evolve.sandbox.container import Container, frozen_image
from evolve.sandbox.egress import NetworkFault, set_network
from evolve.sandbox.exit_cause import SIGNALLED
from evolve.sandbox.inside import ROOT
from evolve.sandbox.shell import CommandResult, ContainerShell
from evolve.sandbox.task_containers import verifier_container
from evolve.sandbox.task_state import TaskState
from evolve.trial.instances import packed_part
from evolve.trial.reward import MAX_REWARD_BYTES, NoReward, Reward, Ungraded, parse_reward

DETAIL_CHARS = 2000
ANSWER_SECONDS = 10.0
# A shell's output is cut beyond KEEP_BYTES, so a file is read in chunks.
CHUNK_BYTES = 50_000
# Exit status 10: reward.json, whose first chunk is printed; 11: reward.txt; 12: no reward.
READ_REWARD = (
    f"cd /logs/verifier; tail -c {DETAIL_CHARS} test-stdout.txt >&2; "
    f"[ -e reward.json ] && head -c {CHUNK_BYTES} reward.json 2>/dev/null && exit 10; "
    f"head -c {CHUNK_BYTES} reward.txt 2>/dev/null && exit 11; exit 12"
)
# Git before 2.38 reads this in files of the user's alone.
TRUST_REPOSITORIES = "printf '[safe]\\n\\tdirectory = *\\n' >\"$HOME/.gitconfig\""
JSON_REWARD, TEXT_REWARD, NO_REWARD = 10, 11, 12
REWARD_FILES = {JSON_REWARD: "reward.json", TEXT_REWARD: "reward.txt"}


@dataclass(frozen=True)
class Judgement:
    """The verifier's result.

    Attributes:
        grade: A reward in [0, 1], or why there is none.
        output: The end of what the tests printed.
    """

    grade: Reward | NoReward
    output: str
    cause: Cause = Cause.NONE

    @property
    def reward(self) -> float:
        """The reward that counts: 0 if there is none."""
        return self.grade.value if isinstance(self.grade, Reward) else 0.0

    @property
    def detail(self) -> str:
        """Why there is no reward, and the end of what the tests printed."""
        if isinstance(self.grade, Reward):
            return self.output
        return "; ".join(filter(None, (self.grade.text, self.output)))


def checked(state: TaskState, judgement: Judgement) -> Judgement:
    """The judgement, unless the tests could not ask what they need: then whatever they wrote is no reward.

    Raises:
        EvolveError: The machine failed behind the trial's door for tests.
    """
    door = state.door
    if door is not None and door.fault is not None:
        raise door.fault
    if door is not None and door.spent:
        why = f"the grader's budget of {door.spent} is spent"
        return replace(judgement, grade=NoReward(Ungraded.BUDGET, why))
    return judgement


def untestable(cause: Cause = Cause.NONE) -> Judgement:
    """The judgement on an environment that the agent made unfit for the tests."""
    return Judgement(Reward(0.0, 0.0), "the tests could not run in the environment that the agent left", cause)


def judge(spec: TrialSpec, state: TaskState, task: Container, ttl: int) -> Judgement:
    """Judge the current state of the task's container: in that container, or, after killing it, in a fresh one."""
    if spec.task.verifier is VerifierMode.LIVE:
        return _judge_live(spec, state, task)
    if not state.loose:
        verifier = verifier_container(state, ttl)
        try:
            task.kill()
            with state.with_door(verifier, ttl):
                return run_tests(spec, state, verifier, verifier.main_shell())
        finally:
            verifier.kill()
    with frozen_image(task) as image:
        task.kill()
        return judge_image(spec, state, ttl, image)


def judge_image(spec: TrialSpec, state: TaskState, ttl: int, image: str) -> Judgement:
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
                return untestable()
        with state.with_door(container_and_shell[0], ttl):
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
    except NetworkFault:
        raise
    except InfraError:
        if not task.is_ruined():
            raise
        return untestable(task.cause())


def run_tests(spec: TrialSpec, state: TaskState, verifier: Container, shell: ContainerShell) -> Judgement:
    """Install and run the task's tests in the verifier's container; they are not there before."""
    unpack_archive(shell, packed_part(spec.task, "tests"), "/tests")
    return _run_installed_tests(spec, state, verifier, shell)


def _run_installed_tests(spec: TrialSpec, state: TaskState, verifier: Container, shell: ContainerShell) -> Judgement:
    """Run installed tests and read the reward."""
    set_network(verifier, state, state.networks.tests)
    folders = "mkdir -p /logs/verifier /logs/agent /logs/artifacts"
    git = "" if state.loose or spec.task.verifier is VerifierMode.LIVE else f"{TRUST_REPOSITORIES}; "
    prepare = f"{folders}; {git}cd {shlex.quote(state.image.workdir)}"
    tests = "(/tests/test.sh) > /logs/verifier/test-stdout.txt 2>&1"
    done = shell.run(f"{prepare} && {tests}", timeout=spec.task.verifier_seconds)
    return read_judgement(verifier, shell, done, spec.task)


def read_judgement(verifier: Container, shell: ContainerShell, done: CommandResult, task: Task) -> Judgement:
    """Read what the tests wrote, and close the shell. `done`: how the tests of the task ended."""
    if done.timed_out:
        limit = f"the tests ran for over {task.verifier_seconds:g} seconds"
        return Judgement(NoReward(Ungraded.TIMEOUT, limit), "", verifier.cause())
    first = shell.run(READ_REWARD)
    grade = _read_grade(shell, first, done.exit_code, task.scale)
    if isinstance(grade, Reward):  # otherwise its container goes on, and keeps the state for another grading
        shell.close()
    return Judgement(grade, first.stderr.decode(errors="replace"), verifier.cause())


def _read_grade(shell: ContainerShell, first: CommandResult, status: int, scale: RewardScale) -> Reward | NoReward:
    """The grade that the tests wrote; `first`: the result of READ_REWARD; `status`: the tests' exit status."""
    if first.exit_code == NO_REWARD:
        why = Ungraded.CRASHED if status > SIGNALLED else Ungraded.MISSING
        return NoReward(why, f"the tests wrote no reward (exit status {status})")
    if (file := REWARD_FILES.get(first.exit_code)) is None:
        return NoReward(Ungraded.CRASHED, f"the tests' container does not answer (exit status {first.exit_code})")
    content, number = first.stdout, 1
    while len(content) == number * CHUNK_BYTES <= MAX_REWARD_BYTES:
        chunk = f"dd if=/logs/verifier/{file} bs={CHUNK_BYTES} skip={number} count=1 status=none"
        content, number = content + shell.run(chunk).stdout, number + 1
    return parse_reward(content, first.exit_code == JSON_REWARD, scale)
