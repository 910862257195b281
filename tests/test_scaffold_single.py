"""The seed scaffold, run as a trial runs it: a process that speaks to a gateway on a Unix socket."""

from __future__ import annotations

import json
import os
import socketserver
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from evolve.embedded import complete
from evolve.sandbox.inside import SAFE_ENV
from tests.fakes import FolderWorkspace

ROOT = Path(__file__).parent.parent
SEED = ROOT / "scaffolds/single"
GOOD = ROOT / "tests/scaffolds/good"
DOOR = ROOT / "evolve/sandbox/files"

BUGGY = (
    'def total(numbers):\n    """The sum."""\n    result = 1\n    for number in numbers:\n'
    "        result += number\n    return result\n"
)
TESTS = (
    "import unittest\n\nfrom sums import total\n\n\nclass SumsTest(unittest.TestCase):\n"
    "    def test_none(self):\n        self.assertEqual(total([]), 0)\n\n"
    "    def test_some(self):\n        self.assertEqual(total([1, 2]), 3)\n"
)

WORDS = "`sums.py` adds one too much. Fix the bug."
Answer = tuple[int, dict[str, Any]]
Model = Callable[[dict[str, Any], int], Answer]


class Gateway:
    """Answers a scaffold; `model` plays the language model, `folder` is the task's working directory."""

    def __init__(self, folder: Path, model: Model, calls: int, words: str = WORDS) -> None:
        self.folder, self.model, self.calls, self.words = folder, model, calls, words
        self.requests: list[dict[str, Any]] = []
        self.written: list[str] = []

    def answer(self, path: str, body: dict[str, Any]) -> Answer:
        if path == "/evolve/task":
            return 200, {"id": "x", "instruction": self.words, "workdir": "/app", "budget": {}}
        if path == "/evolve/budget":
            return 200, {
                "calls": self.calls - len(self.requests),
                "tokens": 1000,
                "usd": 1.0,
                "seconds": 60.0,
            }
        if path == "/v1/chat/completions":
            return self._chat(body)
        return self._container(path, body)

    def _chat(self, body: dict[str, Any]) -> Answer:
        if len(self.requests) >= self.calls:
            return refusal(403, "budget")
        self.requests.append(body)
        return self.model(body, len(self.requests) - 1)

    def _container(self, path: str, body: dict[str, Any]) -> Answer:
        if path == "/evolve/run":
            command = body["command"].replace("/tmp/", f"{self.folder.parent}/")
            done = FolderWorkspace(self.folder).run(command, 20)
            return 200, {
                "exit_code": done.exit_code,
                "stdout": done.stdout.decode(),
                "stderr": done.stderr.decode(),
            }
        file = self.folder / body["path"].replace("/tmp/", f"{self.folder.parent}/")
        if path == "/evolve/write":
            if file.is_relative_to(self.folder):
                self.written.append(body["path"])
            file.write_text(body["text"])
            return 200, {}
        return (200, {"text": file.read_text()}) if file.is_file() else refusal(404, "not_found")


def refusal(status: int, code: str) -> Answer:
    return status, {"error": {"code": code, "message": f"refused: {code}"}}


def calling(name: str, arguments: object = None, raw: str | None = None) -> Answer:
    """An answer that calls one tool."""
    function = {"name": name, "arguments": json.dumps(arguments or {}) if raw is None else raw}
    message = {"role": "assistant", "content": None}
    calls = [{"id": "call_1", "type": "function", "function": function}]
    return 200, {"choices": [{"message": message | {"tool_calls": calls}}]}


