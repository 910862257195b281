"""What a hostile scaffold tries at its door: to spend more, to change what is frozen, to wear the host down."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolve.core.errors import InfraError
from evolve.core.records import Limits, ModelSpec, Usage
from evolve.llm import EmbeddedModel
from evolve.llm.client import OpenAIModel
from evolve.sandbox.shell import CommandResult
from evolve.sandbox.streams import ShellDied
from evolve.trial.gateway import Door, Gateway, TrialBudget, wire
from evolve.trial.gateway import budget as budget_module
from evolve.trial.gateway.wire import MAX_CONNECTIONS, Refusal, parse_body
from tests.fakes import FolderWorkspace, ScriptedModel, completion, tool_call
from tests.test_gateway import SPEC, USER, call, chat, code, model_of, serving
from tests.upstream import Upstream, after, says

LONG = {"role": "user", "content": "x" * 4000}


def counted(body: Mapping[str, Any]) -> dict[str, Any]:
    """An answer that uses all that the request allows, after a while."""
    time.sleep(0.05)
    most = body["max_tokens"]
    return {**completion(), "usage": {"prompt_tokens": 9, "completion_tokens": most, "total_tokens": 9 + most}}


def spent_tokens(served: Gateway) -> int:
    return served.budget.usage.prompt_tokens + served.budget.usage.completion_tokens


@pytest.mark.parametrize("streamed", [False, True])
def test_calls_at_once_stay_within_the_tokens_that_are_left(tmp_path: Path, streamed: bool) -> None:
    with serving(tmp_path, counted, tokens=1000, max_tokens=400) as served, ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: status_of(served, stream=streamed), range(16)))
    assert 900 <= spent_tokens(served) <= 1000
    assert served.budget.exhausted == "tokens"


def test_calls_at_once_stay_within_the_dollars_that_are_left(tmp_path: Path) -> None:
    with serving(tmp_path, counted, usd=0.5, max_tokens=200) as served, ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: status_of(served), range(16)))
    assert 0.4 < served.budget.usage.cost_usd <= 0.5
    assert served.budget.exhausted == "usd"


def status_of(served: Gateway, **body: Any) -> int:
    """A chat's status, whatever form the answer has."""
    connection = http.client.HTTPConnection("gateway", timeout=20)
    connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.sock.connect(str(served.path))
    connection.request("POST", "/v1/chat/completions", json.dumps({"messages": [USER], **body}))
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status


def test_calls_at_once_that_fit_run_at_once(tmp_path: Path) -> None:
    together = threading.Barrier(8, timeout=10)

    def meet(_: Mapping[str, Any]) -> dict[str, Any]:
        together.wait()
        return completion()

    with serving(tmp_path, meet, usd=100) as served, ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda _: chat(served)[0], range(8))) == [200] * 8


def test_an_answer_may_be_as_long_as_what_is_left(tmp_path: Path) -> None:
    with serving(tmp_path, counted, tokens=1000, max_tokens=700) as served:
        statuses = [chat(served, max_tokens=10**9)[0] for _ in range(3)]
    first, second = (request["max_tokens"] for request in model_of(served).requests)
    assert statuses == [200, 200, 403]
    assert first == 700 and 200 < second < 290
    assert spent_tokens(served) <= 1000


def test_a_prompt_that_is_larger_than_what_is_left_is_not_sent(tmp_path: Path) -> None:
    with serving(tmp_path, tokens=500) as served:
        assert code(call(served, "/v1/chat/completions", {"messages": [LONG]})) == (403, "budget")
        assert chat(served)[0] == 200
    assert len(model_of(served).requests) == 1


def test_a_budget_of_no_dollars_bars_only_what_costs(tmp_path: Path) -> None:
    door = Door("opaque", "Mend it.", "/work", 7, ModelSpec("free", prompt_price=0, completion_price=0), Limits(usd=0))
    with Gateway(door, ScriptedModel(), FolderWorkspace(tmp_path), tmp_path) as served:
        assert chat(served)[0] == 200


