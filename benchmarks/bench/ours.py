"""Our own seconds per trial and milliseconds per command, through the code that runs use."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from bench.figures import Figure, figure
from bench.trivial import Scene
from evolve.core.records import Outcome, TrialResult
from evolve.executor.evaluate import Evaluator
from evolve.sandbox.container import AGENT, TaskState, task_container
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


def trial_seconds(scene: Scene, jobs: int, trials: int, repeats: int) -> Figure:
    """Wall-clock seconds per trial, `jobs` at once; each repeat runs `trials` with workers that are warm."""
    with Evaluator(jobs) as evaluator:
        _measured(evaluator, scene, jobs)
        return figure([_measured(evaluator, scene, trials) / trials for _ in range(repeats)])


def _measured(evaluator: Evaluator, scene: Scene, count: int) -> float:
    results: list[TrialResult] = []
    began = time.monotonic()
    evaluator.measure([scene.spec(number) for number in range(count)], results.append)
    seconds = time.monotonic() - began
    wrong = [result for result in results if result.outcome is not Outcome.PASSED]
    if wrong:
        raise SystemExit(f"a trial of the trivial task did not pass: {wrong[0].outcome}: {wrong[0].detail}")
    return seconds


def shell_ms(scene: Scene, count: int) -> dict[str, Figure]:
    """Milliseconds per command through our shell: one that needs no program, and one that starts one."""
    state = TaskState(scene.owner, scene.image, scene.task.sandbox)
    container = task_container(state, 120)
    try:
        shell = container.shell(AGENT, scene.image.workdir)
        figures = {
            "builtin": timed_ms(lambda: shell.run(BUILTIN), count),
            "forked": timed_ms(lambda: shell.run(FORKED), count),
        }
        shell.close()
        return figures
    finally:
        container.kill()
        state.remove()


def gateway_ms(scene: Scene, count: int) -> Figure:
    """Milliseconds per command as a scaffold sees it: from its container, through the gateway, to the task's."""
    results: list[TrialResult] = []
    main = DOOR_TIMES.format(count=count, command=FORKED)
    with Evaluator(1) as evaluator:
        evaluator.measure([scene.spec(0, main)], results.append)
    stored = results[0].recording
    if stored is None:
        raise SystemExit(f"the trial that measures the gateway failed: {results[0].detail}")
    written = next(e for e in trajectory.load(scene.folder / stored.path) if e["kind"] == "write")
    return figure([1000 * seconds for seconds in json.loads(written["text"])])


def timed_ms(action: Callable[[], object], count: int) -> Figure:
    """Milliseconds of each of `count` calls, after one that warms up."""
    action()
    times = []
    for _ in range(count):
        began = time.monotonic()
        action()
        times.append(1000 * (time.monotonic() - began))
    return figure(times)
