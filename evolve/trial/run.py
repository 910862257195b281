"""Run one trial: a function from a picklable description to a picklable result, with no shared state."""

from __future__ import annotations

import contextlib
import functools
import secrets
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime

from evolve.budget.answers import Answers, answers_of
from evolve.budget.ledger import SpendingFile
from evolve.budget.metered import Metered
from evolve.core.errors import EvolveError, InfraError
from evolve.core.records import (
    Cause,
    Fault,
    Grading,
    ModelSpec,
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
from evolve.llm import ChatModel, NamedModels, open_model
from evolve.sandbox.archive import pack_files, unpack_archive
from evolve.sandbox.cleanup import Crew, LateShell, reaper
from evolve.sandbox.container import Container
from evolve.sandbox.egress import set_network
from evolve.sandbox.images import image_id
from evolve.sandbox.inside import PRISTINE
from evolve.sandbox.resources import TrialResources, acquire_resources
from evolve.sandbox.services import environment_container
from evolve.sandbox.sessions import end_sessions
from evolve.sandbox.shell import ContainerShell
from evolve.sandbox.task_containers import TESTS_TMPFS, verifier_container
from evolve.sandbox.task_state import TaskState
from evolve.trial import trajectory
from evolve.trial.conditions import condition_of
from evolve.trial.gateway import ParentAnswers, load_parent_answers, longest_delay
from evolve.trial.grader_gateway import GraderGateway, with_grader
from evolve.trial.health import longest_check, longest_start, wait_until_healthy
from evolve.trial.in_task import TaskAgent, agent_files, start_agent_place
from evolve.trial.instances import with_instance
from evolve.trial.judging import judge_state
from evolve.trial.keeping import keep_state
from evolve.trial.recorded import RecordedModel
from evolve.trial.reward import NoReward, Numbers, Ungraded, recorded_numbers
from evolve.trial.scaffold_run import ChargedFault, ScaffoldEnd, fault_of, run_scaffold, total_end
from evolve.trial.settling import Grade, Others, Settled, settle
from evolve.trial.solution import SolutionFailed, solve_seconds, solve_step, solve_task
from evolve.trial.states import GradableState, PassingState, left_state
from evolve.trial.steps import play_steps, step_limits, total_seconds
from evolve.trial.untouched import RememberedSilence, remembered_grade
from evolve.trial.verdict import DETAIL_CHARS, Judgement

SPARE_SECONDS = 120
SOLUTION_TMPFS = {"/solution": "rw,exec,nosuid,nodev,size=32m,mode=0777"}
# Files keep their times, so that a replay lists the same ones; where `cp` has no such option, `-p` keeps modes too.
FILL = f"cp -R --preserve=timestamps {PRISTINE}/. . 2>/dev/null || cp -R -p {PRISTINE}/. ."
CAUSE_TEXTS = {Cause.OOM: "ran out of memory", Cause.PIDS: "had too many processes"}


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
    own_seconds: float | None = None
    failed_gradings, kept = 0, None
    door: GraderGateway | None = None
    grading: Grading | None = None
    parent: ParentAnswers | None = None
    try:
        parent = load_parent_answers(spec)
        model = open_trial_model(spec, spending_file, spec.key)
        spec, door = with_grader(spec, spending_file)
        ending, settled = _run_containers(spec, model, trial_answers(spending_file), door, parent)
        usage, condition = ending.usage, condition_of(spec, ending.events, ending.images)
        own_seconds = round(ending.own_seconds, 3)
        files, failed_gradings = _store(spec, ending, settled), settled.failed if settled else 0
        grading = _store_grading(spec, door, settled) if door else None
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
        grading=grading or (door.grading if door else None),
        own_seconds=own_seconds,
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
        reuse=parent is not None,
    )


def open_trial_model(spec: TrialSpec, spending_file: SpendingFile | None, what: str) -> ChatModel:
    """Open the model that answers a trial's scaffold.

    Args:
        what: the name under which the spending file counts its calls.
    """
    if spec.replay_of is not None:
        return RecordedModel(trajectory.load(spec.replay_of))
    # A run checks its endpoint before the first trial: what is not found now was there.
    return NamedModels({model.name: _open_model(model, spending_file, what) for model in spec.models})


def _open_model(spec: ModelSpec, spending_file: SpendingFile | None, what: str) -> ChatModel:
    model = open_model(spec, has_answered=True)
    return model if spending_file is None else Metered(model, spec, spending_file, what)


def trial_answers(spending_file: SpendingFile | None) -> Answers | None:
    """Where the endpoint's answers to all trials are noted; None if a trial knows only its own."""
    return None if spending_file is None else answers_of(spending_file.path)


