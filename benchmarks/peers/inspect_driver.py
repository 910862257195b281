"""Drive Inspect on one task: `inspect_driver.py TASK IMAGE TRIALS REPEATS`; prints JSON on its last line.

Run it with the Python of Inspect's environment. DOCKER_CONFIG must point to a folder with a Compose v2 plugin.
Inspect's check of the engine's version (24.0.6 or newer) is skipped.
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
    """Replace the check of the engine's version."""


@solver
def answer():
    async def solve(state, generate):
        await sandbox().exec(["sh", "-c", COMMAND])
        return state

    return solve


@scorer(metrics=[accuracy()])
def tests(folder):
    """Run the task's own test in the same container, as is usual with Inspect."""

    async def score(state, target):
        await sandbox().exec(["mkdir", "-p", "/tests", "/logs/verifier"])
        await sandbox().write_file("/tests/test.sh", (folder / "tests" / "test.sh").read_text())
        await sandbox().exec(["sh", "/tests/test.sh"])
        return Score(value=float(await sandbox().read_file("/logs/verifier/reward.txt")))

    return score


def run(task, compose, logs, jobs, trials):
    """Wall-clock seconds per sample of one evaluation; all must pass."""
    samples = [Sample(input="Write 42 into answer.txt.", target="1") for _ in range(trials)]
    suite = Task(dataset=samples, solver=answer(), scorer=tests(task), sandbox=("docker", str(compose)), name="answer")
    began = time.monotonic()
    (log,) = eval(suite, model="mockllm/model", max_samples=jobs, max_sandboxes=jobs, log_dir=str(logs), display="none")
    seconds = time.monotonic() - began
    if log.status != "success" or log.results.scores[0].metrics["accuracy"].value != 1:
        raise SystemExit(f"a trial of the trivial task did not pass: {log.status} {log.error}")
    return seconds / trials


def measure(task, image, trials, repeats):
    figures = {}
    with tempfile.TemporaryDirectory(prefix="evolve-inspect-") as name:
        compose = Path(name) / "compose.yaml"
        compose.write_text(COMPOSE.format(image=image))
        for jobs in (1, 2):
            run(task, compose, name, jobs, jobs)
            figures[str(jobs)] = [run(task, compose, name, jobs, trials) for _ in range(repeats)]
    return {"prebuilt image, init": figures}


def main():
    task, image, trials, repeats = sys.argv[1:]
    prereqs.validate_docker_engine = any_engine
    with contextlib.redirect_stdout(sys.stderr):
        figures = measure(Path(task), image, int(trials), int(repeats))
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
