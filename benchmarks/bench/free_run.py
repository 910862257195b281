"""A run whose trials and model cost nothing, with the real loop, git, database and worker processes."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from evolve.budget import run_budget
from evolve.core.caps import Caps
from evolve.core.config import RunConfig
from evolve.core.records import (
    Decision,
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
from evolve.llm import OnLost
from evolve.loop.assembly import assemble
from evolve.loop.search import Search
from evolve.repo import Lineage
from evolve.store import RunRow, Store
from evolve.suite.tasks import Suite
from evolve.trial import trajectory

RUN = "20261123-2144-flat-host"
SPLITS = {Split.TRAIN: 28, Split.VALIDATION: 16, Split.HOLDOUT: 4}
SCAFFOLD = {"main.py": "LEVEL = 0\n", "scaffold.toml": 'name = "s"\nentry = "main.py"\nevolvable = ["*.py"]\n'}
STARTED = "2026-11-23T21:44:00+00:00"


def play(spec: TrialSpec) -> TrialResult:
    """Stand in for a trial: a reward by hash, one step, its trajectory on disk."""
    reward = float(stable_hash(spec.seed, spec.candidate, spec.task.name) % 100 < 50)
    step = {"step_id": 1, "source": "agent", "message": "done", "llm_call_count": 1}
    path = spec.folder / "trials" / f"{spec.key}.json.gz"
    stored: StoredFile = trajectory.store(path, spec.folder.parent, [{"steps": [step]}])
    outcome = Outcome.PASSED if reward == 1 else Outcome.FAILED
    return TrialResult(
        spec.candidate, spec.task.name, spec.task.split, spec.attempt, spec.seed, outcome, reward,
        Usage(10, 1000, 100, 1e-6, 20), STARTED, 0.1, "", stored, stored,
    )  # fmt: skip


class CountingModel:
    """A model that always proposes the next number."""

    def __init__(self) -> None:
        self.number = 0

    def complete(self, body: Mapping[str, Any], on_lost: OnLost | None = None) -> dict[str, Any]:
        self.number += 1
        edit = {"path": "main.py", "old": "", "new": f"LEVEL = {self.number}\n"}
        proposal = {"hypothesis": f"{self.number} is better", "prediction": "more pass", "edits": [edit]}
        call = {"id": "1", "type": "function", "function": {"name": "propose", "arguments": json.dumps(proposal)}}
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
        usage = {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20}
        return {
            "id": "1", "object": "chat.completion", "created": 0, "model": "n", "usage": usage,
            "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}],
        }  # fmt: skip


class TrialWatcher:
    """A watcher that calls `on_trial` after each trial."""

    def __init__(self, on_trial: Callable[[], None]) -> None:
        self.on_trial = on_trial

    def say(self, text: str) -> None: ...
    def round_started(self, number: int, total: int) -> None: ...
    def trials_planned(self, count: int) -> None: ...
    def round_decided(self, number: int, decision: Decision) -> None: ...
    def budget_left(self, words: str) -> None: ...

    def trial_done(self, result: TrialResult) -> None:
        self.on_trial()


@contextmanager
def open_search(folder: Path, watcher: TrialWatcher, jobs: int) -> Iterator[Search]:
    """Set up such a run in an empty folder, with a cap in dollars that it never reaches."""
    scaffold = folder / "repo" / "scaffold"
    scaffold.mkdir(parents=True)
    for name, text in SCAFFOLD.items():
        (scaffold / name).write_text(text)
    for words in (["init", "-q"], ["add", "-A"], ["-c", "user.name=b", "-c", "user.email=b@b", "commit", "-qm", "x"]):
        subprocess.run(["git", "-C", str(folder / "repo"), *words], check=True)
    tasks = tuple(_task(f"{split}-{n:02}", split, folder) for split, count in SPLITS.items() for n in range(count))
    config = RunConfig(scaffold=scaffold, model="numbering", prompt_price=1.0, completion_price=1.0)
    with Store.open(folder / "runs" / "evolve.db") as store, Evaluator(jobs, play) as evaluator:
        store.create_run(RunRow(RUN, STARTED, 0, "{}", "0" * 64, "s", "s", "n", None, "{}", "0", "r", None), tasks)
        model = CountingModel()
        yield assemble(
            run=RUN,
            config=config,
            suite=Suite(folder, tasks),
            store=store,
            lineage=Lineage.open(scaffold, folder / "own.git"),
            evaluator=evaluator,
            model_for=lambda what: model,
            budget=run_budget.begin(store, RUN, folder / "runs" / RUN, Caps(usd=1e6), free=False),
            images={task.name: TaskImage("i", "/app") for task in tasks},
            base_image="base",
            folder=folder / "runs" / RUN,
            watcher=watcher,
        )


def _task(name: str, split: Split, folder: Path) -> Task:
    return Task(name, folder / name, split, f"Mend {name}.", "easy", "0" * 64, 60.0, 60.0, SandboxSpec())
