"""One trial: a function from a picklable description to a picklable result, with no shared state."""

from __future__ import annotations

import contextlib
import json
import math
import tempfile
import time
import traceback
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from evolve import trajectory
from evolve.errors import EvolveError, InfraError, RequestRefused
from evolve.gateway import Door, Gateway
from evolve.llm import ChatModel, open_model
from evolve.records import Cause, Outcome, Profile, StoredFile, TrialResult, TrialSpec, Usage, VerifierMode
from evolve.sandbox.container import (
    PRISTINE,
    ROOT,
    TESTS_TMPFS,
    Container,
    TaskState,
    frozen_image,
    scaffold_process,
    task_container,
    unpack,
    verifier_container,
)
from evolve.sandbox.engine import temporary_prefix
from evolve.sandbox.shell import Shell

SPARE_SECONDS = 120
DETAIL_CHARS = 2000
SOLUTION_TMPFS = {"/solution": "rw,exec,nosuid,nodev,size=32m,mode=0777"}
SAID_OF = {Cause.OOM: "ran out of memory", Cause.PIDS: "had too many processes"}


@dataclass(frozen=True)
class Ending:
    """How the scaffold's part ended: exit status (None: killed at its time limit), log, spent, exhausted limit.

    `causes`: the containers' limits that were met, by the container's name.
    """

    status: int | None
    log: str
    usage: Usage
    exhausted: str
    events: tuple[Mapping[str, Any], ...]
    causes: Mapping[str, Cause] = field(default_factory=dict)


@dataclass(frozen=True)
class Judgement:
    """The verifier's word: reward in [0, 1] and the end of its output."""

    reward: float
    detail: str
    cause: Cause = Cause.NONE


class ChargedFault(InfraError):
    """A fault of the machine in mid-trial, with what the trial had spent by then."""

    def __init__(self, problem: str, usage: Usage) -> None:
        super().__init__(problem)
        self.usage = usage


class RecordedModel:
    """Answers from a recording, in order, for an offline replay."""

    def __init__(self, events: list[dict[str, Any]]) -> None:
        self._answers = iter([event for event in events if event["kind"] == "chat"])

    def complete(self, body: Mapping[str, Any], seconds: float | None = None) -> dict[str, Any]:
        event = next(self._answers, None)
        if event is None:
            raise RequestRefused(400, "replay_ended", "the recording holds no further answer")
        if "response" not in event:
            error = event["error"]
            raise RequestRefused(error["status"], error["code"], error["message"])
        response: dict[str, Any] = event["response"]
        return response


def run_trial(spec: TrialSpec) -> TrialResult:
    """Run one trial to its end. A failing scaffold is an outcome; a fault of the machine is `infra_error`."""
    started, clock = datetime.now(UTC).isoformat(timespec="seconds"), time.monotonic()
    files: tuple[StoredFile | None, StoredFile | None] = (None, None)
    usage, cause = Usage(), Cause.NONE
    try:
        model = _model(spec)
        ending, judgement = _perform(spec, model)
        files = _store(spec, ending)
        outcome, reward, detail = _outcome(ending, judgement)
        cause, detail = _cause(outcome, ending, judgement, detail[-DETAIL_CHARS:])
        usage = ending.usage
    except ChargedFault as error:
        outcome, reward, detail, usage = Outcome.INFRA_ERROR, None, str(error), error.usage
    except EvolveError as error:
        outcome, reward, detail = Outcome.INFRA_ERROR, None, str(error)
    except Exception:
        outcome, reward, detail = Outcome.INFRA_ERROR, None, traceback.format_exc()
    return TrialResult(
        candidate=spec.candidate,
        task=spec.task.name,
        split=spec.task.split,
        attempt=spec.attempt,
        seed=spec.seed,
        outcome=outcome,
        reward=reward,
        usage=usage,
        started_at=started,
        seconds=round(time.monotonic() - clock, 3),
        detail=detail[-DETAIL_CHARS:],
        trajectory=files[0],
        recording=files[1],
        cause=cause,
        verifier=spec.task.verifier,
    )


def _model(spec: TrialSpec) -> ChatModel:
    return open_model(spec.model) if spec.replay_of is None else RecordedModel(trajectory.load(spec.replay_of))


