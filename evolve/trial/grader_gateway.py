"""The gateway of a trial's tests: a model that they may ask, under a budget of their own and apart from the scaffold's.

It is reached from the container of the tests alone, at 127.0.0.1, while they run. Who asks needs the trial's token,
which is good for nothing else. The key stays on the host.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from evolve.budget.answers import Answers, answers_of
from evolve.budget.ledger import SpendingFile
from evolve.budget.metered import Metered
from evolve.core.errors import EndpointError, EngineError, InfraError
from evolve.core.launch import GATEWAY_PORT, GATEWAY_URL
from evolve.core.model_access import asking_phases, with_gateway
from evolve.core.records import Grader, Grading, Limits, TrialSpec, Usage, grader_key, stable_hash
from evolve.llm import ChatModel, open_model
from evolve.sandbox.container import Container
from evolve.sandbox.forwarder import Forwarder, start_forwarder
from evolve.sandbox.task_state import TaskState
from evolve.trial import trajectory
from evolve.trial.gateway import Door, Gateway
from evolve.trial.recorded import RecordedModel
from evolve.trial.recording import Recording
from evolve.trial.scaffold_run import OUTAGE_SECONDS, breaks_endpoint

# Where the endpoint's answers to the tests of all trials are noted, beside the spending file.
ANSWERS = "grader-answers.db"
# How long calls are waited for that the tests left behind.
PARTING_SECONDS = 10.0
# The tests' own time ends first.
SPARE_SECONDS = 60.0


class GraderGateway:
    """What the tests of one trial may ask, over all gradings of what it left. Not thread-safe.

    Attributes:
        token: What the tests show to be answered.
        usage: What they have used.
        recording: What passed through the gateway, in order.
        fault: The first fault of the machine while they ran.
        spent: The limit that they reached; "" for none.
        is_outage: Whether the fault is the endpoint's, which answered nobody meanwhile.
    """

    def __init__(self, spec: TrialSpec, grader: Grader, model: ChatModel, answers: Answers | None = None) -> None:
        self.token = secrets.token_hex(24)
        self.usage, self.recording = Usage(), Recording()
        self.fault: Exception | None = None
        self.spent = ""
        self.is_outage = False
        self._spec, self._grader, self._model, self._answers = spec, grader, model, answers
        self._gradings, self._before = 0, Usage()

    @property
    def grading(self) -> Grading:
        """What the tests asked so far, without a recording."""
        return Grading(self._grader.model.name, self.usage)

    @contextlib.contextmanager
    def other_state(self) -> Iterator[None]:
        """Let the tests have their whole budget again, for another state than the one that the trial left."""
        before, spent = self._before, self.spent
        self._before, self.spent = self.usage, ""
        try:
            yield
        finally:
            self._before, self.spent = before, spent

    @contextlib.contextmanager
    def beside(self, state: TaskState, container: Container, ttl: int) -> Iterator[None]:
        """Answer the tests in this container while the context lasts.

        Raises:
            InfraError: The machine failed; it is noted, so that nothing else is held responsible.
        """
        seconds = self._seconds(state)
        limits = self._left(seconds + SPARE_SECONDS)
        if limits is None:
            yield
            return
        began, folder = time.monotonic(), self._new_folder(state)
        with Gateway(self._door(state, limits), self._model, None, folder, self._answers, self.token) as gateway:
            forwarder = self._forwarder(state, container, gateway.path, ttl)
            try:
                yield
            finally:
                self._note(gateway, began, seconds)
                gateway.budget.wait_until_idle(PARTING_SECONDS)
                with contextlib.suppress(InfraError):  # it ends with its neighbour, and the sweep finds it
                    forwarder.kill()
        self._add(gateway)

    def _seconds(self, state: TaskState) -> float:
        """How long the tests may run: those of a step have a time of their own."""
        return state.format.verifier.seconds if self._spec.task.format.steps else self._grader.limits.seconds

    def _left(self, seconds: float) -> Limits | None:
        """What is left of the budget, for so many seconds; None if it is spent."""
        limits, used = self._grader.limits, self.usage
        calls = limits.calls - used.calls + self._before.calls
        tokens = limits.tokens - used.tokens + self._before.tokens
        usd = limits.usd - used.cost_usd + self._before.cost_usd
        if self.spent or calls <= 0 or tokens <= 0 or (limits.usd > 0 and usd <= 0):
            self.spent = self.spent or "calls"
            return None
        return replace(limits, calls=calls, tokens=tokens, usd=max(usd, 0.0), seconds=seconds)

    def _door(self, state: TaskState, limits: Limits) -> Door:
        seed = stable_hash(self._spec.seed, "grader", self._gradings)
        self._gradings += 1
        return Door(self._spec.task_id, "", state.image.workdir, seed, self._grader.model, limits)

    def _new_folder(self, state: TaskState) -> Path:
        assert state.resources is not None
        folder = state.resources.folder / f"grader-{self._gradings}"
        folder.mkdir()
        folder.chmod(0o711)
        return folder

    def _forwarder(self, state: TaskState, container: Container, socket: Path, ttl: int) -> Forwarder:
        kind, runtime = f"grader-{self._gradings}", state.spec.runtime
        try:
            forwarder = start_forwarder(
                state.run, self._grader.image, container, socket, ttl, state.resources, kind, runtime
            )
            if forwarder.port != GATEWAY_PORT:
                forwarder.kill()
                raise EngineError(f"port {GATEWAY_PORT} is taken in the container of the tests")
        except InfraError as error:
            self.fault = self.fault or error
            raise
        return forwarder

    def _note(self, gateway: Gateway, began: float, seconds: float) -> None:
        """Note what went wrong while the tests ran, which may take so many seconds, and whose fault it is."""
        exhausted, fault = gateway.budget.exhausted, gateway.fault
        waits = gateway.budget.given_back > 0 or not gateway.budget.wait_until_idle(0)
        if fault is None and waits and time.monotonic() - began >= seconds:
            fault = EndpointError("the tests ran out of time while the model's API delayed them")
        if fault is not None and breaks_endpoint(self._spec, fault, gateway, began):
            exhausted, fault = "tries of the model's API", None
        if isinstance(fault, EndpointError) and self.fault is None:
            self.is_outage = not gateway.answers.any_between(began - OUTAGE_SECONDS, time.monotonic())
        self.fault, self.spent = self.fault or fault, self.spent or exhausted

    def _add(self, gateway: Gateway) -> None:
        self.usage += gateway.budget.usage
        for event in gateway.recording:
            self.recording.append(event)


def with_grader(spec: TrialSpec, spending_file: SpendingFile | None = None) -> tuple[TrialSpec, GraderGateway | None]:
    """The trial with the variables by which its tests reach their gateway; (the same, None) if they ask no model.

    Args:
        spending_file: Where the run counts their calls; None: only the gateway does.

    Raises:
        InfraError, BadInput: The model can't be used.
    """
    grader = spec.grader
    if grader is None or not asking_phases(spec.task.format):
        return spec, None
    answers = None if spending_file is None else answers_of(spending_file.path.with_name(ANSWERS))
    gateway = GraderGateway(spec, grader, _open_model(spec, grader, spending_file), answers)
    format = with_gateway(spec.task.format, GATEWAY_URL, gateway.token, grader.model.name)
    return replace(spec, task=replace(spec.task, format=format)), gateway


def _open_model(spec: TrialSpec, grader: Grader, spending_file: SpendingFile | None) -> ChatModel:
    if spec.replay_of is not None:
        recorded = spec.grader_replay_of
        return RecordedModel([] if recorded is None else trajectory.load(recorded), strict=True)
    model = open_model(grader.model, has_answered=True)
    return model if spending_file is None else Metered(model, grader.model, spending_file, grader_key(spec.key))