def test_a_call_that_outlives_its_trial_is_charged_in_full(tmp_path: Path) -> None:
    reached, go_on = threading.Event(), threading.Event()

    def slow(_: Mapping[str, Any]) -> dict[str, Any]:
        reached.set()
        assert go_on.wait(10)
        return completion()

    with ThreadPoolExecutor(1) as pool:
        with serving(tmp_path, slow, max_tokens=300) as served:
            pool.submit(chat, served)
            assert reached.wait(10)
        at_end = served.budget.usage
        go_on.set()
    assert at_end.calls == 1 and at_end.completion_tokens == 300 and at_end.prompt_tokens > 0
    assert at_end.cost_usd > 0.3
    assert served.budget.usage == at_end


def test_nothing_begins_after_the_end(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        pass
    for begin in (served.budget.start_command, lambda: served.budget.reserve(1, 1)):
        with pytest.raises(Refusal, match="over"):
            begin()


def test_an_answer_that_comes_after_the_time_is_charged_and_not_given(tmp_path: Path, upstream: Upstream) -> None:
    upstream.script(after(1.2, says()))
    door = Door("opaque", "Mend it.", "/work", 7, SPEC, Limits(seconds=0.5, max_tokens=300))
    with Gateway(door, OpenAIModel(upstream.spec()), FolderWorkspace(tmp_path), tmp_path) as served:
        assert code(chat(served)) == (403, "budget")
        assert code(chat(served)) == (403, "budget")
    assert (served.budget.usage.calls, served.budget.usage.tokens) == (1, 20)
    assert served.budget.exhausted == "seconds" and served.fault is None and served.events == []


def test_a_command_that_waited_its_turn_does_not_start_too_late(tmp_path: Path) -> None:
    with serving(tmp_path, seconds=1.0) as served, ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda _: call(served, "/evolve/run", {"command": "sleep 0.8"})[0], range(3)))
    assert sorted(answers) == [200, 200, 403]


EFFORT = {
    "reasoning_effort": "high", "reasoning": {"effort": "high"}, "thinking": {"type": "enabled"}, "effort": "high",
    "enable_thinking": True, "thinking_budget": 9, "chat_template_kwargs": {"enable_thinking": True},
    "extra_body": {"reasoning_effort": "high"}, "include_reasoning": True, "verbosity": "high", "think": True,
}  # fmt: skip
OTHERS = {
    "n": 3, "best_of": 3, "service_tier": "priority", "store": True, "metadata": {"a": "b"}, "user": "u",
    "prediction": {"type": "content", "content": "x"}, "web_search_options": {}, "modalities": ["audio"],
    "audio": {"voice": "v"}, "prompt_cache_key": "k", "safety_identifier": "s", "stream_options": {}, "seed": 1,
    "extra_headers": {"a": "b"}, "extra_query": {}, "timeout": 1, "models": ["dearer"], "provider": {}, "route": "x",
    "plugins": [{"id": "web"}], "transforms": [], "min_tokens": 9, "ignore_eos": True, "use_beam_search": True,
    "prompt_logprobs": 20, "guided_regex": "(a+)+", "model_": "x", "base_url": "http://x", "api_key": "k",
}  # fmt: skip
ALLOWED = {
    "temperature": 0.5, "top_p": 0.9, "tools": [], "tool_choice": "none", "stop": ["x"], "logprobs": True,
    "top_logprobs": 2, "response_format": {"type": "text"}, "presence_penalty": 0.1, "frequency_penalty": 0.1,
    "top_k": 5, "min_p": 0.1, "repetition_penalty": 1.1, "logit_bias": {"1": 1}, "parallel_tool_calls": False,
}  # fmt: skip


