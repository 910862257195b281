"""A scaffold's run behind its gateway, in whatever container: its start, its end, and whose fault a failure is."""

from __future__ import annotations

import contextlib
import functools
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from evolve.budget.answers import Answers
from evolve.core.errors import EvolveError, HostRefused, InfraError
from evolve.core.launch import GATEWAY_URL, INSTRUCTION_FILE, Launch
from evolve.core.records import Cause, Fault, TrialSpec, Usage
from evolve.host import disk
from evolve.llm import ChatModel
from evolve.sandbox.cleanup import Crew, reaper
from evolve.sandbox.resources import TrialResources
from evolve.sandbox.scaffold_container import ScaffoldProcess, scaffold_process
from evolve.trial.gateway import Door, Gateway, ParentAnswers, Workspace
from evolve.trial.model_time import model_seconds

# How long a scaffold may take to exit after its last call was refused because its time is over.
PARTING_SECONDS = 0.5
# How often the time that is left is looked at: what other requests do meanwhile may shorten it.
LOOK_SECONDS = 1.0
# An endpoint that fails a third of a trial's tries fails all of the first eight in one of 6,561.
MAX_VOIDED_TRIES = 8
# An endpoint that answered within the two minutes before may only have refused by its limits per minute.
OUTAGE_SECONDS = 120.0


@dataclass(frozen=True)
class ScaffoldEnd:
    """How the scaffold ended.

    status: exit status; None if it was killed at its time limit; exhausted: the trial limit that was reached, or "";
    causes: the container limits that were reached, by the container's name; images: the ids of the scaffold's image and
    the task's, if they were looked up; refusals: how many requests the gateway refused, by code; start_up: seconds from
    its start to its first request; None if it made none; own_seconds: how long it ran without a call of the model in
    progress.
    """

    status: int | None
    log: str
    usage: Usage
    exhausted: str
    events: Sequence[Mapping[str, Any]]
    causes: Mapping[str, Cause] = field(default_factory=dict)
    images: tuple[str, str] = ("", "")
    refusals: Mapping[str, int] = field(default_factory=dict)
    start_up: float | None = None
    own_seconds: float = 0.0


class Process(Protocol):
    """A scaffold that runs. `output`: the end of what it printed."""

    output: bytes

    def wait(self, seconds: float) -> bool:
        """Wait for its end; returns whether it came."""
        ...

    def status(self) -> int:
        """The exit status, after its end."""
        ...

    def cause(self, status: int | None) -> Cause:
        """Which limit of a container of its own it exceeded; `status` None: it still runs."""
        ...

    def kill(self) -> None:
        """End it."""
        ...


Start = Callable[[TrialSpec], Process]


class ChargedFault(InfraError):
    """An infrastructure fault that ended a trial, with the usage until then.

    `why`: the original error; `outage`: it is one of the endpoint's, which answered nobody meanwhile.
    """

    def __init__(self, why: Exception, usage: Usage, outage: bool = False) -> None:
        super().__init__(str(why))
        self.why, self.usage, self.outage = why, usage, outage

    def __reduce__(self) -> tuple[type[ChargedFault], tuple[Exception, Usage, bool]]:
        return ChargedFault, (self.why, self.usage, self.outage)


def fault_of(error: Exception) -> Fault:
    """Which part of the machine failed. A full disk may show as any OSError."""
    if disk.is_full_disk_error(error):
        return Fault.DISK
    if isinstance(error, HostRefused):
        # Each trial sends the same fields, so waiting does not help.
        return Fault.ACCOUNT
    return error.fault if isinstance(error, EvolveError) else Fault.OTHER


def total_end(ends: Sequence[ScaffoldEnd]) -> ScaffoldEnd:
    """How the scaffold ended on all steps: as on the first one that it did not end well, with all that it used."""
    first = next((end for end in ends if end.status != 0 or end.exhausted), ends[-1])
    return replace(
        first,
        usage=functools.reduce(Usage.__add__, (end.usage for end in ends)),
        own_seconds=sum(end.own_seconds for end in ends),
        events=[event for end in ends for event in end.events],
        causes={name: cause for end in ends for name, cause in end.causes.items() if cause is not Cause.NONE},
        refusals=dict(sum((Counter(end.refusals) for end in ends), Counter())),
    )


