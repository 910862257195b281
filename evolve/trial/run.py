"""Run one trial: a function from a picklable description to a picklable result, with no shared state."""

from __future__ import annotations

import contextlib
import functools
import secrets
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from evolve.budget.answers import Answers, answers_of
from evolve.budget.ledger import SpendingFile
from evolve.budget.metered import Metered
from evolve.core.errors import EvolveError, HostRefused, InfraError
from evolve.core.records import (
    Cause,
    Fault,
    Outcome,
    StoredFile,
    Task,
    TrialResult,
    TrialSpec,
    Usage,
    VerifierMode,
    stable_hash,
)
from evolve.core.reward_scale import RewardScale
from evolve.host import disk
from evolve.llm import ChatModel, open_model
from evolve.sandbox.archive import pack_files, unpack_archive
from evolve.sandbox.cleanup import Crew, LateShell, reaper
from evolve.sandbox.container import (
    PRISTINE,
    TESTS_TMPFS,
    Container,
    ScaffoldProcess,
    TaskState,
    scaffold_process,
    task_container,
    verifier_container,
)
from evolve.sandbox.egress import set_network
from evolve.sandbox.images import image_id
from evolve.sandbox.resources import TrialResources, acquire_resources
from evolve.sandbox.sessions import end_sessions
from evolve.sandbox.shell import ContainerShell
from evolve.trial import trajectory
from evolve.trial.conditions import condition_of
from evolve.trial.gateway import Door, Gateway, Workspace, longest_delay
from evolve.trial.health import longest_check, wait_until_healthy
from evolve.trial.instances import with_instance
from evolve.trial.judging import judge_state
from evolve.trial.keeping import keep_state
from evolve.trial.recorded import RecordedModel
from evolve.trial.reward import Numbers, recorded_numbers
from evolve.trial.settling import Grade, Settled, settle
from evolve.trial.states import GradableState, PassingState, left_state
from evolve.trial.steps import play_steps, step_limits, total_seconds
from evolve.trial.untouched import remembered_grade
from evolve.trial.verdict import DETAIL_CHARS, Judgement

SPARE_SECONDS = 120
# How long a scaffold may take to exit after its last call was refused because its time is over.
PARTING_SECONDS = 0.5
# How often the time that is left is looked at: what other requests do meanwhile may shorten it.
LOOK_SECONDS = 1.0
# An endpoint that fails a third of a trial's tries fails all of the first eight in one of 6,561.
MAX_VOIDED_TRIES = 8
# An endpoint that answered within the two minutes before may only have refused by its limits per minute.
OUTAGE_SECONDS = 120.0
SOLUTION_TMPFS = {"/solution": "rw,exec,nosuid,nodev,size=32m,mode=0777"}
# Files keep their times, so that a replay lists the same ones; where `cp` has no such option, `-p` keeps modes too.
FILL = f"cp -R --preserve=timestamps {PRISTINE}/. . 2>/dev/null || cp -R -p {PRISTINE}/. ."
CAUSE_TEXTS = {Cause.OOM: "ran out of memory", Cause.PIDS: "had too many processes"}


@dataclass(frozen=True)
class ScaffoldEnd:
    """How the scaffold ended.

    status: exit status; None if it was killed at its time limit; exhausted: the trial limit that was reached, or "";
    causes: the container limits that were reached, by the container's name; images: the ids of the scaffold's image and
    the task's, if they were looked up; refusals: how many requests the gateway refused, by code.
    """

    status: int | None
    log: str
    usage: Usage
    exhausted: str
    events: Sequence[Mapping[str, Any]]
    causes: Mapping[str, Cause] = field(default_factory=dict)
    images: tuple[str, str] = ("", "")
    refusals: Mapping[str, int] = field(default_factory=dict)


class ChargedFault(InfraError):
    """An infrastructure fault that ended a trial, with the usage until then.

    `why`: the original error; `outage`: it is one of the endpoint's, which answered nobody meanwhile.
    """

    def __init__(self, why: Exception, usage: Usage, outage: bool = False) -> None:
        super().__init__(str(why))
        self.why, self.usage, self.outage = why, usage, outage

    def __reduce__(self) -> tuple[type[ChargedFault], tuple[Exception, Usage, bool]]:
        return ChargedFault, (self.why, self.usage, self.outage)


