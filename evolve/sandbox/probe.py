"""Checking that the limits work on this machine: a throw-away container tries to exceed them."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from evolve.core.errors import InfraError
from evolve.core.records import SandboxSpec
from evolve.core.text import last_line
from evolve.sandbox.scaffold_container import ScaffoldProcess, probe_container

SOURCE = Path(__file__).with_name("limits_check.py")
SPEC = SandboxSpec(cpus=1.0, memory_mb=64, pids=32, disk_mb=8)
SECONDS = 20


@dataclass(frozen=True)
class LimitCheck:
    """Whether one limit holds, and what a process in the container observed."""

    limit: str
    holds: bool
    observed: str


def check_limits(
    image: str, spec: SandboxSpec = SPEC, make: Callable[..., ScaffoldProcess] | None = None
) -> list[LimitCheck]:
    """Check each limit of a sandbox, in a few seconds. Raises InfraError if the container gives no answer."""
    limits = [str(number) for number in (spec.memory_mb, spec.pids, spec.disk_mb)]
    command = ["python3", "-S", "-c", SOURCE.read_text(encoding="utf-8"), *limits]
    started = time.monotonic()
    process = (make or probe_container)(f"doctor-{os.getpid()}", image, command, spec, SECONDS)
    try:
        ended = process.wait(SECONDS)
        return _parse_checks(process.output, ended, time.monotonic() - started)
    finally:
        process.kill()


def _parse_checks(output: bytes, ended: bool, seconds: float) -> list[LimitCheck]:
    text = output.decode("utf-8", "replace").strip()
    try:
        answer = json.loads(last_line(text))
        return [LimitCheck(str(name), holds is True, str(observed)) for name, (holds, observed) in answer.items()]
    except (ValueError, TypeError, AttributeError) as error:
        end = "ended" if ended else "was killed"
        printed = text[-200:] or "nothing"
        raise InfraError(
            f"the test container {end} after {seconds:.1f} s without an answer; it printed {printed}"
        ) from error
