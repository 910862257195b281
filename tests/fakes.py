"""Stand-ins that tests share: a model that follows a script, a workspace in a folder, values made quickly."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from evolve.core.records import (
    Limits,
    ModelSpec,
    Outcome,
    SandboxSpec,
    ScaffoldSource,
    Split,
    Task,
    TaskImage,
    TrialResult,
    TrialSpec,
    Usage,
)
from evolve.llm import OnLost
from evolve.sandbox.inside import SAFE_ENV
from evolve.sandbox.shell import CommandResult
from evolve.trial import trajectory
from evolve.trial.self_work import SelfWork, SelfWorkResult

Answer = dict[str, Any] | Exception | Callable[[Mapping[str, Any]], dict[str, Any]]


def tool_call(name: str, arguments: object, call_id: str = "call_1") -> dict[str, Any]:
    """A call as a model gives it; arguments that are text stand as they are."""
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": text}}


def completion(content: str | None = "hello", *calls: dict[str, Any], tokens: int = 10) -> dict[str, Any]:
    """A `chat.completion`; tokens: of the prompt, and as many of the answer."""
    message: dict[str, Any] = {"role": "assistant", "content": content}
    if calls:
        message["tool_calls"] = list(calls)
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": "scripted",
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls" if calls else "stop"}],
        "usage": {"prompt_tokens": tokens, "completion_tokens": tokens, "total_tokens": 2 * tokens},
    }


class ScriptedModel:
    """Gives its answers in order, the last one for ever; an exception is raised, a function is asked."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers) or [completion()]
        self.requests: list[dict[str, Any]] = []

    def complete(self, body: Mapping[str, Any], on_lost: OnLost | None = None) -> dict[str, Any]:
        answer = self.answers[min(len(self.requests), len(self.answers) - 1)]
        self.requests.append(dict(body))
        if isinstance(answer, Exception):
            raise answer
        return answer(body) if callable(answer) else answer


class ProposingModel(ScriptedModel):
    """Gives one answer to each conversation about a proposal, the same when it is to be mended; its lessons are bare.

    `requests` holds what each such conversation began with.
    """

    def complete(self, body: Mapping[str, Any], on_lost: OnLost | None = None) -> dict[str, Any]:
        offered = [tool["function"]["name"] for tool in body["tools"]]
        if "lesson" in offered:
            return completion(None, tool_call("lesson", {"effect": "unclear", "lesson": "It was tried."}))
        if len(body["messages"]) == 2:
            return super().complete(body, on_lost)
        answer = self.answers[min(len(self.requests), len(self.answers)) - 1]
        assert not isinstance(answer, Exception)
        return answer(body) if callable(answer) else answer


class FolderWorkspace:
    """Runs commands with `sh` in a folder of this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, command: str, timeout: float = 30.0, stdin: bytes = b"") -> CommandResult:
        try:
            done = subprocess.run(
                ["sh", "-c", command],
                cwd=self.folder,
                env=os.environ | SAFE_ENV,
                input=stdin,
                capture_output=True,
                timeout=timeout,
            )
        except subprocess.TimeoutExpired:
            return CommandResult(124, b"", b"", timed_out=True)
        return CommandResult(done.returncode, done.stdout, done.stderr)


def task(name: str = "alpha", split: Split = Split.TRAIN, folder: Path = Path("tasks")) -> Task:
    return Task(name, folder / name, split, f"Mend {name}.", "easy", "0" * 64, 60.0, 60.0, SandboxSpec())


def trial_spec(folder: Path = Path("runs/run"), **changes: Any) -> TrialSpec:
    spec = TrialSpec(
        run="20261123-2144-quiet-otter",
        candidate="c" * 40,
        task=task(),
        image=TaskImage("sha256:1", "/work"),
        scaffold=ScaffoldSource(folder / "candidates", "agent.py", "sha256:2"),
        attempt=0,
        seed=7,
        model=ModelSpec("scripted"),
        limits=Limits(),
        sandbox=SandboxSpec(),
        folder=folder,
        owner="run",
    )
    return replace(spec, **changes)


def result(
    name: str = "alpha",
    reward: float | None = 1.0,
    attempt: int = 0,
    outcome: Outcome | None = None,
    **changes: Any,
) -> TrialResult:
    """A trial's result; its outcome follows from the reward unless it is given."""
    if outcome is None:
        outcome = Outcome.INFRA_ERROR if reward is None else Outcome.PASSED if reward == 1 else Outcome.FAILED
    made = TrialResult(
        "c" * 40, name, Split.TRAIN, attempt, 7, outcome, reward, Usage(), "2026-11-23T21:44:00+00:00", 1.5
    )
    return replace(made, **changes)


