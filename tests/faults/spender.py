"""What the worker processes of test_spending.py do: calls of a model that are paid from the run's budget."""

from __future__ import annotations

import os
import time

from evolve.budget.ledger import SpendingFile
from evolve.budget.metered import Metered
from evolve.core.records import Outcome, TrialResult, TrialSpec, Usage
from evolve.llm import open_model, usage_of

BODY = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 1000}


def work(spec: TrialSpec, spending_file: SpendingFile) -> TrialResult:
    """Make two calls of the model; the task `second` waits for the file `go` before and makes one."""
    (spec.folder / f"{spec.task.name}.pid").write_text(str(os.getpid()))
    while spec.task.name == "second" and not (spec.folder / "go").exists():
        time.sleep(0.01)
    model, usage = Metered(open_model(spec.model), spec.model, spending_file, spec.key), Usage()
    for _ in range(1 if spec.task.name == "second" else 2):
        usage += usage_of(model.complete(BODY), spec.model, BODY)
    return TrialResult(
        spec.candidate, spec.task.name, spec.task.split, spec.attempt, 7, Outcome.PASSED, 1.0, usage,
        "2026-11-23T21:44:00+00:00", 1.5,
    )  # fmt: skip