def run_trial(spec: TrialSpec, spending_file: SpendingFile | None = None) -> TrialResult:
    """Run one trial to its end. A failing scaffold is an outcome; a fault of the machine is `infra_error`.

    Args:
        spending_file: where the run counts the trial's calls of the model; None: only the trial itself counts them.
    """
    result = run_trial_ahead(spec, spending_file)
    with contextlib.suppress(InfraError):  # the evidence is complete; the run's sweep finds what is left
        reaper().wait()
    return result


def run_trial_ahead(spec: TrialSpec, spending_file: SpendingFile | None = None) -> TrialResult:
    """Run one trial without waiting for its cleanup, which may overlap with the worker's next trial."""
    started, clock = datetime.now(UTC).isoformat(timespec="seconds"), time.monotonic()
    files: tuple[StoredFile | None, StoredFile | None] = (None, None)
    usage, cause, fault, outage, condition = Usage(), Cause.NONE, Fault.NONE, False, None
    rewards: Numbers = ()
    failed_gradings, kept = 0, None
    try:
        model = open_trial_model(spec, spending_file, spec.key)
        ending, settled = _run_containers(spec, model, trial_answers(spending_file))
        usage, condition = ending.usage, condition_of(spec, ending.events, ending.images)
        files, failed_gradings = _store(spec, ending, settled), settled.failed if settled else 0
        if settled and settled.ungraded:
            outcome, reward, detail, fault = Outcome.INFRA_ERROR, None, settled.judgement.detail, Fault.GRADER
            kept = settled.state
        else:
            judgement = settled.judgement if settled else None
            outcome, reward, detail = _outcome(ending, judgement, spec.task.scale)
            rewards = recorded_numbers(judgement.grade, spec.task.scale.main) if judgement else ()
            cause, detail = _cause(outcome, ending, judgement, detail[-DETAIL_CHARS:])
    except ChargedFault as error:
        outcome, reward, detail, usage = Outcome.INFRA_ERROR, None, str(error), error.usage
        fault = fault_of(error.why)
        outage = error.outage and fault is Fault.ENDPOINT
    except Exception as error:
        known = isinstance(error, EvolveError)
        outcome, reward, detail = Outcome.INFRA_ERROR, None, str(error) if known else traceback.format_exc()
        fault = fault_of(error)
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
        fault=fault,
        condition=condition,
        outage=outage,
        failed_gradings=failed_gradings,
        state=kept,
        rewards=rewards,
    )


def fault_of(error: Exception) -> Fault:
    """Which part of the machine failed. A full disk may show as any OSError."""
    if disk.is_full_disk_error(error):
        return Fault.DISK
    if isinstance(error, HostRefused):
        # Each trial sends the same fields, so waiting does not help.
        return Fault.ACCOUNT
    return error.fault if isinstance(error, EvolveError) else Fault.OTHER


def open_trial_model(spec: TrialSpec, spending_file: SpendingFile | None, what: str) -> ChatModel:
    """Open the model that answers a trial's scaffold.

    Args:
        what: the name under which the spending file counts its calls.
    """
    if spec.replay_of is not None:
        return RecordedModel(trajectory.load(spec.replay_of))
    # A run checks its endpoint before the first trial: what is not found now was there.
    model = open_model(spec.model, has_answered=True)
    return model if spending_file is None else Metered(model, spec.model, spending_file, what)


def trial_answers(spending_file: SpendingFile | None) -> Answers | None:
    """Where the endpoint's answers to all trials are noted; None if a trial knows only its own."""
    return None if spending_file is None else answers_of(spending_file.path)


def _run_containers(spec: TrialSpec, model: ChatModel, answers: Answers | None) -> tuple[ScaffoldEnd, Settled | None]:
    """Run scaffold and verifier: three containers start in parallel; the tests appear when the agent's two are dead."""
    ttl = container_lifetime(spec, trial_seconds(spec.task, spec.limits.seconds))
    resources = acquire_resources(spec.owner, spec.task_id)
    state = _task_state(spec, resources)
    # A verifier that needs the agent's file system or container cannot be started beforehand.
    prepared = not state.loose and spec.task.verifier is VerifierMode.ISOLATED
    try:
        with Crew(threads=5) as crew:
            task = crew.start(task_container, state, ttl, _task_tmpfs(spec))
            verifier = crew.start(verifier_container, state, ttl) if prepared else None
            images = crew.submit(_image_ids, spec)
            spec = with_instance(spec)
            shell = crew.submit(lambda: populated_shell(task.result(), state, spec.task))
            if spec.task.format.steps:
                shell.result().close()
                ending, judgement = _run_steps(spec, model, answers, task.result(), state, ttl)
                return ending, _settle(spec, PassingState(lambda: judgement), ttl)
            if spec.task.format.environment.healthcheck:
                shell.result()
            end = functools.partial(freeze, task, shell, verifier, state.format.harbor)
            ending = run_scaffold(spec, model, answers, LateShell(shell), ttl, crew, end, resources)
            ending = replace(ending, images=images.result())
            if ending.status != 0 and not (state.format.harbor and spec.judges_failures):
                return ending, None
            started = verifier.result() if verifier else None
            with left_state(spec, state, ttl, task.result(), started) as left:
                return ending, _settle(spec, left, ttl)
    finally:
        reaper().schedule(state.remove)