def _perform(spec: TrialSpec, model: ChatModel) -> tuple[Ending, Judgement | None]:
    """The three zones in turn: the task and the scaffold together; then, with both dead, the verifier."""
    ttl = int(spec.limits.seconds + spec.task.verifier_seconds) + SPARE_SECONDS
    if spec.task.profile is Profile.LOOSE or spec.task.verifier is VerifierMode.LIVE:
        return _perform_unprepared(spec, model, ttl)
    with sandboxes(spec, ttl) as (state, task), ThreadPoolExecutor(1) as beside:
        shell = populated_shell(task, state)
        verifier = beside.submit(verifier_container, state, ttl)
        try:
            ending = _act(spec, model, shell, ttl)
            shell.close()
            ending = replace(ending, causes={**ending.causes, "task": task.cause()})
            holder = verifier.result()  # the state lives only as long as some container has it mounted
            task.kill()
            return ending, judge(spec, state, holder) if ending.status == 0 else None
        finally:
            _kill_when_started(verifier)


def _perform_unprepared(spec: TrialSpec, model: ChatModel, ttl: int) -> tuple[Ending, Judgement | None]:
    """Where no verifier can be made ready beforehand: it needs the agent's file system, or its very container."""
    with sandboxes(spec, ttl) as (state, task):
        shell = populated_shell(task, state)
        ending = _act(spec, model, shell, ttl)
        shell.close()
        ending = replace(ending, causes={**ending.causes, "task": task.cause()})
        return ending, judged(spec, state, task, ttl) if ending.status == 0 else None


def judged(spec: TrialSpec, state: TaskState, task: Container, ttl: int) -> Judgement:
    """The verdict on what is in the task's container now: in it, or, once it is dead, in a fresh one."""
    if spec.task.verifier is VerifierMode.LIVE:
        return _judge_live(spec, state, task)
    with contextlib.ExitStack() as stack:
        image = stack.enter_context(frozen_image(task)) if state.loose else None
        verifier = verifier_container(state, ttl, image)
        stack.callback(verifier.kill)
        task.kill()
        return judge(spec, state, verifier)


def _judge_live(spec: TrialSpec, state: TaskState, task: Container) -> Judgement:
    """An environment in which the agent left no room for the tests is the agent's own work."""
    try:
        return judge(spec, state, task)
    except InfraError:
        if not task.ruined():
            raise
        return Judgement(0.0, "the tests could not run in the environment that the agent left", task.cause())


@contextlib.contextmanager
def sandboxes(spec: TrialSpec, ttl: int) -> Iterator[tuple[TaskState, Container]]:
    """The state's volume and the task's container, gone at the end whatever happens."""
    state = TaskState(spec.owner, spec.image, spec.task.sandbox, spec.task.profile)
    live = TESTS_TMPFS if spec.task.verifier is VerifierMode.LIVE else {}
    task = task_container(state, ttl, SOLUTION_TMPFS | live)
    try:
        yield state, task
    finally:
        task.kill()
        state.remove()


def _kill_when_started(verifier: Future[Container]) -> None:
    if verifier.exception() is None:
        verifier.result().kill()


def populated_shell(task: Container, state: TaskState) -> Shell:
    """A shell for the agent's commands, in a working directory that is as the image has it."""
    shell = task.shell(state.user, state.image.workdir)
    if state.loose:
        return shell
    done = shell.run(f"cp -R {PRISTINE}/. .", timeout=60)
    if done.exit_code != 0:
        raise InfraError(f"the working directory could not be filled: {done.stderr.decode(errors='replace')[:300]}")
    return shell


def _act(spec: TrialSpec, model: ChatModel, shell: Shell, ttl: int) -> Ending:
    """The scaffold at work, behind its gateway."""
    door = Door(spec.task_id, spec.task.instruction, spec.image.workdir, spec.seed, spec.model, spec.limits)
    with tempfile.TemporaryDirectory(prefix=temporary_prefix(spec.owner)) as name:
        folder = Path(name)
        folder.chmod(0o711)
        with Gateway(door, model, shell, folder) as gateway:
            process = scaffold_process(
                spec.owner,
                spec.scaffold.image,
                spec.scaffold.folder,
                spec.scaffold.entry,
                folder,
                spec.sandbox,
                ttl,
            )
            try:
                status = process.wait(spec.limits.seconds)
                cause = process.cause(status)
            finally:
                process.kill()
        if gateway.fault is not None:
            raise ChargedFault(str(gateway.fault), gateway.ledger.usage)
        log = process.output.decode(errors="replace")
        ledger, causes = gateway.ledger, {"scaffold": cause}
        return Ending(status, log, ledger.usage, ledger.exhausted, tuple(gateway.events), causes)


