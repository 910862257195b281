"""Measure Evolve's seconds per trial and milliseconds per command, through the code that runs use."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from bench.figures import Figure, figure
from bench.trivial_task import Setup
from evolve.core.records import Outcome, TrialResult
from evolve.executor.evaluate import Evaluator
from evolve.sandbox.inside import AGENT
from evolve.sandbox.task_containers import task_container
from evolve.sandbox.task_state import TaskState
from evolve.trial import trajectory

DOOR_TIMES = """
import json, time
import evolve_door as door
door.run(":")
times = []
for _ in range({count}):
    began = time.monotonic()
    door.run({command!r})
    times.append(time.monotonic() - began)
door.write("times.json", json.dumps(times))
"""
BUILTIN, FORKED = ":", "/bin/true"


def trial_seconds(setup: Setup, jobs: int, trials: int, repeats: int) -> Figure:
    """Wall-clock seconds per trial, `jobs` in parallel; each repeat runs `trials` with warm workers."""
    with Evaluator(jobs) as evaluator:
        _time_trials(evaluator, setup, jobs)
        return figure([_time_trials(evaluator, setup, trials) / trials for _ in range(repeats)])


def _time_trials(evaluator: Evaluator, setup: Setup, count: int) -> float:
    results: list[TrialResult] = []
    began = time.monotonic()
    evaluator.measure([setup.spec(number) for number in range(count)], results.append)
    seconds = time.monotonic() - began
    failures = [result for result in results if result.outcome is not Outcome.PASSED]
    if failures:
        raise SystemExit(f"a trial of the trivial task did not pass: {failures[0].outcome}: {failures[0].detail}")
    return seconds


def shell_ms(setup: Setup, count: int) -> dict[str, Figure]:
    """Milliseconds per command through our shell: a builtin, and one that starts a program."""
    state = TaskState(setup.owner, setup.image, setup.task.sandbox)
    container = task_container(state, 120)
    try:
        shell = container.shell(AGENT, setup.image.workdir)
        figures = {
            "builtin": timed_ms(lambda: shell.run(BUILTIN), count),
            "forked": timed_ms(lambda: shell.run(FORKED), count),
        }
        shell.close()
        return figures
    finally:
        container.kill()
        state.remove()


def gateway_ms(setup: Setup, count: int) -> Figure:
    """Milliseconds per command as a scaffold sees it: from its container, through the gateway, to the task's."""
    results: list[TrialResult] = []
    main = DOOR_TIMES.format(count=count, command=FORKED)
    with Evaluator(1) as evaluator:
        evaluator.measure([setup.spec(0, main)], results.append)
    stored = results[0].recording
    if stored is None:
        raise SystemExit(f"the trial that measures the gateway failed: {results[0].detail}")
    event = next(e for e in trajectory.load(setup.folder / stored.path) if e["kind"] == "write")
    return figure([1000 * seconds for seconds in json.loads(event["text"])])


def timed_ms(action: Callable[[], object], count: int) -> Figure:
    """Milliseconds per call over `count` calls, after a warm-up call."""
    action()
    times = []
    for _ in range(count):
        began = time.monotonic()
        action()
        times.append(1000 * (time.monotonic() - began))
    return figure(times)