def chat_event(
    messages: Iterable[Mapping[str, Any]], answer: Mapping[str, Any] | None = None, **content: Any
) -> dict[str, Any]:
    """A chat as a gateway records it; `answer`: a completion; or give `error`."""
    event: dict[str, Any] = {"kind": "chat", "request": {"messages": list(messages)}, **content}
    return event if answer is None else {**event, "response": answer}


def run_event(command: str, exit_code: int = 0, stdout: str = "") -> dict[str, Any]:
    ended = {"exit_code": exit_code, "stdout": stdout, "stderr": "", "timed_out": False, "truncated": False}
    return {"kind": "run", "command": command, "timeout": 30.0, **ended}


def write_event(path: str, text: str = "") -> dict[str, Any]:
    return {"kind": "write", "path": path, "text": text, "exit_code": 0}


class ScoringEvaluator:
    """Stands for the worker processes: a trial's reward is a function of the scaffold's text and the slot."""

    jobs = 2

    def __init__(self, reward: Callable[[str, TrialSpec], float | None]) -> None:
        self.reward = reward
        self.specs: list[TrialSpec] = []
        self.works: list[Callable[[SelfWork], SelfWorkResult]] = []
        self.worked: list[SelfWork] = []

    def measure(
        self,
        specs: Iterable[TrialSpec],
        on_result: Callable[[TrialResult], None],
        may_start: Callable[[], bool] = lambda: True,
    ) -> None:
        for spec in specs:
            if not may_start():
                return
            self.specs.append(spec)
            text = (spec.scaffold.folder / "main.py").read_text()
            on_result(self._result(spec, self.reward(text, spec)))

    def run_one(self, spec: TrialSpec) -> TrialResult:
        """The scaffold comes to a call of the model, unless its text says `CRASH`."""
        text = (spec.scaffold.folder / "main.py").read_text()
        done = self._result(spec, 0.0)
        events = [] if "CRASH" in text else [chat_event([], error={"status": 400, "code": "x", "message": "x"})]
        recording = trajectory.store(spec.folder / "trials" / "once.jsonl.gz", spec.folder.parent, events)
        outcome = Outcome.SCAFFOLD_ERROR if "CRASH" in text else Outcome.FAILED
        return replace(done, outcome=outcome, recording=recording, detail="exit status 1: NameError: CRASH")

    def run_self_work(self, work: SelfWork) -> SelfWorkResult:
        """What the next of `self.works` makes of the files."""
        self.worked.append(work)
        return self.works[min(len(self.worked), len(self.works)) - 1](work)

    def _result(self, spec: TrialSpec, reward: float | None) -> TrialResult:
        outcome = Outcome.INFRA_ERROR if reward is None else Outcome.PASSED if reward == 1 else Outcome.FAILED
        document = {"steps": [{"step_id": 1, "source": "agent", "message": "done", "llm_call_count": 1}]}
        stored = trajectory.store(spec.folder / "trials" / f"{spec.key}.json.gz", spec.folder.parent, [document])
        return TrialResult(
            spec.candidate, spec.task.name, spec.task.split, spec.attempt, spec.seed, outcome, reward,
            Usage(1, 100, 10, 0.01, 1), "2026-11-23T21:44:00+00:00", 0.1, "", stored, stored,
        )  # fmt: skip
