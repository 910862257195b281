"""A run that is to be killed: `victim HOME RUN ROUNDS POINT TIMES`; POINT may be empty.

The whole program but for the containers: lock, loop, gate, git, database and ledger are real. A trial's outcome
is a function of the scaffold's text, the task and the attempt; the model's answers are functions of the request. It
ends with the program's own exit status.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from evolve import llm
from evolve.budget.ledger import SpendingFile
from evolve.budget.metered import Metered
from evolve.cli import main as guarded
from evolve.cli.options import app
from evolve.core.caps import Caps
from evolve.core.config import RunConfig
from evolve.core.gate_config import GateConfig
from evolve.core.records import (  # fmt: skip
    Outcome,
    SandboxSpec,
    Split,
    StoredFile,
    Task,
    TaskImage,
    TrialResult,
    TrialSpec,
    Usage,
    stable_hash,
)
from evolve.executor.evaluate import Evaluator
from evolve.guard import Vocabulary
from evolve.loop.watcher import SilentWatcher
from evolve.runs import opening
from evolve.runs.request import RunRequest
from evolve.sandbox import engine, images
from evolve.suite.tasks import Suite
from evolve.trial import trajectory
from evolve.trial.self_work import SelfWork, SelfWorkResult
from tests.fakes import chat_event, completion, tool_call
from tests.faults import points

NAMES = {Split.TRAIN: 6, Split.VALIDATION: 4, Split.HOLDOUT: 2}
AT = "2026-11-23T21:44:00+00:00"
FILES = {
    "scaffold.toml": 'name = "s"\nentry = "main.py"\nevolvable = ["*.py"]\n',
    "main.py": "LEVEL = 3\n",
}


class Answering:
    """A model whose answers are functions of the request: a level drawn by the seed, and bare lessons."""

    def complete(self, body: Mapping[str, Any], on_lost: object = None) -> dict[str, Any]:
        offered = [tool["function"]["name"] for tool in body.get("tools", [])]
        if "lesson" in offered:
            return completion(None, tool_call("lesson", {"effect": "unclear", "lesson": "It was tried."}))
        if "propose" not in offered:
            return completion("done")
        level, mark = body["seed"] % 9, f"way_{body['seed'] % 97}"
        edit = {"path": "main.py", "old": "", "new": f"LEVEL = {level}\n{mark} = None\n"}
        told = {"hypothesis": f"{mark}: level {level} is better", "prediction": "more pass", "edits": [edit]}
        return completion(None, tool_call("propose", json.dumps(told)))


def play(spec: TrialSpec, spending_file: SpendingFile | None = None) -> TrialResult:
    """The higher the level, the more often a task passes; two calls of the model each."""
    model = Answering() if spending_file is None else Metered(Answering(), spec.model, spending_file, spec.key)
    for _ in range(2):
        model.complete({"messages": [{"role": "user", "content": "x" * 40}], "max_tokens": 10})
    text = (spec.scaffold.folder / "main.py").read_text()
    level = int(text.split("=")[1].split()[0])
    passed = stable_hash(spec.seed, spec.task.name) % 10 < level
    document = {"steps": [{"step_id": 1, "source": "agent", "message": "done", "llm_call_count": 1}]}
    events = [chat_event([], error={"status": 400, "code": "x", "message": "x"})]
    stored: list[StoredFile] = [
        trajectory.store(spec.folder / "trials" / f"{spec.key}.{kind}.gz", spec.folder.parent, lines)
        for kind, lines in (("trajectory", [document]), ("recording", events))
    ]
    return TrialResult(
        spec.candidate, spec.task.name, spec.task.split, spec.attempt, spec.seed,
        Outcome.PASSED if passed else Outcome.FAILED, float(passed), Usage(2, 20, 20, 0.04, 1), AT, 0.1, "", *stored,
    )  # fmt: skip


class Playing(Evaluator):
    """Plays trials here, one after the other."""

    def __init__(self, jobs: int, work: Any, **_: Any) -> None:  # type: ignore[override]
        self.jobs, self._terms = jobs, work.keywords["spending_file"]

    def __enter__(self) -> Playing:
        return self

    def __exit__(self, *_: object) -> None: ...

    def measure(
        self,
        specs: Iterable[TrialSpec],
        on_result: Callable[[TrialResult], None],
        may_start: Callable[[], bool] = lambda: True,
    ) -> None:
        for spec in specs:
            if not may_start():
                return
            on_result(play(spec, self._terms))

    def run_one(self, spec: TrialSpec) -> TrialResult:
        return play(spec)

    def run_self_work(self, work: SelfWork) -> SelfWorkResult:
        raise NotImplementedError


def suite(home: Path) -> Suite:
    tasks = (
        Task(f"{split}-{n:02}", home / "tasks", split, "Mend it.", "easy", "0" * 64, 60.0, 60.0, SandboxSpec())
        for split, count in NAMES.items()
        for n in range(count)
    )
    return Suite(home, tuple(tasks))


def without_containers(patch: pytest.MonkeyPatch) -> None:
    """The parts that speak with an engine, or with an endpoint, do nothing."""
    for module, name, stand_in in (
        (engine, "bring_up", lambda notify: None),
        (engine, "check_runtime", lambda name: None),
        (engine, "sweep", lambda run=None: 0),
        (engine, "sweep_overdue", lambda: 0),
        (engine, "describe", lambda: {"engine": "none"}),
        (images, "base_image", lambda notify: "base"),
        (images, "build_all", lambda tasks, *_: ({task.name: TaskImage("i", "/app") for task in tasks}, {})),
        (opening, "Evaluator", Playing),
        (opening, "vocabulary_of", lambda *_: Vocabulary()),
        (llm, "open_model", lambda spec, **_: Answering()),
    ):
        patch.setattr(module, name, stand_in)


def play_run(home: Path, run: str, rounds: int) -> None:
    """What `evolve run` does, without what it shows."""
    with opening.open_run(order(home, run), suite(home), SilentWatcher()) as search:
        search.run_rounds(rounds)


def order(home: Path, run: str) -> RunRequest:
    config = RunConfig(
        scaffold=home / "scaffold", suite=home / "tasks", model="scripted", prompt_price=1000.0,
        completion_price=1000.0, score_attempts=1, holdout_attempts=1,
        # So few validation tasks would hardly ever support a stack.
        gate=GateConfig.model_validate({"ablate_every": 5, "passes": (1, 2), "risk": 0.2, "generalise": False}),
    )  # fmt: skip
    return RunRequest(config, home / "runs", run, 2, Caps())


@app.command("victim", hidden=True)
def victim(home: Path, run: str, rounds: int, point: str, times: int) -> None:
    patch = pytest.MonkeyPatch()
    without_containers(patch)
    if point:
        points.install(patch, point, times)
    play_run(home, run, rounds)


def live(home: Path, log: Path, words: list[str]) -> None:
    """All that this process does; it leads a group of its own, in `home`, and what it says is in `log`."""
    os.setsid()
    os.chdir(home)
    with log.open("wb") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    sys.argv = ["evolve", *words]
    guarded()
