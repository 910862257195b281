"""Whatever an endpoint sends, a model's `complete` returns the one form or raises one of the documented errors.

Hypothesis makes whole answers (status, headers, bytes), which the vendor's real client reads from a transport in this
process. EVOLVE_ANSWERS sets how many for chat completions; the other two protocols get a fifth of them.
"""

from __future__ import annotations

import copy
import gzip
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evolve import llm
from evolve.core.config import AskedModel
from evolve.core.errors import BadInput, EvolveError, InfraError, RequestsRefused
from evolve.core.records import Api, ModelSpec, Usage
from evolve.llm.client import OpenAIModel
from evolve.llm.model import ChatModel
from evolve.llm.normal import MAX_NAME
from evolve.llm.redaction import MAX_ERROR
from evolve.llm.soundness import SoundModel
from evolve.llm.statements import read_listing, read_server
from evolve.llm.textcalls import TextToolsModel
from evolve.models.preflight.check import check_endpoint, open_unchecked
from tests import vendors
from tests.fakes import completion, tool_call
from tests.normal_form import check_answered, check_error, check_usage
from tests.upstream import chunk

EXAMPLES = int(os.environ.get("EVOLVE_ANSWERS", "300"))
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
BODY = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "tools": [TOOL], "max_tokens": 50, "seed": 1}
LONE = "\ud800"


@dataclass(frozen=True)
class Sent:
    """One answer as an endpoint sends it."""

    status: int
    headers: tuple[tuple[str, bytes], ...]
    pieces: tuple[bytes, ...]
    breaks_off: bool = False

    def response(self) -> httpx2.Response:
        headers = [(name.encode(), value) for name, value in self.headers]
        return httpx2.Response(self.status, headers=headers, stream=Pieces(self))


class Pieces(httpx2.SyncByteStream):
    def __init__(self, sent: Sent) -> None:
        self.sent = sent

    def __iter__(self) -> Iterator[bytes]:
        yield from self.sent.pieces
        if self.sent.breaks_off:
            raise httpx2.ReadError("connection reset")


class Endpoint(httpx2.BaseTransport):
    """Gives its answers in order, the last one for ever."""

    def __init__(self, answers: Sequence[Sent]) -> None:
        self.answers, self.requests = answers, 0

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        answer = self.answers[min(self.requests, len(self.answers) - 1)]
        self.requests += 1
        return answer.response()