def run_scaffold(
    spec: TrialSpec,
    model: ChatModel,
    answers: Answers | None,
    workspace: Workspace,
    ttl: int,
    crew: Crew,
    freeze: Callable[[], Cause],
    resources: TrialResources,
    start: Start | None = None,
    parent: ParentAnswers | None = None,
) -> ScaffoldEnd:
    """Run the scaffold behind its gateway, then call `freeze` to stop its environment.

    answers: where the endpoint's answers to all trials are noted; None if only this one's are known;
    start: starts it; None: in a container of its own; parent: answers that it takes over; None: none.
    """
    door = Door(
        spec.task_id,
        spec.task.instruction,
        spec.image.workdir,
        spec.seed,
        spec.model,
        spec.limits,
        mcp_servers=spec.task.format.environment.mcp_servers,
        small=spec.small,
    )
    if spec.task.format.harbor:
        door = replace(door, command_seconds=spec.limits.seconds)
    began = time.monotonic()
    with Gateway(door, model, workspace, resources.door, answers, parent=parent) as gateway:
        started: Future[Process] = crew.submit(start, spec) if start else crew.start(start_apart, spec, resources, ttl)
        with contextlib.suppress(InfraError):  # of the trial before, whose engine may have died: the sweep finds it
            reaper().wait()
        process, since = started.result(), time.monotonic()
        ended = wait_for_end(process, gateway, spec.limits.seconds)
        ran = time.monotonic() - since
        causes = {} if ended else {"scaffold": process.cause(None)}
        if not ended:
            process.kill()
        gateway.wait_for_calls()
        fault = gateway.fault
        is_at_fault = fault is not None and breaks_endpoint(spec, fault, gateway, began)
    frozen = crew.submit(freeze)
    status = process.status() if ended else None
    if ended:
        causes["scaffold"] = process.cause(status)
    causes["task"] = frozen.result()
    if fault is not None and not is_at_fault:
        raise ChargedFault(fault, gateway.budget.usage, _is_outage(gateway))
    log, budget = process.output.decode(errors="replace"), gateway.budget
    exhausted = "tries of the model's API" if is_at_fault else budget.exhausted
    refusals, start_up = dict(gateway.refusals), gateway.start_up_seconds(since)
    own = max(ran - model_seconds(gateway.recording), 0.0)
    return ScaffoldEnd(
        status, log, budget.usage, exhausted, gateway.recording, causes, refusals=refusals, start_up=start_up,
        own_seconds=own,
    )  # fmt: skip


def _is_outage(gateway: Gateway) -> bool:
    """Whether the endpoint answered nobody while the call failed that ended the trial, nor shortly before."""
    since, until = gateway.failing
    return not gateway.answers.any_between(since - OUTAGE_SECONDS, until)


def breaks_endpoint(spec: TrialSpec, fault: Exception, gateway: Gateway, began: float) -> bool:
    """Whether a trial fails the endpoint each time although others are answered: then the trial itself is at fault."""
    if spec.voided < MAX_VOIDED_TRIES or fault_of(fault) is not Fault.ENDPOINT:
        return False
    return gateway.answers.any_between(began, time.monotonic())


def wait_for_end(process: Process, gateway: Gateway, seconds: float) -> bool:
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


def start_apart(spec: TrialSpec, resources: TrialResources, ttl: int) -> ScaffoldProcess:
    """Start the scaffold in a container of its own. Raises InfraError."""
    source, folder = spec.scaffold, resources.copy_scaffold(spec.scaffold.folder)
    launch = filled_launch(spec, GATEWAY_URL)
    if launch.command:
        write_instruction(resources, spec.task.instruction)
    return scaffold_process(
        spec.owner, source.image, folder, source.entry, launch, resources.door, spec.sandbox, ttl, resources
    )


def filled_launch(spec: TrialSpec, url: str) -> Launch:
    """How the scaffold is started in this trial. `url`: where it reaches the gateway."""
    values = {
        "instruction": spec.task.instruction,
        "instruction_file": INSTRUCTION_FILE,
        "workdir": spec.image.workdir,
        "model": spec.model.name,
        "url": url,
    }
    return spec.scaffold.launch.filled(values)


def write_instruction(resources: TrialResources, text: str) -> None:
    """Put the instruction where the scaffold finds it as a file."""
    file = resources.files / INSTRUCTION_FILE.rpartition("/")[2]
    file.write_text(text, encoding="utf-8", errors="surrogateescape")
    file.chmod(0o644)
