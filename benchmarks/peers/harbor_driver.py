"""Drives Harbor on one task: `harbor_driver.py TASK IMAGE TRIALS REPEATS`; prints JSON on its last line.

Run by the Python of Harbor's environment. DOCKER_CONFIG must lead to a Compose v2 plugin.
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
    """Gives the one command."""

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
    """The task to be built and with its image given, and the file that adds an init process.

    Both have a network: where its probe image can't be pulled, Harbor refuses to go without.
    """
    built, given = folder / "built", folder / "given"
    for copy in (built, given):
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
    return built, given, init


async def run(task, jobs_folder, at_once, trials, extra):
    """Wall-clock seconds per trial of one job; all its trials must pass."""
    name = f"job-{time.monotonic_ns()}"
    config = JobConfig.model_validate(
        {
            "job_name": name,
            "jobs_dir": str(jobs_folder),
            "n_attempts": trials,
            "n_concurrent_trials": at_once,
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
    found = {"image given, init": {}, "as it comes": {}}
    with tempfile.TemporaryDirectory(prefix="evolve-harbor-") as name:
        folder = Path(name)
        built, given, init = prepare(Path(task), image, folder)
        for at_once in (1, 2):
            await run(given, folder / "jobs", at_once, at_once, [init])
            seconds = [await run(given, folder / "jobs", at_once, trials, [init]) for _ in range(repeats)]
            found["image given, init"][str(at_once)] = seconds
        found["as it comes"]["1"] = [await run(built, folder / "jobs", 1, SLOW_TRIALS, [])]
    return found


def main():
    task, image, trials, repeats = sys.argv[1:]
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)
    with contextlib.redirect_stdout(sys.stderr):
        found = asyncio.run(measure(task, image, int(trials), int(repeats)))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