def test_only_listed_parameters_reach_the_model(tmp_path: Path) -> None:
    with serving(tmp_path, usd=100) as served:
        assert chat(served, **EFFORT, **OTHERS, **ALLOWED)[0] == 200
    request = model_of(served).requests[0]
    own = {"messages": [USER], "model": "the-model", "max_tokens": 4096, "seed": request["seed"]}
    assert request == {**ALLOWED, **own}


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(st.text(max_size=20), st.integers() | st.text(max_size=5), max_size=5))
def test_no_other_key_gets_through(tmp_path_factory: pytest.TempPathFactory, odd: dict[str, Any]) -> None:
    known = {*ALLOWED, "functions", "function_call", "messages", "max_tokens", "max_completion_tokens", "stream"}
    odd = {key: value for key, value in odd.items() if key not in known}
    with serving(tmp_path_factory.mktemp("gateway")) as served:
        assert chat(served, **odd)[0] == 200
    assert set(model_of(served).requests[0]) == {"messages", "model", "max_tokens", "seed"}


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "https://attacker.example/?secret"}},
        {"type": "image_url", "image_url": "http://attacker.example"},
        {"type": "image_url"},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "input_audio", "input_audio": {}},
        {"type": "video_url", "video_url": {"url": "http://x"}},
        "text",
        {},
    ],
)
def test_the_endpoint_is_no_way_out(tmp_path: Path, part: Any) -> None:
    with serving(tmp_path) as served:
        assert code(chat(served, messages=[{"role": "user", "content": [part]}])) == (400, "invalid_request")
    assert model_of(served).requests == []


def test_parts_that_hold_their_content_are_fine(tmp_path: Path) -> None:
    parts = [{"type": "text", "text": "hi"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]
    with serving(tmp_path, usd=100) as served:
        assert chat(served, messages=[{"role": "user", "content": parts}])[0] == 200


@pytest.mark.parametrize("tool", [{"type": "web_search"}, {"type": "mcp", "server_url": "http://x"}])
def test_tools_that_run_elsewhere_are_refused(tmp_path: Path, tool: Any) -> None:
    with serving(tmp_path) as served:
        assert code(chat(served, tools=[tool])) == (400, "invalid_request")


def test_usage_that_the_endpoint_leaves_out_is_charged_all_the_same(tmp_path: Path) -> None:
    bare = {key: value for key, value in completion("y" * 4000).items() if key != "usage"}
    with serving(tmp_path, bare, usd=100) as served:
        assert chat(served, messages=[LONG])[0] == 200
    assert served.budget.usage.prompt_tokens >= 1000 and served.budget.usage.completion_tokens >= 1000
    assert served.budget.usage.cost_usd > 2


@pytest.mark.parametrize("error", [KeyError("x"), RuntimeError("boom"), OSError(24, "no files"), RecursionError()])
def test_a_bug_of_the_hosts_is_a_fault_of_the_trial(tmp_path: Path, error: Exception) -> None:
    with serving(tmp_path, error) as served:
        assert code(chat(served)) == (503, "infrastructure")
    assert isinstance(served.fault, InfraError) and type(error).__name__ in str(served.fault)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/", None, 404),
        ("/v1/responses/resp_1", None, 404),
        ("/v1/messages/batches", {"requests": []}, 404),
        ("/v1/completions", {"prompt": "hi"}, 404),
        ("/v1/embeddings", {"input": "hi"}, 404),
        ("/v1/models/", None, 404),
        ("/v1/chat/completions", None, 405),
        ("/evolve/task", {}, 405),
    ],
)
def test_other_routes_answer_in_the_apis_form(tmp_path: Path, path: str, body: Any, status: int) -> None:
    with serving(tmp_path) as served:
        assert code(call(served, path, body)) == (status, "not_found")
    assert served.fault is None and served.refusals == {"not_found": 1}


