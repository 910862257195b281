"""One trial's gateway: routes, socket, and the recording of all requests."""

from __future__ import annotations

import functools
import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from evolve.budget.answers import Answers, OwnAnswers
from evolve.core.clock import Timeline
from evolve.core.errors import EndpointError, EvolveError, HostRefused, InfraError, RequestRefused
from evolve.core.records import Api, ModelSpec, Usage
from evolve.llm import (
    ChatModel,
    CountedPrompts,
    Prompt,
    counted_prompt_tokens,
    estimate_prompt_tokens,
    fit_to_window,
    prompt_of,
    required_answer_tokens,
    usage_of,
    with_sent_messages,
)
from evolve.trial.gateway.arrivals import Arrival, Arrivals
from evolve.trial.gateway.budget import Reservation, TrialBudget
from evolve.trial.gateway.commands import Commands, Workspace
from evolve.trial.gateway.door import ASKED, COUNTED, Door, described_model
from evolve.trial.gateway.endpoint import Action, Endpoint, refusal_response, stream_response
from evolve.trial.gateway.endurance import Endurance, HungUpAt, longest_delay
from evolve.trial.gateway.names import asked_of
from evolve.trial.gateway.parent_answers import ParentAnswer, ParentAnswers
from evolve.trial.gateway.protocols import Protocol, Reply, protocol_of
from evolve.trial.gateway.request import bare_request, model_request
from evolve.trial.gateway.seeding import Seeding
from evolve.trial.gateway.spans import FailingCalls, Span, covered_seconds, without
from evolve.trial.gateway.unserved import reason_of
from evolve.trial.gateway.wire import Body, BoundedProtocol, Intake, Refusal, final_status, json_response
from evolve.trial.recording import ASKED_TOKENS, NOTHING, REUSED, WAITED, Event, Recording
from evolve.trial.request_digest import digest

SOCKET_NAME = "gateway.sock"
MAX_TEXT = 2_000
# Shorter waits of a call count as a part of what its answer took.
LONG_WAIT_SECONDS = 1.0
INFRASTRUCTURE = "infrastructure"
RecordedAction = Callable[[Body, HungUpAt, Arrival], Response]


