"""Whether a task's tests can grade an environment in which nothing was done, remembered in the run's folder."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

from evolve.core.records import TrialSpec
from evolve.host import disk
from evolve.host.platform import boot_id
from evolve.trial.reward import Reward
from evolve.trial.settling import Grade

FOLDER = "untouched"
# What the tests need, such as a network, may fail later.
REMEMBERED_SECONDS = 600.0


def remembered_grade(spec: TrialSpec, grade: Callable[[], Grade], now: Callable[[], float] = time.monotonic) -> Grade:
    """Grade the untouched environment, unless another trial of the run at the same task got a reward for it lately.

    Args:
        grade: Grades it once.
        now: Monotonic seconds.

    Raises:
        InfraError: The machine failed.
    """
    file = spec.folder / FOLDER / f"{spec.task.digest[:32]}-{spec.instance_seed or 0}.json"
    if (reward := _remembered(file, now())) is not None:
        return Reward(reward, reward)
    found = grade()
    if isinstance(found, Reward):
        facts = {"reward": found.value, "at": now(), "boot": boot_id()}
        with disk.convert_os_errors(file):
            file.parent.mkdir(parents=True, exist_ok=True)
        disk.write_atomically(file, json.dumps(facts).encode())
    return found


def _remembered(file: Path, now: float) -> float | None:
    try:
        facts = json.loads(file.read_bytes())
        age = now - float(facts["at"])
        fresh = facts["boot"] == boot_id() and 0 <= age <= REMEMBERED_SECONDS
        return float(facts["reward"]) if fresh else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