def test_nothing_is_told_of_the_host(tmp_path: Path) -> None:
    with serving(tmp_path) as served, socket.socket(socket.AF_UNIX) as plain:
        plain.connect(str(served.path))
        plain.sendall(b"GET /evolve/budget HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        head = plain.makefile("rb").read().partition(b"\r\n\r\n")[0].lower()
    names = {line.partition(b":")[0] for line in head.split(b"\r\n")[1:]}
    assert names == {b"content-length", b"content-type", b"connection"}


def test_a_scaffolds_headers_never_reach_the_endpoint(tmp_path: Path, upstream: Upstream) -> None:
    upstream.script({**says(streamed=False), "headers": {"x-endpoint": "secret"}})
    door = Door("opaque", "Mend it.", "/work", 7, SPEC, Limits())
    with Gateway(door, OpenAIModel(upstream.spec()), FolderWorkspace(tmp_path), tmp_path) as served:
        connection = http.client.HTTPConnection("gateway", timeout=20)
        connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.sock.connect(str(served.path))
        sent = {"X-Mine": "1", "Authorization": "Bearer mine", "OpenAI-Organization": "mine", "Cookie": "a=b"}
        connection.request("POST", "/v1/chat/completions?x=mine", json.dumps({"messages": [USER]}), sent)
        response = connection.getresponse()
        assert response.status == 200 and "secret" not in str(response.getheaders())
        connection.close()
    sent = upstream.requests()[0]["headers"]
    assert "mine" not in json.dumps(sent).lower() and "x-mine" not in sent
    assert sent["authorization"] == "Bearer none"


def wait_until(true: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.02)


def was_closed(connection: socket.socket) -> bool:
    """Whether the other side has closed it without a word."""
    with contextlib.suppress(BlockingIOError):
        return connection.recv(1, socket.MSG_DONTWAIT) == b""
    return False


def test_thousands_of_connections_cost_no_more_than_some(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        held: list[socket.socket] = []
        for _ in range(3 * MAX_CONNECTIONS):
            held.append(socket.socket(socket.AF_UNIX))
            held[-1].connect(str(served.path))
        connections = served._server.server_state.connections
        # Each one is accepted, and those too many are closed.
        wait_until(lambda: sum(was_closed(one) for one in held) >= 2 * MAX_CONNECTIONS)
        assert len(connections) <= MAX_CONNECTIONS
        for one in held:
            one.close()
        wait_until(lambda: len(connections) < MAX_CONNECTIONS)
        assert chat(served)[0] == 200
    assert served.fault is None


def test_a_head_that_never_ends_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "HEAD_SECONDS", 0.4)
    with serving(tmp_path) as served, socket.socket(socket.AF_UNIX) as slow:
        slow.connect(str(served.path))
        slow.settimeout(5)
        started = time.monotonic()
        with contextlib.suppress(OSError):
            while time.monotonic() < started + 5:
                slow.sendall(b"G")
                time.sleep(0.05)
        assert time.monotonic() < started + 3
        assert chat(served)[0] == 200


def test_a_long_call_is_not_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "HEAD_SECONDS", 0.1)
    with serving(tmp_path) as served:
        assert call(served, "/evolve/run", {"command": "sleep 0.5"})[0] == 200


