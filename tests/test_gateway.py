"""The scaffold's door, spoken to over its real Unix socket."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from evolve.core.errors import BadInput, InfraError, RequestRefused
from evolve.core.records import Limits, ModelSpec, Usage, stable_hash
from evolve.sandbox.shell import CommandResult
from evolve.trial.gateway import Door, Gateway
from evolve.trial.gateway.commands import MAX_FILE, READ_BYTES
from evolve.trial.gateway.wire import MAX_BODY
from tests.fakes import Answer, FolderWorkspace, ScriptedModel, completion, tool_call

DOOR = Path(__file__).parents[1] / "evolve" / "sandbox" / "files"
SPEC = ModelSpec("the-model", prompt_price=1000.0, completion_price=1000.0)
USER: Any = {"role": "user", "content": "hi"}
TOOL: Any = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}


@contextmanager
def serving(folder: Path, *answers: Answer, **limits: Any) -> Iterator[Gateway]:
    """A gateway whose socket lies in `folder` and whose commands run in `folder/work`."""
    (folder / "work").mkdir(exist_ok=True)
    door = Door("opaque", "Mend it.", "/work", 7, SPEC, Limits(**limits))
    workspace = FolderWorkspace(folder / "work")
    with Gateway(door, ScriptedModel(*answers), workspace, folder) as served:
        yield served


def model_of(served: Gateway) -> ScriptedModel:
    assert isinstance(served.model, ScriptedModel)
    return served.model


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("gateway", timeout=20)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(str(self.path))


def call(served: Gateway, path: str, body: Any = None) -> tuple[int, Any]:
    """Status and answer; a body of bytes is sent as it is, without one it is a GET."""
    data = body if isinstance(body, bytes | None) else json.dumps(body)
    connection = _Connection(served.path)
    try:
        connection.request("GET" if body is None else "POST", path, data)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def chat(served: Gateway, **body: Any) -> tuple[int, Any]:
    return call(served, "/v1/chat/completions", {"messages": [USER], **body})


def code(answer: tuple[int, Any]) -> tuple[int, str]:
    return answer[0], answer[1]["error"]["code"]


@contextmanager
def client(served: Gateway) -> Iterator[openai.OpenAI]:
    transport = httpx2.HTTPTransport(uds=str(served.path), verify=False)
    with (
        httpx2.Client(transport=transport) as http_client,
        openai.OpenAI(api_key="x", base_url="http://gateway/v1", http_client=http_client, max_retries=0) as made,
    ):
        yield made


def scaffold(served: Gateway, code: str) -> Any:
    """Run code with `evolve_door` as `door` in a process of its own; -> what it leaves in `out`."""
    program = f"import json, evolve_door as door\nout = None\n{code}\nprint(json.dumps(out))"
    env = {**os.environ, "PYTHONPATH": str(DOOR), "EVOLVE_SOCKET": str(served.path)}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_scaffold_does_its_work_through_the_door(tmp_path: Path) -> None:
    called = completion(None, tool_call("look", {"at": "a.txt"}))
    with serving(tmp_path, called) as served:
        out = scaffold(
            served,
            "task = door.task()\n"
            "door.write('sub dir/a.txt', 'h\\u00e9\\n')\n"
            "text = door.read('sub dir/a.txt')\n"
            "r = door.run('cat sub*/a.txt; echo bad >&2; exit 3')\n"
            "slow = door.run('sleep 5', timeout=0.1)\n"
            "message = door.chat([{'role': 'user', 'content': text}], temperature=0.5)\n"
            "try:\n    door.read('gone.txt')\n"
            "except door.DoorError as e:\n    error = [e.status, e.code]\n"
            "out = [task, text, [r.exit_code, r.stdout, r.stderr, r.timed_out], slow.timed_out, message, error,"
            " door.budget()]",
        )
    task, text, ran, slow, message, error, budget = out
    assert {key: task[key] for key in ("id", "instruction", "workdir")} == {
        "id": "opaque",
        "instruction": "Mend it.",
        "workdir": "/work",
    }
    assert text == "hé\n"
    assert ran == [3, "hé\n", "bad\n", False]
    assert slow is True
    assert message["tool_calls"][0]["function"] == {"name": "look", "arguments": '{"at": "a.txt"}'}
    assert error == [404, "not_found"]
    assert (task["budget"]["calls"], budget["calls"], budget["tokens"]) == (Limits().calls, Limits().calls - 1, 399_980)
    kinds = [event["kind"] for event in served.events]
    assert kinds == ["write", "read", "run", "run", "chat", "read"]
    assert served.events[4]["request"]["temperature"] == 0.5
    assert served.events[4]["response"] == called
    assert served.budget.usage == Usage(1, 10, 10, 0.02, 5)


def test_a_message_says_why_it_ends_and_is_handed_back_as_it_came(tmp_path: Path) -> None:
    cut = completion("cut of")
    cut["choices"][0]["finish_reason"] = "length"
    unknown = completion("odd")
    del unknown["choices"][0]["finish_reason"]
    with serving(tmp_path, cut, unknown) as served:
        out = scaffold(
            served,
            "import copy\n"
            "first = door.chat([{'role': 'user', 'content': 'a'}])\n"
            "second = door.chat([first, copy.deepcopy(first)])\n"
            "out = [first.finish_reason, copy.deepcopy(first).finish_reason, second.finish_reason, first, {**first}]",
        )
    message = cut["choices"][0]["message"]
    assert out == ["length", "length", None, message, message]
    assert served.events[1]["request"]["messages"] == [message, message]


def test_the_openai_client_chats_with_tools(tmp_path: Path) -> None:
    with (
        serving(tmp_path, completion(None, tool_call("look", {})), completion("done")) as served,
        client(served) as api,
    ):
        first = api.chat.completions.create(model="any", messages=[USER], tools=[TOOL])
        second = api.chat.completions.create(model="any", messages=[USER])
        names = [model.id for model in api.models.list()]
    assert first.model_dump()["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == "look"
    assert second.choices[0].message.content == "done"
    assert names == ["the-model"]
    assert model_of(served).requests[0]["tools"] == [TOOL]


def test_the_openai_client_streams(tmp_path: Path) -> None:
    answer = completion("hello", tool_call("look", {"at": 1}), tool_call("look", {}, "call_2"))
    with serving(tmp_path, answer) as served, client(served) as api:
        with api.chat.completions.stream(model="any", messages=[USER], tools=[TOOL]) as stream:
            final = stream.get_final_completion()
        asked = {"include_usage": True}
        chunks = list(api.chat.completions.create(model="any", messages=[USER], stream=True, stream_options=asked))
        plain = list(api.chat.completions.create(model="any", messages=[USER], stream=True))
    message = final.choices[0].message
    assert message.content == "hello"
    assert [(c.id, c.function.arguments) for c in message.tool_calls or []] == [
        ("call_1", '{"at": 1}'),
        ("call_2", "{}"),
    ]
    assert final.choices[0].finish_reason == "tool_calls"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 20
    assert all(chunk.choices and chunk.usage is None for chunk in plain)
    assert all("stream" not in request for request in model_of(served).requests)
    assert served.budget.usage.calls == 3


def test_a_refused_request_is_passed_on_and_recorded(tmp_path: Path) -> None:
    refused = RequestRefused(400, "context_length_exceeded", "too long")
    with serving(tmp_path, refused, completion()) as served, client(served) as api:
        with pytest.raises(openai.BadRequestError) as caught:
            api.chat.completions.create(model="any", messages=[USER], stream=True)
        assert chat(served)[0] == 200
    assert caught.value.code == "context_length_exceeded"
    assert caught.value.message.endswith("too long")
    assert served.events[0]["error"] == {"status": 400, "code": "context_length_exceeded", "message": "too long"}
    assert served.budget.usage.calls == 2
    assert served.fault is None


def test_what_the_run_froze_stays_frozen(tmp_path: Path) -> None:
    asked = {
        "model": "better", "seed": 1, "n": 5, "user": "u", "temperature": 0.9, "max_tokens": 10**9,
        "stream": False, "stream_options": {"include_usage": True},
    }  # fmt: skip
    with serving(tmp_path, max_tokens=100) as served:
        chat(served, **asked)
        chat(served, **asked)
        chat(served, max_completion_tokens=50)
        chat(served, max_tokens=-3)
        chat(served)
    requests = model_of(served).requests
    assert requests[0] == {
        "messages": [USER], "model": "the-model", "temperature": 0.9, "max_tokens": 100, "seed": requests[0]["seed"],
    }  # fmt: skip
    assert [request["max_tokens"] for request in requests] == [100, 100, 50, 1, 100]
    assert [r["seed"] for r in requests] == [stable_hash(7, n) & 0x7FFFFFFF for n in range(1, 6)]
    assert [event["request"] for event in served.events] == requests


@pytest.mark.parametrize(
    ("limits", "allowed"),
    [({"calls": 2}, 2), ({"tokens": 120}, 4), ({"usd": 0.12}, 4), ({"usd": 0.0}, 0)],
)
def test_the_budget_ends_the_calls(tmp_path: Path, limits: dict[str, Any], allowed: int) -> None:
    with serving(tmp_path, **limits) as served:
        answers = [chat(served) for _ in range(allowed + 2)]
        assert call(served, "/evolve/run", {"command": "true"})[0] == 200
    assert [status for status, _ in answers] == [200] * allowed + [403] * 2
    assert code(answers[-1]) == (403, "budget")
    assert len(model_of(served).requests) == allowed
    assert served.budget.exhausted == next(iter(limits))
    assert len([event for event in served.events if event["kind"] == "chat"]) == allowed


def test_the_budget_of_time_ends_calls_and_commands(tmp_path: Path) -> None:
    with serving(tmp_path, seconds=0.3) as served:
        cut = call(served, "/evolve/run", {"command": "sleep 9"})
        assert cut[1]["timed_out"] is True
        assert code(chat(served)) == (403, "budget")
        assert code(call(served, "/evolve/run", {"command": "true"})) == (403, "budget")
    assert served.budget.exhausted == "seconds"


def test_a_client_sees_the_budget_as_its_own_error(tmp_path: Path) -> None:
    with serving(tmp_path, calls=1) as served, client(served) as api:
        chat(served)
        with pytest.raises(openai.PermissionDeniedError) as caught:
            api.chat.completions.create(model="any", messages=[USER])
    assert caught.value.code == "budget"


def test_calls_made_at_once_do_not_exceed_the_limit(tmp_path: Path) -> None:
    def slowly(_: Mapping[str, Any]) -> dict[str, Any]:
        time.sleep(0.02)
        return completion()

    with serving(tmp_path, slowly, calls=5) as served, ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(lambda _: chat(served)[0], range(16)))
    assert sorted(statuses) == [200] * 5 + [403] * 11
    assert len(model_of(served).requests) == 5
    assert served.budget.usage.calls == 5
    assert len({request["seed"] for request in model_of(served).requests}) == 5


def test_commands_run_one_at_a_time_beside_chats(tmp_path: Path) -> None:
    reached = threading.Event()

    def wait_for_command(_: Mapping[str, Any]) -> dict[str, Any]:
        assert reached.wait(10)
        return completion()

    with serving(tmp_path, wait_for_command) as served, ThreadPoolExecutor(4) as pool:
        answer = pool.submit(chat, served)
        add = {"command": "n=$(cat n 2>/dev/null || echo 0); sleep 0.02; echo $((n+1)) > n"}
        assert [s for s, _ in pool.map(lambda _: call(served, "/evolve/run", add), range(3))] == [200] * 3
        reached.set()
        assert answer.result()[0] == 200
    assert (tmp_path / "work" / "n").read_text() == "3\n"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", b"{oops"),
        ("/v1/chat/completions", b"[" * 100_000),
        ("/v1/chat/completions", b"[]"),
        ("/v1/chat/completions", b"\xff"),
        ("/v1/chat/completions", {}),
        ("/v1/chat/completions", {"messages": "hi"}),
        ("/v1/chat/completions", {"messages": [USER], "max_tokens": "many"}),
        ("/v1/chat/completions", {"messages": [USER], "max_tokens": [1]}),
        ("/v1/chat/completions", {"messages": [USER], "max_tokens": float("inf")}),
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "\ud800"}]}),
        ("/evolve/run", {"command": "true", "timeout": "long"}),
        ("/evolve/run", {"command": "true", "timeout": float("nan")}),
        ("/evolve/run", {"command": "true", "timeout": None}),
        ("/evolve/run", {"command": "echo \ud800"}),
        ("/evolve/write", {"path": "a", "text": "\ud800"}),
        ("/evolve/write", {"path": "\ud800", "text": ""}),
        ("/evolve/read", {"path": "\udfff"}),
        ("/evolve/replace", {"path": "a", "old": "\ud800", "new": ""}),
    ],
)  # fmt: skip
def test_a_bad_request_is_told_so_and_costs_nothing(tmp_path: Path, path: str, body: Any) -> None:
    with serving(tmp_path) as served:
        assert code(call(served, path, body)) == (400, "invalid_request")
    assert served.budget.usage == Usage()
    assert served.events == []
    assert served.fault is None


def test_what_is_not_writable_is_told_so(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        (tmp_path / "work" / "folder").mkdir()
        assert code(call(served, "/evolve/write", {"path": "folder", "text": "x"})) == (400, "not_writable")
        assert code(call(served, "/evolve/write", {"path": "", "text": "x"})) == (400, "not_writable")


def test_what_is_too_large_is_refused(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        body = json.dumps({"path": "a", "text": "x" * (MAX_FILE + 1)}).encode()
        assert code(call(served, "/evolve/write", body)) == (413, "too_large")
        huge = b" " * (MAX_BODY + 1)
        assert code(call(served, "/v1/chat/completions", huge)) == (413, "too_large")
    assert not (tmp_path / "work" / "a").exists()
    assert served.budget.usage == Usage()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"x" * READ_BYTES, None),
        (b"x" * (READ_BYTES + 1), (413, "too_large")),
        (b"x" * (READ_BYTES - 1) + "é".encode(), (413, "too_large")),
        (b"\xff" * 10, (400, "not_text")),
        ("é".encode("utf-16"), (400, "not_text")),
        (b"caf\xe9\n", (400, "not_text")),
        (b"", None),
        ("é\r\n\0end".encode(), None),
    ],
)
def test_reading_gives_a_whole_text_or_an_error(
    tmp_path: Path, content: bytes, expected: tuple[int, str] | None
) -> None:
    with serving(tmp_path) as served:
        (tmp_path / "work" / "file").write_bytes(content)
        answer = call(served, "/evolve/read", {"path": "file"})
        if expected is None:
            assert answer == (200, {"text": content.decode(), "truncated": False})
        else:
            assert code(answer) == expected and "file" in answer[1]["error"]["message"]
    problem = {"problem": expected[1]} if expected else {}
    (event,) = served.events
    fields = {"kind": "read", "path": "file", "found": True, "bytes": min(len(content), READ_BYTES), **problem}
    assert fields.items() <= event.items() and ("problem" in event) is bool(expected)


def replace(served: Gateway, path: str, old: str, new: str) -> tuple[int, Any]:
    return call(served, "/evolve/replace", {"path": path, "old": old, "new": new})


def test_the_door_replaces_in_files_of_any_size_and_keeps_all_else(tmp_path: Path) -> None:
    big = b"".join(b"line %d\r\n" % number for number in range(80_000)) + b"no end"
    work = tmp_path / "work"
    with serving(tmp_path) as served:
        (work / "in").mkdir()
        (work / "in/big").write_bytes(big)
        (work / "in/big").chmod(0o751)
        (work / "link").symlink_to("in/big")
        (work / "hard").write_text("one\n")
        os.link(work / "hard", work / "twin")
        scaffold(
            served,
            "door.replace('link', 'line 79999\\nno', 'last\\nno')\n"
            "door.replace('in/big', 'line 40000\\n', '')\n"
            "door.replace('hard', 'one', 'two')",
        )
    assert (work / "in/big").read_bytes() == big.replace(b"line 79999", b"last").replace(b"line 40000\r\n", b"")
    assert (work / "in/big").stat().st_mode & 0o777 == 0o751 and (work / "link").is_symlink()
    assert (work / "twin").read_text() == "two\n" and os.listdir(work / "in") == ["big"]
    assert served.budget.usage.commands == 3
    assert [(event["kind"], event["exit_code"]) for event in served.events] == [("replace", 0)] * 3


@pytest.mark.parametrize(
    ("content", "old", "expected", "hint"),
    [
        (b"a b\n", "b\nc", (400, "no_match"), "read the file again"),
        (b"x\n\ta  b\n", "a b", (400, "no_match"), "with other white space it is at line 2"),
        (b"a\nb\na\n", "a", (400, "ambiguous"), "2 times in file, at lines 1, 3"),
        (b"aaa", "aa", (400, "ambiguous"), "2 times"),
        (b"a", "", (400, "invalid_request"), "`old` is empty"),
        (b"a", "NEW", (400, "invalid_request"), "equals `new`"),
        (b"a\xff", "a", (400, "not_text"), "byte 1"),
        ("a".encode("utf-16-le"), "a", (400, "not_text"), "binary"),
        (b"a" * MAX_FILE, "b", (400, "no_match"), "read"),
        (b"a" * (MAX_FILE + 1), "a", (413, "too_large"), "1000001"),
        (b"b" + b"a" * (MAX_FILE - 1), "b", (413, "too_large"), "1000002"),
        (None, "a", (404, "not_found"), "no such file"),
    ],
)
def test_what_can_not_be_replaced_is_an_error_and_nothing_changes(
    tmp_path: Path, content: bytes | None, old: str, expected: tuple[int, str], hint: str
) -> None:
    file = tmp_path / "work" / "file"
    with serving(tmp_path) as served:
        if content is not None:
            file.write_bytes(content)
        answer = replace(served, "file", old, "NEW")
        assert code(answer) == expected and hint in answer[1]["error"]["message"]
    assert (file.read_bytes() if file.exists() else None) == content
    assert [event["problem"] for event in served.events] == [expected[1]] and served.fault is None


@pytest.mark.parametrize(
    "body", [{}, {"path": 1}, {"old": None}, {"new": []}, {"path": "a\nb"}, {"path": "x" * 5000}, {"old": "\0"}]
)
def test_a_malformed_replacement_is_refused_and_costs_nothing(tmp_path: Path, body: dict[str, Any]) -> None:
    with serving(tmp_path) as served:
        whole = {"path": "a", "old": "b", "new": "c", **body} if body else {}
        assert code(call(served, "/evolve/replace", whole)) == (400, "invalid_request")
    assert served.budget.usage == Usage() and served.fault is None


@pytest.mark.parametrize("printed", [b"9" * 60_000, b"-1", b"", b"\xff", b"5\n", b"0"])
def test_a_container_whose_tools_lie_is_no_fault_of_the_machine(tmp_path: Path, printed: bytes) -> None:
    class Lying:
        def run(self, command: str, timeout: float = 30.0, stdin: bytes = b"") -> CommandResult:
            return CommandResult(0, printed if "wc" in command else b"x" * 64_000, b"")

    door = Door("opaque", "Mend it.", "/work", 7, SPEC, Limits())
    with Gateway(door, ScriptedModel(), Lying(), tmp_path) as served:
        status, _ = code(replace(served, "file", "old", "new"))
    assert 400 <= status < 500 and served.fault is None


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    """The disk is full while the new content is written: beside the file, or in its place."""
    failing = "cat() { command cat > /dev/null; echo full >&2; return 1; }; "

    class Full(FolderWorkspace):
        def run(self, command: str, timeout: float = 30.0, stdin: bytes = b"") -> CommandResult:
            return super().run(failing + command if stdin == b"new\n" else command, timeout, stdin)

    file = tmp_path / "file"
    file.write_text("old\n")
    door = Door("opaque", "Mend it.", "/work", 7, SPEC, Limits())
    for links in (1, 2):
        with Gateway(door, ScriptedModel(), Full(tmp_path), tmp_path) as served:
            answer = replace(served, "file", "old", "new")
        assert code(answer) == (400, "not_writable") and "as it was: full" in answer[1]["error"]["message"]
        assert file.read_text() == "old\n" and file.stat().st_nlink == links
        if links == 1:
            os.link(file, tmp_path / "twin")


def test_paths_are_never_taken_for_commands(tmp_path: Path) -> None:
    evil = "$(touch owned); touch owned '\" `touch owned`"
    with serving(tmp_path) as served:
        assert call(served, "/evolve/write", {"path": evil, "text": "x"})[0] == 200
        assert call(served, "/evolve/read", {"path": evil})[1]["text"] == "x"
        assert call(served, "/evolve/write", {"path": "-n", "text": "y"})[0] == 200
    assert sorted(path.name for path in (tmp_path / "work").iterdir()) == sorted([evil, "-n"])


@pytest.mark.parametrize("fault", [InfraError("the endpoint is down"), BadInput("model", "no key", "set it")])
def test_a_fault_of_the_endpoint_is_kept_for_the_trial(tmp_path: Path, fault: Exception) -> None:
    with serving(tmp_path, fault, completion()) as served:
        assert code(chat(served)) == (503, "infrastructure")
        assert chat(served)[0] == 200
    assert served.fault is fault


def test_a_workspace_that_dies_is_a_fault(tmp_path: Path) -> None:
    class Dead:
        def run(self, command: str, timeout: float = 30.0, stdin: bytes = b"") -> CommandResult:
            raise InfraError("the container is gone")

    door = Door("opaque", "Mend it.", "/work", 7, SPEC, Limits())
    with Gateway(door, ScriptedModel(), Dead(), tmp_path) as served:
        assert code(call(served, "/evolve/run", {"command": "true"})) == (503, "infrastructure")
    assert str(served.fault) == "the container is gone"


def test_nothing_tells_the_scaffold_which_task_it_has(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        assert set(call(served, "/evolve/task")[1]) == {"id", "instruction", "workdir", "budget"}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_folder_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    door = Door("opaque", "Mend it.", "/work", 7, SPEC, Limits())
    with (
        pytest.raises(InfraError, match="could not listen"),
        Gateway(door, ScriptedModel(), FolderWorkspace(tmp_path), tmp_path / "gone"),
    ):
        pass
