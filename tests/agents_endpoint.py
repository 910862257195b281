"""A model for coding agents: `python -m tests.agents_endpoint SUITE FILE ANCHOR [--submit]` prints its port.

What it answers depends on the request alone, so that trials may run at once and in any order:

- An agent that has a tool for commands writes the solution of the task whose instruction is in the conversation, runs
  the project's tests, and ends; with `--submit`, by a last command. An agent solves the tasks UNSOLVED only if
  its instructions have the first of RULES; otherwise it looks around and ends.
- An agent that writes blocks of edits itself gets one for the solution, first one that fits nowhere.
- A proposer adds one of RULES before ANCHOR in FILE: the next one that isn't there.
"""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.fakes import completion, tool_call
from tests.upstream import DONE, chunks, event_text

HARD = "lru-cache"
# Tasks that are solved only with the first of RULES: that one, and the sample task of `evolve init`.
UNSOLVED = (HARD, "first-task")
RULES = ("Reproduce the fault before any change.", "Change as little as you can.", "Read each error to its end.")
SUBMIT = "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"
# What an agent says that takes edits from the text of answers, and what it says about edits that fit nowhere.
BLOCKS, MISFIT = "SEARCH/REPLACE", "failed to match"
# The name of the parameter with the command, of each tool that runs one.
SHELLS = {"exec_command": "cmd", "bash": "command", "run_shell_command": "command"}
Body = Mapping[str, Any]


class Scripted:
    """Answers by the request.

    Args:
        suite: Its tasks have one file of Python as their solution.
        file: The file of the scaffold that a proposal changes.
        anchor: What is there once.
        submits: Whether an agent ends by a command.
    """

    def __init__(self, suite: Path, file: str, anchor: str, submits: bool) -> None:
        self.file, self.anchor, self.submits = file, anchor, submits
        self.tasks = {path.parent.name: path.read_text() for path in suite.glob("*/instruction.md")}
        self.solutions = {name: next((suite / name / "solution").glob("*.py")) for name in self.tasks}
        self.suite = suite

    def answer(self, body: Body) -> dict[str, Any]:
        offered = [tool["function"]["name"] for tool in body.get("tools") or ()]
        if "propose" in offered:
            return completion(None, tool_call("propose", self._proposal(text_of(body["messages"]))))
        if "lesson" in offered:
            return completion(None, tool_call("lesson", {"effect": "unclear", "lesson": "It was tried."}))
        shell = next((name for name in SHELLS if name in offered), None)
        if shell is None:
            said = text_of(body["messages"])
            return completion(self._block(said) if BLOCKS in said else "A title")
        commands = self._commands(text_of(body["messages"]))
        done = sum(message["role"] == "tool" for message in body["messages"])
        if done >= len(commands):
            return completion("The work is done.")
        arguments = {SHELLS[shell]: commands[done], "description": "Works on the task", "is_background": False}
        kept = {SHELLS[shell]: commands[done]} if shell == "exec_command" else arguments
        return completion("The next step.", tool_call(shell, kept, f"call_{done + 1}"))

    def _commands(self, said: str) -> list[str]:
        """What an agent does in the task that the conversation is about."""
        task = self._task(said)
        file = self.solutions[task]
        writes = f"cat > {file.name} <<'END'\n{file.read_text()}\nEND"
        return [writes if _solves(task, said) else "ls", "python3 -m unittest -q", *([SUBMIT] if self.submits else [])]

    def _block(self, said: str) -> str:
        """What an agent says in the task that the conversation is about."""
        task = self._task(said)
        if not _solves(task, said):
            return "I have looked around."
        file = self.solutions[task]
        before = next((self.suite / task / "environment").rglob(file.name)).read_text()
        found = before if MISFIT in said else "not there\n"
        block = f"<<<<<<< SEARCH\n{found}=======\n{file.read_text()}>>>>>>> REPLACE"
        return f"The next step.\n\n{file.name}\n```python\n{block}\n```\n"

    def _task(self, said: str) -> str:
        return next(name for name, text in self.tasks.items() if text.splitlines()[0] in said)

    def _proposal(self, said: str) -> dict[str, Any]:
        rule = next((rule for rule in RULES if rule not in said), "Say what you did.")
        edit = {"path": self.file, "old": self.anchor, "new": f"{rule} {self.anchor}"}
        return {"hypothesis": f"It lacks a rule: {rule}", "prediction": "More trials pass.", "edits": [edit]}


def _solves(task: str, said: str) -> bool:
    return task not in UNSOLVED or RULES[0] in said


def text_of(messages: Sequence[Body]) -> str:
    """The text of a conversation."""
    parts = [message.get("content") or "" for message in messages]
    return "\n".join(
        part if isinstance(part, str) else "\n".join(one.get("text", "") for one in part) for part in parts
    )


@contextmanager
def agents_endpoint(suite: Path, file: str, anchor: str, submits: bool) -> Iterator[str]:
    """A process that ends with the block. -> its base URL"""
    words = [str(suite), file, anchor, *(["--submit"] if submits else [])]
    command = [sys.executable, "-m", "tests.agents_endpoint", *words]
    with Popen(command, cwd=Path(__file__).parents[1], stdout=PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        finally:
            process.kill()


def main() -> None:
    suite, file, anchor, *flags = sys.argv[1:]
    scripted = Scripted(Path(suite), file, anchor, "--submit" in flags)

    async def answer(request: Request) -> Response:
        body = json.loads(await request.body())
        whole = scripted.answer(body)
        if not body.get("stream"):
            return JSONResponse(whole)
        return Response("".join(map(event_text, chunks(whole))) + DONE, media_type="text/event-stream")

    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    app = Starlette(routes=[Route("/v1/chat/completions", answer, methods=["POST"])])
    uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off")).run([listener])


if __name__ == "__main__":
    main()