def test_a_body_that_never_ends_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "BODY_SECONDS", 0.3)
    with serving(tmp_path) as served, socket.socket(socket.AF_UNIX) as slow:
        slow.connect(str(served.path))
        slow.settimeout(5)
        slow.sendall(b"POST /evolve/run HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        assert b" 408 " in slow.recv(65536)


def test_bodies_at_once_are_bounded_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MAX_IN_FLIGHT", 3_000)
    body = {"command": "sleep 1 # " + "x" * 2_000}
    with serving(tmp_path) as served, ThreadPoolExecutor(2) as pool:
        first = pool.submit(call, served, "/evolve/run", body)
        time.sleep(0.3)
        assert code(call(served, "/evolve/run", body)) == (413, "too_large")
        assert first.result()[0] == 200
        assert call(served, "/evolve/run", {"command": "true # " + "x" * 2_000})[0] == 200


def test_a_client_that_goes_away_is_no_fault(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        for text in (b"POST /evolve/run HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{", b"\0\xff\r\n\r\n", b"G"):
            with socket.socket(socket.AF_UNIX) as gone:
                gone.connect(str(served.path))
                gone.sendall(text)
        time.sleep(0.2)
        assert chat(served)[0] == 200
    assert served.fault is None


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a": NaN}',
        b'{"a": [Infinity]}',
        b'{"a": 1e999}',
        b'{"a": ' + b"[" * 200 + b"]" * 200 + b"}",
        b'{"a": [' + b"0," * 150_000 + b"0]}",
        b'{"a": ' + b"9" * 5000 + b"}",
    ],
)
def test_json_that_later_work_would_stumble_over_is_refused(raw: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        parse_body(raw)
    assert caught.value.status == 400


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
TOOL_NAMES = st.sampled_from(["edit", "read_file", "run_tests", "shell"]) | st.text(max_size=5)
TOOL_ARGUMENTS = st.text(max_size=9) | st.dictionaries(
    st.sampled_from(["path", "old", "new", "line", "command"]), JSON, max_size=4
)
HOSTILE_MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "tool", "system"]) | JSON},
    optional={
        "content": JSON, "tool_call_id": JSON | st.just("call_1"),
        "tool_calls": JSON | st.lists(st.builds(tool_call, TOOL_NAMES, TOOL_ARGUMENTS), max_size=2),
    },
)  # fmt: skip


@pytest.fixture(scope="module")
def embedded_gateway(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("embedded")
    door = Door("opaque", "Mend it.", "/work", 7, ModelSpec("embedded"), Limits(calls=10**6, tokens=10**9, seconds=900))
    with Gateway(door, EmbeddedModel(), Deaf(), folder) as served:
        yield served


class Deaf:
    """Runs nothing: what a fuzzer writes is no command for this machine."""

    def run(self, command: str, timeout: float = 30.0, stdin: bytes = b"") -> CommandResult:
        command.encode()
        return CommandResult(0, b"", b"")


@settings(max_examples=60, deadline=None)
@given(st.lists(HOSTILE_MESSAGE | JSON, max_size=4), st.dictionaries(st.sampled_from([*ALLOWED, "max_tokens"]), JSON))
def test_no_chat_request_makes_a_fault(embedded_gateway: Gateway, messages: list[Any], others: dict[str, Any]) -> None:
    embedded_gateway.fault = None
    status, _ = call(embedded_gateway, "/v1/chat/completions", {**others, "messages": messages})
    assert status in (200, 400) and embedded_gateway.fault is None, embedded_gateway.fault


def test_deep_arguments_of_an_echoed_call_make_no_fault(embedded_gateway: Gateway) -> None:
    embedded_gateway.fault = None
    echoed = {"role": "assistant", "content": None, "tool_calls": [tool_call("edit", "[" * 5000)]}
    answered = {"role": "tool", "tool_call_id": "call_1", "content": "no"}
    assert chat(embedded_gateway, messages=[USER, echoed, answered])[0] == 200
    assert embedded_gateway.fault is None


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(["/evolve/run", "/evolve/read", "/evolve/write"]), st.dictionaries(st.text(max_size=5), JSON))
def test_no_command_request_makes_a_fault(embedded_gateway: Gateway, path: str, body: dict[str, Any]) -> None:
    embedded_gateway.fault = None
    call(embedded_gateway, path, body)
    assert embedded_gateway.fault is None


class MortalWorkspace:
    """Its shell is killed by any command but `true`; a dead one stays dead."""

    def __init__(self, dead: bool) -> None:
        self.dead = dead

    def run(self, command: str, timeout: float = 30.0, stdin: bytes = b"") -> CommandResult:
        if self.dead or command != "true":
            raise ShellDied("the shell ended")
        return CommandResult(0, b"", b"")


@pytest.mark.parametrize("dead", [False, True])
def test_a_command_that_kills_its_shell_is_its_own_doing(tmp_path: Path, dead: bool) -> None:
    door = Door("opaque", "Mend it.", "/work", 7, SPEC, Limits())
    with Gateway(door, ScriptedModel(), MortalWorkspace(dead), tmp_path) as served:
        status, answer = call(served, "/evolve/run", {"command": "kill -9 $PPID"})
    assert (status == 503) is dead and (served.fault is not None) is dead
    assert dead or answer["exit_code"] == 137