@contextmanager
def reached_through(endpoint: Endpoint) -> Iterator[None]:
    """Every HTTP client opened within the block reaches this endpoint."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(httpx2.Client, "_init_transport", lambda *_, **__: endpoint)
        patch.setattr(httpx2.Client, "_init_proxy_transport", lambda *_, **__: endpoint)
        yield


def innermost(model: ChatModel) -> OpenAIModel:
    """The client within a model."""
    while isinstance(model, SoundModel | TextToolsModel):
        model = model.inner
    assert isinstance(model, OpenAIModel)
    return model


def ask(spec: ModelSpec, answers: Sequence[Sent]) -> None:
    """Open the model as a trial does, and ask it once."""
    losses: list[Usage] = []
    with reached_through(Endpoint(answers)):
        model = llm.open_model(spec, has_answered=True)
        innermost(model)._sleep = lambda _: None
        try:
            answer = model.complete(BODY, losses.append)
        except EvolveError as error:
            check_error(error)
        else:
            check_answered(answer, spec, BODY)
    for loss in losses:
        check_usage(loss)


FIELDS = (
    "type", "text", "thinking", "name", "arguments", "function", "id", "index", "message", "error", "usage", "content",
    "tool_calls", "function_call", "code", "refusal", "cost", "total_tokens", "logprobs", "base_resp", "status",
    "object",
)  # fmt: skip
# Values of every kind in place of any part of an answer.
NUMBERS = (2**62, -1, 2**70, 10**400, 1e300, 0.5, 3.0, True)
TEXTS = (
    LONE, f"a{LONE}b", "\udfff", "\0", "", "null", "error", "{", "<think>", "[" * 5_000,
    '<tool_call>{"name": "\\ud800"}</tool_call>', '{"name": "look", "arguments": {"a": "\\udc00"}}',
    '{"name":"look","arguments":' + '{"a":' * 980,
)  # fmt: skip
numbers = st.integers() | st.floats() | st.sampled_from(NUMBERS)
texts = st.text(max_size=6) | st.sampled_from(TEXTS)
odd = st.recursive(
    st.none() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts | st.sampled_from(FIELDS), inner, max_size=3),
    max_leaves=6,
)


def nested(depth: int) -> Any:
    value: Any = {}
    for number in range(depth):
        value = {"a": value} if number % 2 else [value]
    return value


odd |= st.sampled_from([nested(60), nested(70), nested(470)])


@st.composite
def mutated(draw: st.DrawFn, whole: Any) -> Any:
    """A good value, with up to three of its parts replaced, removed or repeated."""
    value = json.loads(json.dumps(whole))
    for _ in range(draw(st.integers(0, 3))):
        places = list(_places(value))
        if not places:
            break
        holder, key = places[draw(st.integers(0, len(places) - 1))]
        match draw(st.sampled_from(["replace", "replace", "replace", "remove", "add", "repeat"])):
            case "replace":
                holder[key] = copy.deepcopy(draw(odd))
            case "remove":
                del holder[key]
            case "add" if isinstance(holder, dict):
                holder[draw(st.sampled_from(FIELDS))] = copy.deepcopy(draw(odd))
            case _ if isinstance(holder, list):
                holder.append(copy.deepcopy(holder[key]))
    return value


def _places(value: Any, depth: int = 0) -> Iterator[tuple[Any, Any]]:
    """The parts of a value, each as what holds it and its key."""
    keys: Any = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys if depth < 9 else ():
        yield value, key
        yield from _places(value[key], depth + 1)


ERRORS = (
    {"error": {"message": "the reason", "type": "invalid_request_error", "param": "seed", "code": "unknown"}},
    {"error": {"message": "maximum context length is 10 tokens", "code": 400}},
    {"detail": [{"loc": ["body", "messages"], "msg": "wrong", "type": "t"}]},
    {"object": "error", "message": "bad", "code": 40001},
    {"error": "insufficient_quota", "base_resp": {"status_code": 1008, "status_msg": "balance"}},
    {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
)
HEADERS = {
    "content-type": (
        b"application/json", b"text/event-stream", b"text/html", b"application/json; charset=unicode_escape",
        b"text/plain; charset=hex", b"text/plain; charset=rot13", b"application/json; charset=utf-7", b"\xff", b"",
        b"application/json; charset=undefined", b"application/json; charset=utf-16", b"text/event-stream;charset=\xe9",
    ),
    "retry-after": (
        b"0.01", b"-1", b"nan", b"inf", b"9" * 400, b"Thu, 01 Jan 9999999 00:00:00 GMT", b"\xff", b"", b" , ",
        b"Thu, 31 Dec 9999 23:59:59 -9999", b"1_0", b"Mon, 0 X 0 0:0:0",
    ),
    "retry-after-ms": (b"10", b"x", b"1e400"),
    "content-encoding": (b"gzip", b"deflate", b"br", b"gzip, gzip", b"\xe9"),
    "content-length": (b"3", b"-1", b"x"),
    "location": (b"http://[::1", b"/again", b"file:///etc/passwd", b"\xff"),
    "set-cookie": (b"a=b; expires=Thu, 99 Jan 99999 00:00:00 GMT", b"=;=;\xff", b"a" * 5_000),
    "x-request-id": (b"\xff\xfe", b"x" * 5_000),
    "x-should-retry": (b"true", b"false", b"?"),
}  # fmt: skip
FREQUENT = (*[200] * 12, 400, 401, 403, 404, 413, 422, 429, 500, 503)
RARE = (
    201, 202, 204, 206, 299, 300, 302, 304, 307, 402, 405, 407, 408, 409, 410, 418, 425, 451, 499, 501, 524, 529, 599,
    600, 700, 999,
)  # fmt: skip
STATUSES = st.sampled_from(FREQUENT) | st.sampled_from(RARE)
# Between two events.
NOISE = (
    b"data: {\n\n", b"data: \xff\xfe\n\n", b'data: "\\ud800"\n\n', b"data: []\n\n", b"data: null\n\n", b"data: 1\n\n",
    b"event: error\ndata: {}\n\n", b'event: error\ndata: {"error": {"message": "\\ud800"}}\n\n', b"data\n\n",
    b"event: thread.x\ndata: 3\n\n", b": " + b"x" * 3_000 + b"\n", b"data: [DONE]\n\n", b"id: \0\n",
    b"retry: " + b"9" * 5_000 + b"\n\n", b"data: " + b"9" * 5_000 + b"\n\n", b"event: ping\ndata: \n\n",
)  # fmt: skip


@st.composite
def headers(draw: st.DrawFn, kind: bytes) -> tuple[tuple[str, bytes], ...]:
    names = draw(st.lists(st.sampled_from(sorted(HEADERS)), max_size=2)) if draw(st.integers(0, 3)) == 0 else []
    first = [] if "content-type" in names else [("content-type", kind)]
    return (*first, *((name, draw(st.sampled_from(HEADERS[name]))) for name in names))


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


@st.composite
def events(draw: st.DrawFn, good: Sequence[Any]) -> bytes:
    """A stream of events: some changed, left out or repeated, some no events at all."""
    lines: list[bytes] = []
    changed = draw(st.sets(st.integers(0, len(good)), max_size=2))
    for number, event in enumerate(good):
        is_named = draw(st.booleans()) and isinstance(event.get("type"), str)
        name = f"event: {event['type']}\n".encode() if is_named else b""
        data = _json(draw(mutated(event))) if number in changed else _json(event)
        lines.append(name + b"data: " + data + b"\n\n")
    if draw(st.integers(0, 3)) == 0:
        noise = st.binary(max_size=12) | st.sampled_from(NOISE)
        lines.insert(draw(st.integers(0, len(lines))), draw(noise))
    end = draw(st.sampled_from([b"data: [DONE]\n\n", b"", b"data: [DONE]"]))
    return b"".join(lines) + end


@st.composite
def sent(draw: st.DrawFn, wholes: Sequence[Any], streams: Sequence[Sequence[Any]]) -> Sent:
    kind = draw(st.sampled_from(["whole", "whole", "stream", "stream", "error", "bytes"]))
    mime = b"text/event-stream" if kind == "stream" else b"application/json"
    status = draw(STATUSES)
    if kind == "whole":
        body = _json(draw(mutated(draw(st.sampled_from(wholes)))))
    elif kind == "stream":
        body = draw(events(draw(st.sampled_from(streams))))
    elif kind == "error":
        body = _json(draw(mutated(draw(st.sampled_from(ERRORS)))))
    else:
        body = draw(st.binary(max_size=30) | st.sampled_from([b"<html><title>Bad Gateway</title>", b"", b"[" * 5_000]))
    if draw(st.integers(0, 9)) == 0:
        place = draw(st.integers(0, len(body)))
        body = body[:place] + draw(st.binary(max_size=3)) + body[place + draw(st.integers(0, 3)) :]
    all_headers = draw(headers(mime))
    if ("content-encoding", b"gzip") in all_headers and draw(st.booleans()):
        body = gzip.compress(body)
    cut = draw(st.integers(0, len(body)))
    return Sent(status, all_headers, (body[:cut], body[cut:]), draw(st.integers(0, 9)) == 0)


CHAT = completion("some text", tool_call("look", {"at": "x"}), tokens=10)
CHAT["choices"][0]["message"]["reasoning_content"] = "hm"
CHAT |= {"system_fingerprint": "fp_1"}
CHAT_STREAM = [
    chunk(role="assistant", content=""),
    chunk(content="some "),
    chunk(content="text", reasoning_content="hm"),
    chunk(tool_calls=[{"index": 0, "id": "call_1", "type": "function", "function": {"name": "look", "arguments": ""}}]),
    chunk(tool_calls=[{"index": 0, "function": {"arguments": '{"at": 1}'}}]),
    chunk(reasoning_details=[{"index": 0, "text": "a"}]),
    chunk(finish="tool_calls"),
    {**chunk(), "choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 10, "cost": 0.1}},
]
RESPONSE = vendors.response(
    vendors.reasoning("rs_1", "gAAAA", "hm"),
    vendors.message("msg_1", "some text"),
    vendors.function_call("call_1", "look", "{}"),
)
MESSAGE = vendors.reply(
    vendors.thinking("hm"), vendors.text("some text"), vendors.tool_use("call_1", "look", {"at": 1})
)
FORMS: dict[Api, tuple[Sequence[Any], Sequence[Sequence[Any]]]] = {
    "chat": ([CHAT], [CHAT_STREAM]),
    "responses": ([RESPONSE], [list(vendors.response_events(RESPONSE))]),
    "messages": ([MESSAGE], [list(vendors.reply_events(MESSAGE))]),
}


def fuzz(api: Api, examples: int) -> None:
    wholes, streams = FORMS[api]

    @given(st.lists(sent(wholes, streams), min_size=1, max_size=3), st.booleans(), st.booleans())
    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    def check(answers: list[Sent], stream: bool, text_tools: bool) -> None:
        spec = ModelSpec("m", "http://127.0.0.1:1/v1", "EVOLVE_TEST_NO_KEY", api=api, stream=stream)
        ask(replace(spec, text_tools=text_tools), answers)

    check()


def test_any_answer_of_chat_completions_is_normal_or_an_endpoints_fault() -> None:
    fuzz("chat", EXAMPLES)


@pytest.mark.parametrize("api", ["responses", "messages"])
def test_any_answer_of_the_other_protocols_is_normal_or_an_endpoints_fault(api: Api) -> None:
    fuzz(api, EXAMPLES // 5)


@given(sent([{"object": "list", "data": [{"id": "m"}, {"id": "n", "context_length": 4096}]}], [CHAT_STREAM]))
@settings(max_examples=EXAMPLES // 5, deadline=None, suppress_health_check=list(HealthCheck), database=None)
def test_any_list_of_models_is_names_or_a_line_for_the_user(answer: Sent) -> None:
    spec = ModelSpec("m", "http://127.0.0.1:1/v1", "EVOLVE_TEST_NO_KEY")
    for api in ("chat", "messages"):
        with reached_through(Endpoint([answer])):
            try:
                names, problem = llm.known_models(replace(spec, api=api)), ""
            except (BadInput, InfraError) as error:
                names, problem = [], str(error)
        assert all(text.encode() is not None for text in (problem, *names))
        assert len(problem) <= MAX_ERROR + 200 and all(len(name) <= MAX_NAME for name in names)


def test_any_statement_of_a_server_can_be_stored() -> None:
    state = {"model_path": "x", "model_ftype": 3, "build_info": "b", "default_generation_settings": {"n_ctx": 9}}
    models = {"data": [{"id": "m", "context_length": 9, "pricing": {"prompt": "1", "completion": "2"}}]}

    @given(sent([state, models], [CHAT_STREAM]))
    @settings(max_examples=EXAMPLES // 5, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    def check(answer: Sent) -> None:
        spec = ModelSpec("m", "http://127.0.0.1:1/v1", "EVOLVE_TEST_NO_KEY")
        with reached_through(Endpoint([answer])):
            listing, server = read_listing(spec), read_server(spec)
        assert json.dumps([asdict(listing), server], allow_nan=False, ensure_ascii=False).encode()
        assert (listing.window or 0) < 2**53

    check()


def test_any_answers_to_the_check_before_a_run_are_a_report_or_a_line() -> None:
    whole = {**CHAT, "choices": [{**CHAT["choices"][0], "message": {"role": "assistant", "content": "12 Paris"}}]}

    def opened(spec: ModelSpec) -> ChatModel:
        model = open_unchecked(spec)
        innermost(model)._sleep = lambda _: None
        return model

    @given(st.lists(sent([CHAT, whole], [CHAT_STREAM]), min_size=1, max_size=9))
    @settings(max_examples=EXAMPLES // 10, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    def check(answers: list[Sent]) -> None:
        problem = ""
        asked = AskedModel(model="m", base_url="http://127.0.0.1:1/v1")
        with reached_through(Endpoint(answers)):
            try:
                report = check_endpoint(asked, open_model=opened)
                check_usage(report.usage)
            except (BadInput, RequestsRefused, InfraError) as error:
                problem = str(error)
        assert problem.encode() is not None and len(problem) <= 2 * MAX_ERROR

    check()