@contextmanager
def serving(gateway: Gateway, socket: Path) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        def _reply(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else {}
            status, answer = gateway.answer(self.path, body)
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = _reply

        def log_message(self, format: str, *args: object) -> None:
            pass

        def address_string(self) -> str:
            return "scaffold"

    with socketserver.ThreadingUnixStreamServer(str(socket), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield
        server.shutdown()


def trial(
    tmp_path: Path, model: Model, scaffold: Path = SEED, calls: int = 60
) -> tuple[Gateway, subprocess.CompletedProcess[str]]:
    """Run a scaffold against a model; the project stands in tmp_path/app."""
    folder = tmp_path / "app"
    (folder / "tests").mkdir(parents=True)
    (folder / "sums.py").write_text(BUGGY)
    (folder / "tests/__init__.py").write_text("")
    (folder / "tests/test_sums.py").write_text(TESTS)
    gateway = Gateway(folder, model, calls)
    return gateway, ran(gateway, tmp_path / "s", scaffold)


def ran(gateway: Gateway, socket: Path, scaffold: Path) -> subprocess.CompletedProcess[str]:
    """The scaffold's process, ended."""
    environment = os.environ | SAFE_ENV | {"EVOLVE_SOCKET": str(socket), "PYTHONPATH": str(DOOR)}
    with serving(gateway, socket):
        return subprocess.run(
            [sys.executable, "main.py"],
            cwd=scaffold,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )


def script(*answers: Answer) -> Model:
    return lambda body, index: answers[min(index, len(answers) - 1)]


FIX = {"path": "sums.py", "old": "    result = 1", "new": "    result = 0"}


def said(gateway: Gateway) -> list[str]:
    """What the tools answered, as the model saw it in the last request."""
    return [one["content"] for one in gateway.requests[-1]["messages"] if one["role"] == "tool"]


def test_a_model_that_knows_the_fix_solves_the_task(tmp_path: Path) -> None:
    steps = ("list_files", None), ("read_file", {"path": "sums.py"}), ("run_tests", None), ("edit", FIX)
    model = script(*(calling(*step) for step in steps), calling("run_tests"), calling("submit"))
    gateway, done = trial(tmp_path, model)
    assert done.returncode == 0, done.stderr
    assert "result = 0" in (tmp_path / "app/sums.py").read_text()
    listed, source, failing, edited, passing = said(gateway)
    assert listed.split() == ["./sums.py", "./tests/__init__.py", "./tests/test_sums.py"]
    assert source == BUGGY
    assert "FAIL: test_none" in failing
    assert edited == "edited sums.py"
    assert passing.rstrip().endswith("OK")
    assert len(gateway.requests) == 6


def test_an_edit_that_fails_is_taken_back(tmp_path: Path) -> None:
    model = script(calling("edit", FIX | {"new": "    result = 2"}), calling("run_tests"), calling("submit"))
    gateway, done = trial(tmp_path, model)
    assert done.returncode == 0
    assert "restored" in said(gateway)[-1]
    assert (tmp_path / "app/sums.py").read_text() == BUGGY


def test_the_first_message_holds_the_instruction_and_the_tools_have_schemas(tmp_path: Path) -> None:
    gateway, _ = trial(tmp_path, script(calling("submit")))
    (request,) = gateway.requests
    assert "adds one too much" in request["messages"][1]["content"]
    names = [tool["function"]["name"] for tool in request["tools"]]
    assert names == ["list_files", "read_file", "run_tests", "edit", "submit"]
    assert request["tools"][3]["function"]["parameters"]["required"] == ["path", "old", "new"]


@pytest.mark.parametrize("code", ["budget", "context_length_exceeded"])
def test_a_refusal_ends_it_quietly(tmp_path: Path, code: str) -> None:
    gateway, done = trial(tmp_path, script(calling("run_tests"), refusal(403, code)))
    assert done.returncode == 0, done.stderr
    assert code in done.stdout
    assert len(gateway.requests) == 2


def test_tools_tell_the_model_what_is_wrong(tmp_path: Path) -> None:
    wrong = (
        calling("read_file", {"path": "none.py"}),
        calling("edit", FIX | {"old": "nowhere"}),
        calling("edit", {"path": "sums.py"}),
        calling("fly"),
    )
    gateway, done = trial(tmp_path, script(*wrong, calling("submit")))
    assert done.returncode == 0, done.stderr
    assert all(text.startswith("error: ") for text in said(gateway))
    assert len(said(gateway)) == 4
    assert gateway.written == []


def test_words_without_a_tool_call_are_answered(tmp_path: Path) -> None:
    words = 200, {"choices": [{"message": {"role": "assistant", "content": "Hm."}}]}
    gateway, done = trial(tmp_path, script(words, calling("submit")))
    assert done.returncode == 0
    assert "call one of the tools" in gateway.requests[-1]["messages"][-1]["content"]


def test_it_stops_after_its_steps(tmp_path: Path) -> None:
    gateway, done = trial(tmp_path, script(calling("list_files")))
    assert done.returncode == 0
    assert len(gateway.requests) == 24


def embedded(body: dict[str, Any], index: int) -> Answer:
    return 200, complete(body | {"seed": 100 + index})


@pytest.mark.slow
def test_the_good_scaffold_mends_a_small_fault_with_the_embedded_model(tmp_path: Path) -> None:
    gateway, done = trial(tmp_path, embedded, GOOD)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "app/sums.py").read_text() == BUGGY.replace("result = 1", "result = 0")
    assert len(gateway.requests) < 60


def test_the_good_scaffold_survives_what_it_cannot_read(tmp_path: Path) -> None:
    model = script(calling("edit", raw='{"path": '), calling("edit", {"path": "sums.py"}), calling("edit", FIX))
    gateway, done = trial(tmp_path, model, GOOD)
    assert done.returncode == 0, done.stderr
    assert len(gateway.requests) == 3
    assert "result = 0" in (tmp_path / "app/sums.py").read_text()
