"""What the worker processes of test_evaluate.py do.

Apart from the tests, because each worker imports it: what the tests import would take ten times as long.
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace

from evolve.core.records import Fault, Outcome, TrialResult, TrialSpec, Usage

SHAKY_TRIES = 3


def work(spec: TrialSpec) -> TrialResult:
    """A trial whose course is told by the task's name; each try leaves a line in the run's folder."""
    name, log = spec.task.name, spec.folder / f"{spec.task.name}.log"
    with log.open("a") as file:
        file.write(f"{os.getpid()}\n")
    tries = len(log.read_text().splitlines())
    if name == "dies":
        os._exit(1)
    if name == "dies-once" and tries == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    if name == "hangs-once" and tries == 1:
        time.sleep(600)
    if name == "slow":
        time.sleep(2)
    kind, _, times = name.partition("-")
    if kind in {*Fault} and tries <= int(times):
        return _failed(spec, "no answer", Fault(kind))
    if kind == "grader":
        return _result(spec, Outcome.PASSED, 1.0, str(spec.ungraded))
    if name == "while-out" and (spec.folder / "out").exists():
        return _failed(spec, "no answer", Fault.ENDPOINT)
    if name == "sleeps":
        time.sleep(60)
    if name == "crowd":
        return _refused_in_a_crowd(spec)
    if name == "beside":
        return _result(spec, Outcome.PASSED, 1.0, str(spec.concurrency))
    if name == "broken" or (name == "shaky" and tries < SHAKY_TRIES):
        return _failed(spec, "Traceback\nKeyError: 'x'", Fault.OTHER)
    return _result(spec, Outcome.FAILED if name == "fails" else Outcome.PASSED, float(name != "fails"))


def _refused_in_a_crowd(spec: TrialSpec) -> TrialResult:
    """A trial whose calls are refused while another one runs; its detail is the number of trials that run."""
    at_work = spec.folder / f"at work {spec.attempt}"
    at_work.touch()
    time.sleep(0.1)
    running = len(list(spec.folder.glob("at work *")))
    at_work.unlink()
    usage = Usage(calls=10, retries=5 if running > 1 else 0)
    return replace(_result(spec, Outcome.PASSED, 1.0, str(running)), usage=usage)


def _failed(spec: TrialSpec, detail: str, fault: Fault) -> TrialResult:
    return _result(spec, Outcome.INFRA_ERROR, None, detail, fault)


def _result(
    spec: TrialSpec, outcome: Outcome, reward: float | None, detail: str = "", fault: Fault = Fault.NONE
) -> TrialResult:
    return TrialResult(
        spec.candidate, spec.task.name, spec.task.split, spec.attempt, 7, outcome, reward, Usage(),
        "2026-11-23T21:44:00+00:00", 1.5, detail, fault=fault,
    )  # fmt: skip