class Gateway:
    """Serve one trial. Use as a context manager; `recording` is what passed through it.

    Attributes:
        refusals: How many requests were refused, by the error's code: what the scaffold itself did wrong.
        fault: The first fault of the machine.
        failing: The time in which the call failed whose failure is `fault`.
    """

    def __init__(
        self,
        door: Door,
        model: ChatModel,
        workspace: Workspace | None,
        folder: Path,
        answers: Answers | None = None,
        token: str = "",
        parent: ParentAnswers | None = None,
    ) -> None:
        """Prepare to serve.

        Args:
            workspace: Where commands run; None: the model alone is served.
            answers: To the calls of all trials of the run; None: only this one's are known.
            token: What each request must show in place of an API key; "": nothing.
            parent: Answers that equal requests get; None: each request asks the model.
        """
        self._parent = parent or ParentAnswers()
        self._token = token
        self.door, self.model = door, model
        self._own_answers, self._failing_calls = OwnAnswers(), FailingCalls()
        self.answers = answers or self._own_answers
        self.path = folder / SOCKET_NAME
        deadline = time.monotonic() + door.limits.seconds
        self.budget = TrialBudget(
            door.limits, door.model, deadline, longest_delay(door.models, door.limits), door.small
        )
        self.recording, self._timeline = Recording(), Timeline.start()
        self.fault: Exception | None = None
        self._first_request: float | None = None
        self.failing: Span = (time.monotonic(), math.inf)
        self.refusals: Counter[str] = Counter()
        self._seeding, self._arrivals, self._counted = Seeding(door.seed), Arrivals(), CountedPrompts()
        self._lock = threading.Lock()
        commands = Commands(workspace, self.budget, self._record, door.command_seconds) if workspace else None
        self._server = uvicorn.Server(self._config(commands))
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    @property
    def events(self) -> list[Event]:
        """The events of the recording so far, decoded."""
        return list(self.recording)

    def _task_routes(self, commands: Commands, add: Callable[..., Route]) -> list[Route]:
        """The routes to the task and its container."""
        return [
            add("GET", "/evolve/task", self._task),
            add("GET", "/evolve/budget", self._budget),
            add("POST", "/evolve/run", self._recorded(commands.run)),
            add("POST", "/evolve/read", self._recorded(commands.read)),
            add("POST", "/evolve/replace", self._recorded(commands.replace)),
            add("POST", "/evolve/write", self._recorded(commands.write)),
        ]

    def _config(self, commands: Commands | None) -> uvicorn.Config:
        add = functools.partial(self._route, Intake())
        routes = [
            *(self._task_routes(commands, add) if commands else ()),
            add("GET", "/v1/models", self._models),
            add("GET", "/v1/models/{name:path}", self._named_model),
            *(add("POST", path, self._asking(protocol_of(api)), api) for path, api in ASKED.items()),
            *(add("POST", path, self._counting(protocol_of(api), head), api) for path, api, head in COUNTED),
        ]
        handlers: dict[Any, Any] = {HTTPException: self._no_such_route, Exception: self._unexpected}
        app = Starlette(routes=routes, exception_handlers=handlers)
        app.router.redirect_slashes = False
        return uvicorn.Config(
            app,
            uds=str(self.path),
            http=BoundedProtocol,
            ws="none",
            log_level="critical",
            lifespan="off",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
        )

    def __enter__(self) -> Gateway:
        self._thread.start()
        while not self._server.started:
            if not self._thread.is_alive():
                raise InfraError(f"the gateway could not listen on {self.path}")
            time.sleep(0.002)
        self.path.chmod(0o666)
        return self

    def __exit__(self, *_: object) -> None:
        """Ask the server to stop; it does at its next tick, and nothing waits for that."""
        self.budget.close()
        self._server.should_exit = True
        self._server.force_exit = True

    def start_up_seconds(self, since: float) -> float | None:
        """Seconds until the first request, from a moment of the monotonic clock; None if there was none."""
        return None if self._first_request is None else max(self._first_request - since, 0.0)

    def wait_for_calls(self) -> None:
        """Wait until no call is running: only its end shows who delayed it. A call that never ends is a fault."""
        longest = longest_delay(self.door.models, self.door.limits)
        if not self.budget.wait_until_idle(longest - self.budget.given_back):
            self._note_fault(EndpointError("model endpoint: a call did not end"))

    def _route(self, intake: Intake, method: str, path: str, action: Action, api: Api = "chat") -> Route:
        """Make a route of an action, which runs in a thread beside the event loop."""
        run = functools.partial(self._run_action, action)
        return Route(
            path, Endpoint(intake, run, protocol_of(api), self._count, self._fault_of, self._token), methods=[method]
        )

    def _count(self, refusal: Refusal) -> None:
        """Count a refusal. Called in the event loop alone."""
        if refusal.code != INFRASTRUCTURE:
            self.refusals[refusal.code] += 1

    async def _no_such_route(self, request: Request, error: HTTPException) -> Response:
        # Not from `request.url`: with a Host header that is no address, it names the socket's path on this machine.
        path = request.scope["path"][:200]
        message = f"{request.method} {path}: {': '.join(filter(None, (error.detail, reason_of(path))))}"
        refusal = Refusal(error.status_code, "not_found", message)
        self._count(refusal)
        return refusal_response(refusal, protocol_of("messages" if path.startswith("/v1/messages") else "chat"))

    def _recorded(self, action: RecordedAction) -> Action:
        """Make an action of one whose events say what they overlapped with."""

        def numbered(body: Body, hung_up_at: HungUpAt) -> Response:
            with self._arrivals.request() as arrival, self.budget.request():
                return action(body, hung_up_at, arrival)

        return numbered

    def _run_action(self, action: Action, body: Body, hung_up_at: HungUpAt) -> Response:
        """Run an action; a fault of the machine is noted, so the trial does not count, and answered with a 503."""
        self._first_request = self._first_request or time.monotonic()
        try:
            return action(body, hung_up_at)
        except EvolveError as error:
            raise self._note_fault(error) from error

    async def _unexpected(self, request: Request, error: Exception) -> Response:
        """Treat a bug of the gateway as a fault of the machine: it is no evidence about the scaffold."""
        return refusal_response(self._fault_of(error), protocol_of("chat"))

    def _fault_of(self, error: Exception) -> Refusal:
        return self._note_fault(InfraError(f"gateway: {type(error).__name__}: {error}"))

    def _note_fault(self, error: Exception) -> Refusal:
        self.fault = self.fault or error
        return Refusal(503, INFRASTRUCTURE, "the host has a fault; this trial will not count")

    def _record(self, kind: str, arrival: Arrival, host: Event = NOTHING, **content: Any) -> None:
        """Add an event. `arrival` stands in it if the order in which such events end is a matter of chance.

        host: of HOST_FIELDS.
        """
        event = {"kind": kind, **content, **({"arrival": arrival.number} if arrival.overlapped else {})}
        with self._lock:
            ended = time.monotonic()
            times = [self._timeline.at(moment) for moment in (arrival.started, ended)]
            size = self.recording.append(event, times, host)
        self.budget.count_event(size)

    def _task(self, body: Body, hung_up_at: HungUpAt) -> Response:
        door = self.door
        task = {"id": door.task_id, "instruction": door.instruction, "workdir": door.workdir}
        context = {} if door.model.context_tokens is None else {"context_tokens": door.model.context_tokens}
        servers = {"mcp_servers": [server.as_table() for server in door.mcp_servers]} if door.mcp_servers else {}
        return json_response({**task, "budget": self.budget.left(), **context, **servers})

    def _budget(self, body: Body, hung_up_at: HungUpAt) -> Response:
        return json_response(self.budget.left())

    def _models(self, body: Body, hung_up_at: HungUpAt) -> Response:
        models = [described_model(model.name) for model in self.door.models]
        ends = {"first_id": models[0]["id"], "last_id": models[-1]["id"], "has_more": False}
        return json_response({"object": "list", "data": models, **ends})

    def _named_model(self, body: Body, hung_up_at: HungUpAt) -> Response:
        """Describe a model of any name, since each name asks one of the run's."""
        if not body["name"]:
            raise Refusal(404, "not_found", "the model has no name")
        return json_response(described_model(body["name"]))

    def _asking(self, protocol: Protocol) -> Action:
        """Make the action of a route that asks the model."""

        def ask(body: Body, hung_up_at: HungUpAt, arrival: Arrival) -> Response:
            model, request = self._translated(protocol, body)
            completion, usage = self._ask(model, request, hung_up_at, arrival)
            reply = Reply(body, completion, usage)
            streams = bool(body.get("stream"))
            return stream_response("".join(protocol.events(reply))) if streams else json_response(protocol.whole(reply))

        return self._recorded(ask)

    def _counting(self, protocol: Protocol, head: Body) -> Action:
        """Make the action of a route that answers with the estimated tokens of a request's prompt."""

        def count(body: Body, hung_up_at: HungUpAt) -> Response:
            model, request = self._translated(protocol, body)
            tokens = estimate_prompt_tokens(with_sent_messages(request, model))
            return json_response({**head, "input_tokens": tokens})

        return count

    def _translated(self, protocol: Protocol, body: Body) -> tuple[ModelSpec, Body]:
        """The model that a client's request asks, and the request for it. Raises Refusal."""
        model = asked_of(body.get("model"), self.door.models)
        return model, model_request(protocol.chat_request(body, model), model, self.door.limits.max_tokens)

    def _ask(
        self, model: ModelSpec, request: Body, hung_up_at: HungUpAt, arrival: Arrival
    ) -> tuple[dict[str, Any], Usage]:
        """Ask a model, and record its answer. Raises Refusal and the errors of `ChatModel`."""
        asked = request["max_tokens"] if request["max_tokens"] < self.door.limits.max_tokens else None
        request = self._fit(model, request, arrival)
        prompt = prompt_of(request, model)
        reservation, seed = self._start_call(model, request, prompt)
        request |= {"max_tokens": min(request["max_tokens"], reservation.answer), "seed": seed}
        spent, started = Usage(), time.monotonic()
        endurance = Endurance(self.budget, hung_up_at, self.answers, self._failing_calls)
        earlier, request["seed"] = self._parent.next(request, asked)
        try:
            completion = (
                self._repeat(earlier, arrival, started) if earlier else self._complete(model, request, endurance)
            )
            spent = usage_of(completion, model, request)
            self._counted.learn(prompt, counted_prompt_tokens(completion))
            worked = self._note_progress(started, endurance)
            if not earlier:
                self._note_answer()
            endurance.check()
            endurance.settle()
        except RequestRefused as error:
            worked = self._note_progress(started, endurance)
            endurance.check()
            endurance.settle()
            raise self._refused(request, error, arrival, _host_fields(arrival, worked, asked, earlier)) from error
        except EndpointError as error:
            # Calls in a row are never answered at the same time: their failure is the endpoint's.
            if not isinstance(error, HostRefused) and endurance.caused(self._own_answers):
                raise self.budget.spent("retries") from error
            if self.fault is None:
                self.failing = (endurance.failing_since or started, endurance.failed_at or time.monotonic())
            raise
        finally:
            with self._lock:
                self._seeding.end()
            charged = replace(spent, calls=1)
            self.budget.settle(reservation, replace(charged.as_reused() if earlier else charged, calls=0))
        if refusal := self.budget.late_refusal():
            raise refusal
        host = _host_fields(arrival, worked, asked, earlier)
        self._record("chat", arrival, host, request=request, response=completion)
        return completion, spent

    def _note_progress(self, started: float, endurance: Endurance) -> list[Span]:
        """Note when a call was being answered; returns these spans."""
        worked = without([(started, time.monotonic())], endurance.stuck)
        self.budget.note_progress(worked)
        return worked

    def _repeat(self, earlier: ParentAnswer, arrival: Arrival, started: float) -> dict[str, Any]:
        """Give the parent's answer after the time that it took. Raises RequestRefused.

        started: when the call started, which may have waited for room in the budget before.
        """
        waited = started - arrival.started
        self.budget.pause(arrival.started + earlier.seconds + (waited if waited >= LONG_WAIT_SECONDS else 0.0))
        return earlier.response(datetime.fromisoformat(self._timeline.at(arrival.started)))

    def _note_answer(self) -> None:
        self._own_answers.note()
        if self.answers is not self._own_answers:
            self.answers.note()

    def _complete(self, model: ModelSpec, request: Body, endurance: Endurance) -> dict[str, Any]:
        """Call the model.

        A refusal of what the host added is the scaffold's fault if a bare request with the same additions is answered:
        its text may quote the request, so a scaffold can make any refusal look like one of the host's additions.
        """
        try:
            return self.model.complete(request, endurance)
        except HostRefused as error:
            bare = bare_request(request, model, error.parameter)
            if bare is None:
                raise
            try:
                answer = self.model.complete(bare, endurance)
            except RequestRefused:
                raise error from None
            self.budget.record_loss(usage_of(answer, model, bare))
            raise RequestRefused(400, "invalid_request", str(error)) from error

    def _start_call(self, model: ModelSpec, request: Body, prompt: Prompt) -> tuple[Reservation, int]:
        """Reserve what a call may use, and give it its seed. Raises Refusal."""
        content, least = digest(request), required_answer_tokens(request, model)
        with self._lock:
            seed = self._seeding.start(content)
        try:
            # It may wait for other calls, with which it overlaps then too.
            most = functools.partial(self._counted.most_tokens, prompt)
            return self.budget.reserve(most, max(request["max_tokens"], least), least, model), seed
        except Refusal:
            with self._lock:
                self._seeding.withdraw()
            raise

    def _fit(self, model: ModelSpec, request: Body, arrival: Arrival) -> Body:
        """Fit the request into the model's context window. Raises Refusal; a refused request costs nothing."""
        try:
            return fit_to_window(request, model)
        except RequestRefused as error:
            self.budget.check(model)
            raise self._refused(request, error, arrival, asked=False) from error

    def _refused(
        self, request: Body, error: RequestRefused, arrival: Arrival, host: Event = NOTHING, **more: bool
    ) -> Refusal:
        refusal = Refusal(final_status(error.status), error.code[:MAX_TEXT], str(error)[:MAX_TEXT])
        fields = {"status": refusal.status, "code": refusal.code, "message": refusal.message}
        self._record("chat", arrival, host, request=request, error=fields, **more)
        return refusal


def _host_fields(arrival: Arrival, worked: Sequence[Span], asked: int | None, earlier: ParentAnswer | None) -> Event:
    """What else is known of a call: HOST_FIELDS, as far as they are worth mentioning."""
    waited = time.monotonic() - arrival.started - covered_seconds(worked)
    return {
        **({WAITED: round(waited, 3)} if waited >= LONG_WAIT_SECONDS else {}),
        **({} if asked is None else {ASKED_TOKENS: asked}),
        **({REUSED: True} if earlier else {}),
    }
