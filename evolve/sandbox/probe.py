"""Proof that the limits work on this machine: one throw-away container tries what they must refuse."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from evolve.core.errors import InfraError
from evolve.core.records import SandboxSpec
from evolve.sandbox.container import ScaffoldProcess, probe_container

SOURCE = Path(__file__).with_name("limits_check.py")
SPEC = SandboxSpec(cpus=1.0, memory_mb=64, pids=32, disk_mb=8)
SECONDS = 20


@dataclass(frozen=True)
class LimitCheck:
    """`held`: whether the limit did what it must; `seen`: what was seen of it from within."""

    limit: str
    held: bool
    seen: str


def check_limits(
    image: str, spec: SandboxSpec = SPEC, make: Callable[..., ScaffoldProcess] | None = None
) -> list[LimitCheck]:
    """Each limit of a sandbox, in a few seconds. Raises InfraError where the container does not come to an answer."""
    words = [str(number) for number in (spec.memory_mb, spec.pids, spec.disk_mb)]
    command = ["python3", "-S", "-c", SOURCE.read_text(encoding="utf-8"), *words]
    started = time.monotonic()
    process = (make or probe_container)(f"doctor-{os.getpid()}", image, command, spec, SECONDS)
    try:
        ended = process.ended(SECONDS)
        return _parse_checks(process.output, ended, time.monotonic() - started)
    finally:
        process.kill()


def _parse_checks(output: bytes, ended: bool, seconds: float) -> list[LimitCheck]:
    text = output.decode("utf-8", "replace").strip()
    try:
        found = json.loads(text.splitlines()[-1] if text else "")
        return [LimitCheck(str(name), held is True, str(seen)) for name, (held, seen) in found.items()]
    except (ValueError, TypeError, AttributeError) as error:
        how = "ended" if ended else "was killed"
        said = text[-200:] or "nothing"
        raise InfraError(f"the test container {how} after {seconds:.1f} s without an answer: it said {said}") from error
