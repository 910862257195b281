"""A trial's gateway under a scaffold that fills its recording, in a process of its own: prints what that takes.

Arguments: the folder, `weak` or `real`. Output: the bytes of the files that are stored, and of the most memory used.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from evolve.core.records import Limits, ModelSpec
from evolve.trial import room, trajectory
from evolve.trial.conditions import condition_of
from evolve.trial.gateway import Door, Gateway
from evolve.trial.gateway import budget as budget_module
from evolve.trial.recording import NOTHING, Recording
from tests.fakes import FolderWorkspace, completion, trial_spec
from tests.test_gateway import call

# Tried with a quarter of the real bound, which takes a quarter of the time.
BOUND = budget_module.MAX_RECORDED // 4


class ByCharacters(Recording):
    """As a recording was before: its events in memory, and its size in characters."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[Any] = []

    def append(self, event: Mapping[str, Any], times: Sequence[str] = (), host: Mapping[str, Any] = NOTHING) -> int:
        self.events.append(event)
        super().append(event, times, host)
        return len(json.dumps(event, ensure_ascii=False))


class Model:
    def complete(self, body: Mapping[str, Any], on_lost: Any = None) -> dict[str, Any]:
        return completion()


def flood(gateway: Gateway, number: int) -> int:
    """Requests of almost 1 MB whose characters have four bytes each; no two are alike, so they don't compress."""
    drawn = np.random.default_rng(number).integers(0x10000, 0x110000, 240_000, dtype="<u4")
    text = drawn.tobytes().decode("utf-32-le") + "\0"
    data = json.dumps({"messages": [{"role": "user", "content": text}]}, ensure_ascii=False).encode()
    return call(gateway, "/v1/chat/completions", data)[0]


def peak_bytes() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) << 10


def main(folder: Path, weak: bool, bound: int = BOUND) -> None:
    door = Door("opaque", "x", "/work", 7, ModelSpec("m", prompt_price=0, completion_price=0), Limits(10**6, 10**12))
    before = peak_bytes()
    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.object(budget_module, "MAX_RECORDED", bound))
        if weak:
            stack.enter_context(mock.patch("evolve.trial.gateway.server.Recording", ByCharacters))
            stack.enter_context(mock.patch.object(room, "MAX_TEXT", 10**12))
        gateway = stack.enter_context(Gateway(door, Model(), FolderWorkspace(folder), folder))
        numbers = iter(range(10_000))
        with ThreadPoolExecutor(8) as pool:
            while 403 not in pool.map(lambda number: flood(gateway, number), [next(numbers) for _ in range(8)]):
                pass
        spec = trial_spec(folder)
        condition_of(spec, gateway.recording, ("", ""))
        document = trajectory.build(spec, gateway.recording, gateway.budget.usage, "")
        files = [
            trajectory.store(folder / "trajectory.gz", folder, [document]),
            trajectory.store(folder / "recording.gz", folder, gateway.recording),
        ]
    stored = sum((folder / file.path).stat().st_size for file in files)
    print(json.dumps({"stored": stored, "memory": peak_bytes() - before, "exhausted": gateway.budget.exhausted}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] == "weak")