@pytest.mark.parametrize(("name", "value"), [("MAX_EVENTS", 3), ("MAX_RECORDED", 600)])
def test_a_flood_of_events_ends_as_a_budget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: int
) -> None:
    monkeypatch.setattr(budget_module, name, value)
    with serving(tmp_path) as served:
        command = {"command": "echo " + "x" * 100}
        statuses = [call(served, "/evolve/run", command)[0] for _ in range(8)]
        assert code(call(served, "/evolve/run", command)) == (403, "budget")
        assert code(chat(served)) == (403, "budget")
    assert statuses == sorted(statuses) and 403 in statuses and 200 in statuses
    assert served.budget.exhausted == "record"
    assert len(served.events) <= 4


def test_the_commands_of_a_trial_may_be_limited(tmp_path: Path) -> None:
    """Reading and writing files are commands too; calls of the model go on."""
    door = Door("opaque", "Mend it.", "/work", 7, SPEC, Limits(commands=2))
    workspace = FolderWorkspace(tmp_path)
    with Gateway(door, ScriptedModel(), workspace, tmp_path) as served:
        assert call(served, "/evolve/budget")[1]["commands"] == 2
        assert call(served, "/evolve/write", {"path": "a.txt", "text": "x"})[0] == 200
        assert call(served, "/evolve/run", {"command": "rm a.txt"})[0] == 200
        for path, body in (("run", {"command": "touch late.txt"}), ("read", {"path": "a.txt"})):
            assert code(call(served, f"/evolve/{path}", body)) == (403, "budget")
        assert chat(served)[0] == 200 and call(served, "/evolve/budget")[1]["commands"] == 0
    assert (served.budget.exhausted, served.budget.usage.commands) == ("commands", 2)
    assert not (tmp_path / "late.txt").exists()


def test_without_a_limit_of_commands_the_budget_has_none(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        assert set(call(served, "/evolve/budget")[1]) == {"calls", "tokens", "usd", "seconds"}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 400), st.integers(1, 400), st.booleans()), max_size=30), st.floats(0, 2))
def test_whatever_is_asked_no_limit_is_passed(asked: list[tuple[int, int, bool]], usd: float) -> None:
    """An endpoint that counts as estimated and keeps to max_tokens; some calls are left running."""
    model = ModelSpec("m", prompt_price=1000.0, completion_price=2000.0)
    budget = TrialBudget(Limits(calls=20, tokens=2000, usd=usd), model, time.monotonic() + 0.05)
    running = []
    for prompt, answer, keep in asked:
        try:
            reservation = budget.reserve(prompt, answer)
        except Refusal:
            continue
        assert 1 <= reservation.answer <= answer
        running.append(reservation)
        if not keep:
            budget.settle(running.pop(), budget.cost(reservation))
    budget.close()
    used = budget.usage
    assert used.calls <= 20 and used.prompt_tokens + used.completion_tokens <= 2000 and used.cost_usd <= usd + 1e-9


def test_calls_of_the_hosts_own_are_billed_and_take_nothing_from_the_scaffold() -> None:
    budget = TrialBudget(
        Limits(calls=2, tokens=2000, usd=0.01), ModelSpec("m", prompt_price=1.0), time.monotonic() + 60
    )
    before = budget.left()
    budget.record_loss(Usage(calls=3, prompt_tokens=5000, cost_usd=0.05))
    after = budget.left()
    assert all(after[name] == pytest.approx(before[name]) for name in ("calls", "tokens", "usd"))
    assert (budget.usage.calls, budget.usage.prompt_tokens, budget.usage.cost_usd) == (3, 5000, 0.05)
    budget.settle(budget.reserve(100, 100), Usage(0, 100, 50, 0.0001))
    assert budget.left()["calls"] == 1 and budget.left()["tokens"] == 1850
