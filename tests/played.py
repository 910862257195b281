"""A run of a few rounds with a real repository, database and files, for tests of what looks after them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

from evolve.budget import run_budget
from evolve.core.caps import Caps
from evolve.core.clock import now
from evolve.core.config import RunConfig
from evolve.core.records import Split, TaskImage
from evolve.loop.assembly import assemble
from evolve.loop.watcher import SilentWatcher
from evolve.repo import Lineage
from evolve.store import RunRow, Store
from evolve.suite.tasks import Suite
from tests.fakes import ProposingModel, ScoringEvaluator, completion, task, tool_call

# Of this process alone: other tests may run beside these, and the engine is asked for what belongs to a run.
RUN = f"20261123-2144-otter-{os.getpid()}"
SCAFFOLD = Path("repo/scaffold")
RUNS = Path("runs")


def git(*words: str) -> str:
    """In the repository of the run that lies in the current folder."""
    command = ["git", "-C", "repo", "-c", "user.name=t", "-c", "user.email=t@t", *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _proposal(number: int, old: str, new: str) -> dict[str, Any]:
    words = ["raise the level at once", "lower it beneath the floor", "set another value altogether"][number]
    edits = [{"path": "main.py", "old": f"LEVEL = {old}", "new": f"LEVEL = {new}"}]
    return completion(None, tool_call("propose", {"hypothesis": words, "prediction": words, "edits": edits}))


def play() -> None:
    """In the current folder: round 1 is taken, rounds 2 and 3 are reverted, and the run has ended."""
    SCAFFOLD.mkdir(parents=True)
    (SCAFFOLD / "main.py").write_text("LEVEL = 1\nprint(LEVEL)\n")
    (SCAFFOLD / "scaffold.toml").write_text('name = "s"\nentry = "main.py"\nevolvable = ["*"]\n')
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-qm", "x"]):
        git(*words)
    tasks = tuple(task(f"{split}-{number}", split) for split in (Split.TRAIN, Split.VALIDATION) for number in range(8))
    config = RunConfig(scaffold=SCAFFOLD, model="scripted", prompt_price=1.0, completion_price=1.0)
    with Store.open(RUNS / "evolve.db") as store:
        row = (now(), 0, "{}", "0" * 64, "s", str(SCAFFOLD), "scripted", None, "{}", "0", "/nowhere/.git", None)
        store.create_run(RunRow(RUN, *row), tasks)
        (RUNS / RUN).mkdir()
        (RUNS / RUN / "lock").touch()
        model = ProposingModel(_proposal(0, "1", "2"), _proposal(1, "2", "0"), _proposal(2, "2", "77"))
        search = assemble(
            run=RUN,
            config=config,
            suite=Suite(Path(), tasks),
            store=store,
            lineage=Lineage.open(SCAFFOLD, RUNS / RUN / "lineage.git"),
            evaluator=ScoringEvaluator(lambda text, spec: float("LEVEL = 2" in text)),  # type: ignore[arg-type]
            model_for=lambda what: model,
            budget=run_budget.begin(store, RUN, RUNS / RUN, Caps(), free=False),
            images={one.name: TaskImage("i", "/app") for one in tasks},
            base_image="base",
            folder=RUNS / RUN,
            watcher=SilentWatcher(),
        )
        search.run_rounds(3)
        search.measurer.budget.close()
        store.end_run(RUN, "done", now())
