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
    file = _file(spec)
    if (reward := _remembered(file, now())) is not None:
        return Reward(reward, reward)
    found = grade()
    if isinstance(found, Reward):
        _remember(file, found.value, now())
    return found


class RememberedSilence:
    """Whether the task's tests write a reward for a solved task alone, as a trial of the run found lately.

    Args:
        now: Monotonic seconds.
    """

    def __init__(self, spec: TrialSpec, now: Callable[[], float] = time.monotonic) -> None:
        self._file, self._now = _file(spec, "silent-"), now

    def is_known(self) -> bool:
        return _remembered(self._file, self._now()) is not None

    def note(self) -> None:
        _remember(self._file, 0.0, self._now())


def _file(spec: TrialSpec, kind: str = "") -> Path:
    return spec.folder / FOLDER / f"{kind}{spec.task.digest[:32]}-{spec.instance_seed or 0}.json"


def _remember(file: Path, reward: float, at: float) -> None:
    facts = {"reward": reward, "at": at, "boot": boot_id()}
    with disk.convert_os_errors(file):
        file.parent.mkdir(parents=True, exist_ok=True)
    disk.write_atomically(file, json.dumps(facts).encode())


def _remembered(file: Path, now: float) -> float | None:
    try:
        facts = json.loads(file.read_bytes())
        age = now - float(facts["at"])
        fresh = facts["boot"] == boot_id() and 0 <= age <= REMEMBERED_SECONDS
        return float(facts["reward"]) if fresh else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