def _run_steps(
    spec: TrialSpec, model: ChatModel, answers: Answers | None, task: Container, state: TaskState, ttl: int
) -> tuple[ScaffoldEnd, Judgement]:
    """Run the scaffold anew on each step of the task, within what is left of the trial's budget."""
    ends: list[ScaffoldEnd] = []

    def act(one: TrialSpec, own: TaskState) -> bool:
        step = spec.task.format.steps[len(ends)]
        used = total_end(ends).usage if ends else Usage()
        if (limits := step_limits(spec.limits, step, used)) is None:
            return False
        seed = stable_hash(spec.seed, "step", len(ends)) if ends else spec.seed
        try:
            ends.append(_run_step(replace(one, limits=limits, seed=seed), own, model, answers, task, ttl))
        except ChargedFault as fault:
            raise ChargedFault(fault.why, used + fault.usage, fault.outage) from fault
        return not ends[-1].exhausted

    judgement = play_steps(spec, state, task, ttl, act)
    return replace(total_end(ends), images=_image_ids(spec)), judgement


def _run_step(
    one: TrialSpec, own: TaskState, model: ChatModel, answers: Answers | None, task: Container, ttl: int
) -> ScaffoldEnd:
    """Run the scaffold on one step; its container is gone afterwards."""
    assert own.resources is not None
    with Crew() as crew:
        started = crew.submit(lambda: task)
        shell = crew.submit(lambda: task.working_shell(own.user, own.image.workdir, names_sessions=True))
        end = functools.partial(freeze, started, shell, None, True)
        ending = run_scaffold(one, model, answers, LateShell(shell), ttl, crew, end, own.resources)
    with contextlib.suppress(InfraError):  # then the next one can't start
        reaper().wait()
    return ending


def total_end(ends: Sequence[ScaffoldEnd]) -> ScaffoldEnd:
    """How the scaffold ended on all steps: as on the first one that it did not end well, with all that it used."""
    first = next((end for end in ends if end.status != 0 or end.exhausted), ends[-1])
    return replace(
        first,
        usage=functools.reduce(Usage.__add__, (end.usage for end in ends)),
        events=[event for end in ends for event in end.events],
        causes={name: cause for end in ends for name, cause in end.causes.items() if cause is not Cause.NONE},
        refusals=dict(sum((Counter(end.refusals) for end in ends), Counter())),
    )


def _image_ids(spec: TrialSpec) -> tuple[str, str]:
    return image_id(spec.scaffold.image), image_id(spec.image.image)


def container_lifetime(spec: TrialSpec, seconds: float) -> int:
    """Seconds after which a container for work of that length ends by itself, with an allowance for lost time."""
    return int(seconds + longest_delay(spec.model, spec.limits)) + SPARE_SECONDS


def freeze(
    task: Future[Container], shell: Future[ContainerShell], heir: Future[Container] | None, ends_sessions: bool = False
) -> Cause:
    """Stop the agent's shell and container; the state survives only if `heir` has it mounted.

    Args:
        ends_sessions: End what the agent still runs, but not its services.

    Returns:
        The container limit that was reached.
    """
    if ends_sessions:
        end_sessions(task.result(), shell.result().sessions)
    shell.result().close()
    cause = task.result().cause()
    if heir:
        heir.result()
        task.result().stop()
    return cause


def _task_state(spec: TrialSpec, resources: TrialResources) -> TaskState:
    return TaskState(spec.owner, spec.image, spec.task.sandbox, spec.task.profile, resources, spec.task.format)


