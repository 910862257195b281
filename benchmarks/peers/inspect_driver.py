"""Drives Inspect on one task: `inspect_driver.py TASK IMAGE TRIALS REPEATS`; prints JSON on its last line.

Run by the Python of Inspect's environment. DOCKER_CONFIG must lead to a Compose v2 plugin. Inspect refuses engines
older than 24.0.6 by a check of the version alone, which is left out here.
"""

import contextlib
import json
import sys
import tempfile
import time
from pathlib import Path

from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.scorer import Score, accuracy, scorer
from inspect_ai.solver import solver
from inspect_ai.util import sandbox
from inspect_ai.util._sandbox.docker import prereqs

COMMAND = "echo 42 > answer.txt"
COMPOSE = """services:
  default:
    image: {image}
    init: true
    command: tail -f /dev/null
    network_mode: none
    working_dir: /app
"""


async def any_engine(*_):
    """Stands for the check of the engine's version."""


@solver
def answer():
    async def solve(state, generate):
        await sandbox().exec(["sh", "-c", COMMAND])
        return state

    return solve


@scorer(metrics=[accuracy()])
def tests(folder):
    """The task's own test, in the same container, as Inspect does it."""

    async def score(state, target):
        await sandbox().exec(["mkdir", "-p", "/tests", "/logs/verifier"])
        await sandbox().write_file("/tests/test.sh", (folder / "tests" / "test.sh").read_text())
        await sandbox().exec(["sh", "/tests/test.sh"])
        return Score(value=float(await sandbox().read_file("/logs/verifier/reward.txt")))

    return score


def run(task, compose, logs, at_once, trials):
    """Wall-clock seconds per sample of one evaluation; all must pass."""
    samples = [Sample(input="Write 42 into answer.txt.", target="1") for _ in range(trials)]
    made = Task(dataset=samples, solver=answer(), scorer=tests(task), sandbox=("docker", str(compose)), name="answer")
    began = time.monotonic()
    (log,) = eval(
        made, model="mockllm/model", max_samples=at_once, max_sandboxes=at_once, log_dir=str(logs), display="none"
    )
    seconds = time.monotonic() - began
    if log.status != "success" or log.results.scores[0].metrics["accuracy"].value != 1:
        raise SystemExit(f"a trial of the trivial task did not pass: {log.status} {log.error}")
    return seconds / trials


def measure(task, image, trials, repeats):
    found = {}
    with tempfile.TemporaryDirectory(prefix="evolve-inspect-") as name:
        compose = Path(name) / "compose.yaml"
        compose.write_text(COMPOSE.format(image=image))
        for at_once in (1, 2):
            run(task, compose, name, at_once, at_once)
            found[str(at_once)] = [run(task, compose, name, at_once, trials) for _ in range(repeats)]
    return {"image given, init": found}


def main():
    task, image, trials, repeats = sys.argv[1:]
    prereqs.validate_docker_engine = any_engine
    with contextlib.redirect_stdout(sys.stderr):
        found = measure(Path(task), image, int(trials), int(repeats))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
