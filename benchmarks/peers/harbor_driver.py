"""Drive Harbor on one task: `harbor_driver.py TASK IMAGE TRIALS REPEATS`; prints JSON on its last line.

Run it with the Python of Harbor's environment. DOCKER_CONFIG must point to a folder with a Compose v2 plugin.
"""

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harbor.agents.base import BaseAgent
from harbor.job import Job
from harbor.models.job.config import JobConfig

COMMAND = "echo 42 > answer.txt"
WITH_INIT = "services:\n  main:\n    init: true\n"
SLOW_TRIALS = 2
BASE = "evolve/base:python3"


class Answer(BaseAgent):
    """Runs the single command."""

    @staticmethod
    def name():
        return "answer"

    def version(self):
        return "1"

    async def setup(self, environment):
        pass

    async def run(self, instruction, environment, context):
        await environment.exec(COMMAND)


def prepare(task, image, folder):
    """Copy the task twice, to be built and with its prebuilt image, and write the file that adds an init process.

    Both copies have a network: Harbor refuses `no-network` if it can't pull its probe image.
    """
    built, prebuilt = folder / "built", folder / "prebuilt"
    for copy in (built, prebuilt):
        shutil.copytree(task, copy)
        toml = copy / "task.toml"
        toml.write_text(toml.read_text().replace('"no-network"', '"public"'))
    toml.write_text(toml.read_text().replace("[environment]\n", f'[environment]\ndocker_image = "{image}"\n'))
    base = subprocess.run(["docker", "image", "inspect", BASE], capture_output=True, check=False).returncode == 0
    if base:
        dockerfile = built / "environment" / "Dockerfile"
        dockerfile.write_text(dockerfile.read_text().replace("python:3.11-slim", BASE))
    init = folder / "init.yaml"
    init.write_text(WITH_INIT)
    return built, prebuilt, init


async def run(task, jobs_folder, jobs, trials, extra):
    """Wall-clock seconds per trial of one job; all its trials must pass."""
    name = f"job-{time.monotonic_ns()}"
    config = JobConfig.model_validate(
        {
            "job_name": name,
            "jobs_dir": str(jobs_folder),
            "n_attempts": trials,
            "n_concurrent_trials": jobs,
            "quiet": True,
            "environment": {"type": "docker", "extra_docker_compose": [str(path) for path in extra]},
            "agents": [{"import_path": "harbor_driver:Answer"}],
            "tasks": [{"path": str(task)}],
        }
    )
    job = await Job.create(config)
    began = time.monotonic()
    await job.run()
    seconds = time.monotonic() - began
    check(jobs_folder / name, trials)
    return seconds / trials


def check(folder, trials):
    results = [json.loads(path.read_text()) for path in folder.glob("*/result.json")]
    rewards = [((result.get("verifier_result") or {}).get("rewards") or {}).get("reward") for result in results]
    if rewards != [1.0] * trials:
        raise SystemExit(f"a trial of the trivial task did not pass: {rewards} {results[:1]}")


async def measure(task, image, trials, repeats):
    figures = {"prebuilt image, init": {}, "default settings": {}}
    with tempfile.TemporaryDirectory(prefix="evolve-harbor-") as name:
        folder = Path(name)
        built, prebuilt, init = prepare(Path(task), image, folder)
        for jobs in (1, 2):
            await run(prebuilt, folder / "jobs", jobs, jobs, [init])
            seconds = [await run(prebuilt, folder / "jobs", jobs, trials, [init]) for _ in range(repeats)]
            figures["prebuilt image, init"][str(jobs)] = seconds
        figures["default settings"]["1"] = [await run(built, folder / "jobs", 1, SLOW_TRIALS, [])]
    return figures


def main():
    task, image, trials, repeats = sys.argv[1:]
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)
    with contextlib.redirect_stdout(sys.stderr):
        figures = asyncio.run(measure(task, image, int(trials), int(repeats)))
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