def _run_containers(
    spec: TrialSpec,
    model: ChatModel,
    answers: Answers | None,
    door: GraderGateway | None,
    parent: ParentAnswers | None,
) -> tuple[ScaffoldEnd, Settled | None]:
    """Run scaffold and verifier: three containers start in parallel; the tests appear when the agent's two are dead."""
    ttl = container_lifetime(spec, trial_seconds(spec.task, spec.limits.seconds))
    resources = acquire_resources(spec.owner, spec.task_id)
    state = _task_state(spec, resources, door)
    # A verifier that needs the agent's file system or container cannot be started beforehand.
    prepared = not state.loose and spec.task.verifier is VerifierMode.ISOLATED
    try:
        with Crew(threads=7) as crew:
            task = crew.start(
                lambda: environment_container(
                    state, ttl, _task_tmpfs(spec), agent=agent_files(spec, resources), opens_shell=prepared
                )
            )
            verifier = crew.start(verifier_container, state, ttl) if prepared else None
            images = crew.submit(_image_ids, spec)
            spec = with_instance(spec)
            shell = crew.submit(lambda: populated_shell(task.result(), state, spec.task))
            agent = start_agent_place(crew, spec, state, task, shell, resources, ttl)
            if spec.task.format.steps:
                shell.result().close()
                ending, judgement = _run_steps(spec, model, answers, task.result(), state, ttl, agent, parent)
                return ending, _settle(spec, PassingState(lambda: judgement), ttl, ending.usage, door)
            if spec.task.format.environment.healthcheck or agent:
                shell.result()
            end = functools.partial(freeze, task, shell, verifier, state.format.harbor)
            start = agent.ready() if agent else None
            ending = run_scaffold(spec, model, answers, LateShell(shell), ttl, crew, end, resources, start, parent)
            ending = replace(agent.with_changes(spec, ending) if agent else ending, images=images.result())
            if ending.status != 0 and not (state.format.harbor and spec.judges_failures):
                return ending, None
            started = verifier.result() if verifier else None
            with left_state(spec, state, ttl, task.result(), started) as left:
                return ending, _settle(spec, left, ttl, ending.usage, door)
    finally:
        reaper().schedule(state.remove)