def trial_seconds(task: Task, agent_seconds: float) -> float:
    """The longest time of a trial at a task, if its agent (or a solution) has so many seconds, for each step."""
    preparing = longest_check(task.format.environment.healthcheck)
    if task.format.steps:
        return preparing + total_seconds(task, agent_seconds)
    return preparing + agent_seconds + task.format.verifier.collect_seconds + task.verifier_seconds


def _task_tmpfs(spec: TrialSpec) -> dict[str, str]:
    if spec.task.format.harbor:
        return {}
    return SOLUTION_TMPFS | (TESTS_TMPFS if spec.task.verifier is VerifierMode.LIVE else {})


@contextlib.contextmanager
def sandboxes(spec: TrialSpec, ttl: int) -> Iterator[tuple[TaskState, Container]]:
    """Create the state's volume and the task's container; both are removed at the end."""
    resources = acquire_resources(spec.owner, spec.task_id)
    state = _task_state(spec, resources)
    with contextlib.ExitStack() as stack:
        stack.callback(state.remove)
        task = task_container(state, ttl, _task_tmpfs(spec))
        stack.callback(task.kill)
        yield state, task


def _settle(spec: TrialSpec, left: GradableState, ttl: int) -> Settled:
    """Grade what a trial left until it is decided what counts; keep it if that can't be. Raises InfraError."""
    settled = settle(left.grade, lambda: _grade_untouched(spec, ttl), spec.ungraded + 1)
    kept = keep_state(spec, file_name(spec, settled), left) if settled.given_up else None
    return replace(settled, state=kept)


def _grade_untouched(spec: TrialSpec, ttl: int) -> Grade:
    """Grade an environment in which nothing was done, unless that is known. Raises InfraError."""

    def grade() -> Grade:
        with sandboxes(spec, ttl) as (state, container):
            populated_shell(container, state, spec.task).close()
            if spec.task.format.steps:
                return play_steps(spec, state, container, ttl, lambda one, own: True).grade
            return judge_state(spec, state, container, ttl).grade

    return remembered_grade(spec, grade)


def populated_shell(container: Container, state: TaskState, task: Task) -> ContainerShell:
    """Open a shell for the agent's commands, in a working directory with the files of the image and the instance.

    Raises:
        InfraError: The machine failed, or the environment does not become healthy.
    """
    open_shell = container.working_shell if state.format.harbor else container.shell
    shell = open_shell(state.user, state.image.workdir, names_sessions=state.format.harbor)
    if not state.loose:
        done = shell.run(FILL, timeout=60)
        if done.exit_code != 0:
            raise InfraError(f"the working directory could not be filled: {done.stderr.decode(errors='replace')[:300]}")
    if task.instance and (files := task.instance.part("workdir")):
        unpack_archive(shell, pack_files(files), ".")
    set_network(container, state, state.networks.setup)
    wait_until_healthy(container, state, task.format.environment.healthcheck)
    set_network(container, state, state.networks.agent)
    return shell


def run_scaffold(
    spec: TrialSpec,
    model: ChatModel,
    answers: Answers | None,
    workspace: Workspace,
    ttl: int,
    crew: Crew,
    freeze: Callable[[], Cause],
    resources: TrialResources,
) -> ScaffoldEnd:
    """Run the scaffold behind its gateway, then call `freeze` to stop its environment.

    answers: where the endpoint's answers to all trials are noted; None if only this one's are known.
    """
    door = Door(spec.task_id, spec.task.instruction, spec.image.workdir, spec.seed, spec.model, spec.limits)
    if spec.task.format.harbor:
        door = replace(door, command_seconds=spec.limits.seconds)
    began = time.monotonic()
    with Gateway(door, model, workspace, resources.door, answers) as gateway:
        started = crew.start(_start_scaffold, spec, resources, ttl)
        with contextlib.suppress(InfraError):  # of the trial before, whose engine may have died: the sweep finds it
            reaper().wait()
        process = started.result()
        ended = wait_for_end(process, gateway, spec.limits.seconds)
        causes = {} if ended else {"scaffold": process.cause(None)}
        if not ended:
            process.kill()
        gateway.wait_for_calls()
        fault = gateway.fault
        breaks_endpoint = fault is not None and _breaks_endpoint(spec, fault, gateway, began)
    frozen = crew.submit(freeze)
    status = process.status() if ended else None
    if ended:
        causes["scaffold"] = process.cause(status)
    causes["task"] = frozen.result()
    if fault is not None and not breaks_endpoint:
        raise ChargedFault(fault, gateway.budget.usage, _is_outage(gateway))
    log, budget = process.output.decode(errors="replace"), gateway.budget
    exhausted = "tries of the model's API" if breaks_endpoint else budget.exhausted
    return ScaffoldEnd(status, log, budget.usage, exhausted, gateway.recording, causes, refusals=dict(gateway.refusals))


