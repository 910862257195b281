"""What Harbor reads in tasks: `harbor_values.py FOLDER...` prints a JSON object by folder; None: it refuses the task.

Run it with the Python of Harbor's environment. `tests/test_harbor_tasks.py` describes Evolve's tasks in the same form.
"""

from __future__ import annotations

import json
import logging
import sys
import warnings
from pathlib import Path
from typing import Any

from harbor.models.task.artifacts import normalize_artifact_entries
from harbor.models.task.task import Task
from harbor.models.task.verifier_mode import resolve_verifier_environment_definition


def network(policy: Any) -> Any:
    return None if policy is None else [policy.network_mode.value, list(policy.allowed_hosts)]


def user(table: Any, above: Any) -> str:
    found = table.user if table.user is not None else above.user
    return "" if found is None else str(found)


def health(table: Any) -> Any:
    if table is None:
        return None
    times = (table.interval_sec, table.timeout_sec, table.start_period_sec, table.start_interval_sec, table.retries)
    return [table.command, *times]


def environment(table: Any, folder: str = "environment", holds_tests: bool = False) -> dict[str, Any]:
    return {
        "context": folder, "image": table.docker_image or "", "holds_tests": holds_tests, "env": dict(table.env),
        "sizes": [table.cpus, table.memory_mb, table.storage_mb], "workdir": table.workdir or "",
        "build": table.build_timeout_sec, "network": network(table.resolve_baseline()),
        "health": health(table.healthcheck),
    }  # fmt: skip


def artifacts(tables: Any) -> list[Any]:
    found = normalize_artifact_entries(tables)
    return [[one.source, one.destination or "", list(one.exclude), one.service or "main"] for one in found]


def agent(table: Any, above: Any) -> dict[str, Any]:
    seconds = table.timeout_sec if table.timeout_sec is not None else above.timeout_sec
    policy = table.explicit_phase_policy() or above.explicit_phase_policy()
    return {"seconds": seconds, "user": user(table, above), "network": network(policy)}


def verifier(task: Any, step: Any = None) -> dict[str, Any]:
    above = task.config.verifier
    table = step.verifier if step else above
    own = resolve_verifier_environment_definition(task.config, task.paths, step)
    hooks = [*above.collect, *(step.verifier.collect if step else ())]
    return {
        "seconds": table.timeout_sec,
        "env": {**above.env, **table.env},
        "user": user(table, above),
        "network": network(table.explicit_phase_policy() or above.explicit_phase_policy()),
        "collect": [[one.command, one.service, one.timeout_sec, user(one, one)] for one in hooks],
        "environment": own
        and environment(own.config, own.directory.relative_to(task.paths.task_dir).as_posix(), own.bundled_tests),
    }


def step(task: Any, table: Any) -> dict[str, Any]:
    least = table.min_reward
    return {
        "name": table.name, "instruction": task.step_instruction(table.name),
        "agent": agent(table.agent, task.config.agent), "verifier": verifier(task, table),
        "min_reward": {} if least is None else least if isinstance(least, dict) else {"reward": least},
        "health": health(table.healthcheck), "artifacts": artifacts(table.artifacts),
    }  # fmt: skip


def values(folder: str) -> dict[str, Any] | None:
    if not Task.is_valid_dir(folder):
        return None
    task = Task(folder)
    config = task.config
    steps = [step(task, one) for one in config.steps or ()]
    return {
        "instruction": steps[0]["instruction"] if steps else task.instruction,
        "environment": environment(config.environment), "agent": agent(config.agent, config.agent),
        "verifier": verifier(task), "solution": dict(config.solution.env), "artifacts": artifacts(config.artifacts),
        "strategy": config.multi_step_reward_strategy.value if config.multi_step_reward_strategy else "mean",
        "steps": steps,
    }  # fmt: skip


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    folders = [str(Path(name)) for name in sys.argv[1:]]
    print(json.dumps({folder: values(folder) for folder in folders}))