def _run_steps(
    spec: TrialSpec,
    model: ChatModel,
    answers: Answers | None,
    task: Container,
    state: TaskState,
    ttl: int,
    agent: TaskAgent | None,
    parent: ParentAnswers | None,
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
            spec_of_step = replace(one, limits=limits, seed=seed)
            ends.append(_run_step(spec_of_step, own, model, answers, task, ttl, agent, parent))
        except ChargedFault as fault:
            raise ChargedFault(fault.why, used + fault.usage, fault.outage) from fault
        return not ends[-1].exhausted

    try:
        judgement = play_steps(spec, state, task, ttl, act)
    except ChargedFault:
        raise
    except EvolveError as error:
        used = total_end(ends).usage if ends else Usage()
        raise ChargedFault(error, used, isinstance(state.door, GraderGateway) and state.door.is_outage) from error
    return replace(total_end(ends), images=_image_ids(spec)), judgement


def _run_step(
    one: TrialSpec,
    own: TaskState,
    model: ChatModel,
    answers: Answers | None,
    task: Container,
    ttl: int,
    agent: TaskAgent | None,
    parent: ParentAnswers | None,
) -> ScaffoldEnd:
    """Run the scaffold on one step; its container is gone afterwards."""
    assert own.resources is not None
    with Crew() as crew:
        started = crew.submit(lambda: task)
        shell = crew.submit(lambda: task.working_shell(own.user, own.image.workdir, names_sessions=True))
        end = functools.partial(freeze, started, shell, None, True)
        agent = agent.during(own, shell) if agent else None
        start = agent.ready() if agent else None
        ending = run_scaffold(one, model, answers, LateShell(shell), ttl, crew, end, own.resources, start, parent)
        ending = agent.with_changes(one, ending) if agent else ending
    with contextlib.suppress(InfraError):  # then the next one can't start
        reaper().wait()
    return ending


def _image_ids(spec: TrialSpec) -> tuple[str, str]:
    return image_id(spec.scaffold.image), image_id(spec.image.image)


def container_lifetime(spec: TrialSpec, seconds: float) -> int:
    """Seconds after which a container for work of that length ends by itself, with an allowance for lost time."""
    return int(seconds + longest_delay(spec.models, spec.limits)) + SPARE_SECONDS


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


def _task_state(spec: TrialSpec, resources: TrialResources, door: GraderGateway | None) -> TaskState:
    state = TaskState(spec.owner, spec.image, spec.task.sandbox, spec.task.profile, resources, spec.task.format)
    state.door = door
    return state


def trial_seconds(task: Task, agent_seconds: float) -> float:
    """The longest time of a trial at a task, if its agent (or a solution) has so many seconds, for each step."""
    environment = task.format.environment
    preparing = longest_check(environment.healthcheck) + longest_start(environment)
    if task.format.steps:
        return preparing + total_seconds(task, agent_seconds)
    return preparing + agent_seconds + task.format.verifier.collect_seconds + task.verifier_seconds


def _task_tmpfs(spec: TrialSpec) -> dict[str, str]:
    if spec.task.format.harbor:
        return {}
    return SOLUTION_TMPFS | (TESTS_TMPFS if spec.task.verifier is VerifierMode.LIVE else {})


@contextlib.contextmanager
def sandboxes(spec: TrialSpec, ttl: int, door: GraderGateway | None = None) -> Iterator[tuple[TaskState, Container]]:
    """Create the state's volume and the task's container; both are removed at the end. door: for its tests."""
    resources = acquire_resources(spec.owner, spec.task_id)
    state = _task_state(spec, resources, door)
    with contextlib.ExitStack() as stack:
        stack.callback(state.remove)
        task = environment_container(state, ttl, _task_tmpfs(spec))
        stack.callback(task.kill)
        yield state, task


def _settle(spec: TrialSpec, left: GradableState, ttl: int, used: Usage, door: GraderGateway | None) -> Settled:
    """Grade what a trial left until it is decided what counts; keep it if that can't be.

    Args:
        used: What the scaffold has used.
        door: For the tests.

    Raises:
        ChargedFault: The machine failed.
    """
    solved = functools.partial(_grade_other, spec, ttl, door, solve=True) if spec.task.format.solved else None
    untouched = functools.partial(_grade_untouched, spec, ttl, door)
    try:
        settled = settle(left.grade, Others(untouched, solved, RememberedSilence(spec)), spec.ungraded + 1)
    except EvolveError as error:
        raise ChargedFault(error, used, door is not None and door.is_outage) from error
    kept = keep_state(spec, file_name(spec, settled), left) if settled.given_up else None
    return replace(settled, state=kept)


def _grade_untouched(spec: TrialSpec, ttl: int, door: GraderGateway | None) -> Grade:
    """Grade an environment in which nothing was done, unless that is known. Raises InfraError."""
    return remembered_grade(spec, functools.partial(_grade_other, spec, ttl, door))


def _grade_other(spec: TrialSpec, ttl: int, door: GraderGateway | None, solve: bool = False) -> Grade:
    """Grade an environment in which nothing was done, or what the reference solution leaves. Raises InfraError."""
    if solve:
        ttl = container_lifetime(spec, trial_seconds(spec.task, solve_seconds(spec.task)))
    with door.other_state() if door is not None else contextlib.nullcontext():
        try:
            return judge_without_scaffold(spec, ttl, solve, door).grade
        except SolutionFailed as error:
            return NoReward(Ungraded.CRASHED, str(error))


def judge_without_scaffold(spec: TrialSpec, ttl: int, solve: bool, door: GraderGateway | None) -> Judgement:
    """Judge what the reference solution, run as the agent, leaves in a new container, or what is there from the start.

    Args:
        door: For the tests.

    Raises:
        SolutionFailed: The solution failed.
        InfraError: The machine failed.
    """

    def act(one: TrialSpec, own: TaskState) -> bool:
        if solve:
            solve_step(one, own, container)
        return True

    with sandboxes(spec, ttl, door) as (state, container):
        with contextlib.closing(populated_shell(container, state, spec.task)) as shell:
            if solve and not spec.task.format.steps:
                solve_task(spec.task, state, container, shell)
        if spec.task.format.steps:
            return play_steps(spec, state, container, ttl, act)
        return judge_state(spec, state, container, ttl)


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
        status = f"exit status {ending.status}: "
        return Outcome.SCAFFOLD_ERROR, reward, status + ending.log[len(status) - DETAIL_CHARS :]
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


def _store_grading(spec: TrialSpec, door: GraderGateway, settled: Settled | None) -> Grading:
    file = spec.folder / "trials" / f"{file_name(spec, settled)}.grader.jsonl.gz"
    return replace(door.grading, recording=trajectory.store(file, spec.folder.parent, door.recording))


def _store(spec: TrialSpec, ending: ScaffoldEnd, settled: Settled | None) -> tuple[StoredFile, StoredFile]:
    folder, root, name = spec.folder / "trials", spec.folder.parent, file_name(spec, settled)
    document = trajectory.build(spec, ending.events, ending.usage, ending.log, ending.refusals, ending.start_up)
    return (
        trajectory.store(folder / f"{name}.trajectory.json.gz", root, [document]),
        trajectory.store(folder / f"{name}.recording.jsonl.gz", root, ending.events),
    )