def _is_outage(gateway: Gateway) -> bool:
    """Whether the endpoint answered nobody while the call failed that ended the trial, nor shortly before."""
    since, until = gateway.failing
    return not gateway.answers.any_between(since - OUTAGE_SECONDS, until)


def _breaks_endpoint(spec: TrialSpec, fault: Exception, gateway: Gateway, began: float) -> bool:
    """Whether a trial fails the endpoint each time although others are answered: then the scaffold is at fault."""
    if spec.voided < MAX_VOIDED_TRIES or fault_of(fault) is not Fault.ENDPOINT:
        return False
    return gateway.answers.any_between(began, time.monotonic())


def wait_for_end(process: ScaffoldProcess, gateway: Gateway, seconds: float) -> bool:
    """Wait for the scaffold; returns whether it ended by itself within its time, extended by time given back.

    A call in progress at the deadline is waited for: the endpoint may be what delays the scaffold.
    """
    end = time.monotonic() + seconds
    while not process.wait(min(left := end + gateway.budget.given_back - time.monotonic(), LOOK_SECONDS)):
        if left <= 0:
            if gateway.budget.wait_until_idle(0):
                return False
            gateway.wait_for_calls()
            if gateway.fault or end + gateway.budget.given_back <= time.monotonic():
                return process.wait(PARTING_SECONDS)
    return True


def _start_scaffold(spec: TrialSpec, resources: TrialResources, ttl: int) -> ScaffoldProcess:
    source, folder = spec.scaffold, resources.copy_scaffold(spec.scaffold.folder)
    return scaffold_process(
        spec.owner, source.image, folder, source.entry, resources.door, spec.sandbox, ttl, resources
    )


def _outcome(ending: ScaffoldEnd, judgement: Judgement | None, scale: RewardScale) -> tuple[Outcome, float, str]:
    """The trial's outcome, reward and detail.

    With Harbor's defaults each state is judged, otherwise only that of a scaffold that exited with status 0.
    """
    if judgement is not None and scale.is_pass(judgement.reward):
        return Outcome.PASSED, judgement.reward, ""
    reward = judgement.reward if judgement else 0.0
    if ending.status is None:
        return Outcome.TIMEOUT, reward, "killed at the time limit"
    if ending.exhausted:
        return Outcome.BUDGET, reward, f"the budget of {ending.exhausted} was spent"
    if judgement is None or ending.status != 0:
        return Outcome.SCAFFOLD_ERROR, reward, f"exit status {ending.status}: {ending.log}"
    return Outcome.FAILED, reward, judgement.detail


def _cause(outcome: Outcome, ending: ScaffoldEnd, judgement: Judgement | None, detail: str) -> tuple[Cause, str]:
    """The container limit that a failed trial reached, and the detail with a note about it in front."""
    causes = {**ending.causes, "verifier": judgement.cause if judgement else Cause.NONE}
    reached = {name: cause for name, cause in causes.items() if cause is not Cause.NONE}
    if outcome is Outcome.PASSED or not reached:
        return Cause.NONE, detail
    note = "; ".join(f"the {name}'s container {CAUSE_TEXTS[cause]}" for name, cause in reached.items())
    return next(iter(reached.values())), f"{note}; {detail[-(DETAIL_CHARS - len(note) - 2) :]}"


def file_name(spec: TrialSpec, settled: Settled | None) -> str:
    """The beginning of the names of a trial's files; one that is run again has names of its own."""
    return f"{spec.key}.ungraded-{secrets.token_hex(4)}" if settled and settled.ungraded else spec.key


def _store(spec: TrialSpec, ending: ScaffoldEnd, settled: Settled | None) -> tuple[StoredFile, StoredFile]:
    folder, root, name = spec.folder / "trials", spec.folder.parent, file_name(spec, settled)
    document = trajectory.build(spec, ending.events, ending.usage, ending.log, ending.refusals)
    return (
        trajectory.store(folder / f"{name}.trajectory.json.gz", root, [document]),
        trajectory.store(folder / f"{name}.recording.jsonl.gz", root, ending.events),
    )