def judge(spec: TrialSpec, state: TaskState, verifier: Container) -> Judgement:
    """Run the task's tests in the verifier's container, on the frozen state. The tests appear only now."""
    shell = verifier.shell(ROOT, state.image.workdir)
    shell.run("mkdir -p /logs/verifier /logs/agent /logs/artifacts")
    unpack(shell, spec.task.folder / "tests", "/tests")
    done = shell.run("(/tests/test.sh) > /logs/verifier/test-stdout.txt 2>&1", timeout=spec.task.verifier_seconds)
    if done.timed_out:
        return Judgement(0.0, "the verifier ran out of time", verifier.cause())
    output = shell.run(f"tail -c {DETAIL_CHARS} /logs/verifier/test-stdout.txt").stdout.decode(errors="replace")
    named = shell.run("head -c 4096 /logs/verifier/reward.json", timeout=30)
    plain = shell.run("head -c 4096 /logs/verifier/reward.txt", timeout=30)
    shell.close()
    if named.exit_code == 0:
        return Judgement(_reward_of(named.stdout, json_file=True), output, verifier.cause())
    reward = _reward_of(plain.stdout, json_file=False) if plain.exit_code == 0 else 0.0
    return Judgement(reward, output, verifier.cause())


def _reward_of(text: bytes, json_file: bool) -> float:
    """A reward file's number, held to [0, 1]; anything else is 0."""
    try:
        value = json.loads(text)
    except ValueError:
        return 0.0
    if json_file and isinstance(value, dict):
        numbers = [v for v in value.values() if isinstance(v, int | float)]
        value = value.get("reward", sum(numbers) / len(numbers) if numbers else 0.0)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return 0.0
    return min(max(float(value), 0.0), 1.0)


def _outcome(ending: Ending, judgement: Judgement | None) -> tuple[Outcome, float, str]:
    """What the trial came to. Only a scaffold that ended by itself, with status 0, is judged."""
    if judgement is not None and judgement.reward >= 1.0:
        return Outcome.PASSED, 1.0, ""
    if ending.status is None:
        return Outcome.TIMEOUT, 0.0, "killed at the time limit"
    reward = judgement.reward if judgement else 0.0
    if ending.exhausted:
        return Outcome.BUDGET, reward, f"the budget of {ending.exhausted} was spent"
    if judgement is None:
        return Outcome.SCAFFOLD_ERROR, 0.0, f"exit status {ending.status}: {ending.log}"
    return Outcome.FAILED, reward, judgement.detail


def _cause(outcome: Outcome, ending: Ending, judgement: Judgement | None, detail: str) -> tuple[Cause, str]:
    """Which container's limit was met in a trial that did not pass, and the detail with a word about it in front."""
    causes = {**ending.causes, "verifier": judgement.cause if judgement else Cause.NONE}
    met = {where: cause for where, cause in causes.items() if cause is not Cause.NONE}
    if outcome is Outcome.PASSED or not met:
        return Cause.NONE, detail
    words = "; ".join(f"the {where}'s container {SAID_OF[cause]}" for where, cause in met.items())
    return next(iter(met.values())), f"{words}; {detail[-(DETAIL_CHARS - len(words) - 2) :]}"


def _store(spec: TrialSpec, ending: Ending) -> tuple[StoredFile, StoredFile]:
    folder, root = spec.folder / "trials", spec.folder.parent
    document = trajectory.build(spec, ending.events, ending.usage, ending.log)
    return (
        trajectory.store(folder / f"{spec.key}.trajectory.json.gz", root, [document]),
        trajectory.store(folder / f"{spec.key}.recording.jsonl.gz", root, ending.events),
    )
