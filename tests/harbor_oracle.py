"""Run the oracle of Harbor on tasks: `harbor_oracle.py FOLDER TASK...`; the last line is JSON: reward or error by task.

Run it with the Python of Harbor's environment. DOCKER_CONFIG names a folder with a Compose v2 plugin. FOLDER is for the
job's files.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sys
import warnings
from pathlib import Path
from typing import Any

from harbor.job import Job
from harbor.models.job.config import JobConfig

# PID 1 of Harbor's containers ignores the signal that stops it: ten seconds of every trial.
WITH_INIT = "services:\n  main:\n    init: true\n"


def config(folder: Path, tasks: list[str]) -> dict[str, Any]:
    """The job: one attempt at each task, two at once."""
    init = folder / "init.yaml"
    init.write_text(WITH_INIT)
    return {
        "job_name": "oracle",
        "jobs_dir": str(folder),
        "n_attempts": 1,
        "n_concurrent_trials": 2,
        "quiet": True,
        "environment": {"type": "docker", "extra_docker_compose": [str(init)]},
        "agents": [{"name": "oracle"}],
        "tasks": [{"path": task} for task in tasks],
    }


def reward(result: dict[str, Any]) -> float | str:
    """The main reward of a trial, or the kind of its error."""
    rewards = (result.get("verifier_result") or {}).get("rewards")
    if rewards:
        return float(rewards.get("reward", sum(rewards.values()) / len(rewards)))
    steps = [step.get("exception_info") for step in result.get("step_results") or ()]
    errors = [one for one in (result.get("exception_info"), *steps) if one]
    return f"{errors[0]['exception_type']}: {errors[0]['exception_message'][:300]}" if errors else "no reward"


async def run(folder: Path, tasks: list[str]) -> dict[str, float | str]:
    await (await Job.create(JobConfig.model_validate(config(folder, tasks)))).run()
    results = [json.loads(path.read_text()) for path in (folder / "oracle").glob("*/result.json")]
    return {Path(result["config"]["task"]["path"]).name: reward(result) for result in results}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    with contextlib.redirect_stdout(sys.stderr):
        found = asyncio.run(run(Path(sys.argv[1]), sys.argv[2:]))
    print(json.dumps(found))
