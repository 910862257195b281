"""Other harnesses on the same trivial task, each run by the Python of its own environment."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bench.figures import Figure, figure
from bench.trivial import Scene

DRIVERS = Path(__file__).parent.parent / "peers"
NAMES = ("harbor", "inspect", "mini")
SECONDS = 1800
Peer = dict[str, dict[str, Figure]] | str


def measure(
    folder: Path | None, scene: Scene, trials: int, repeats: int, say: Callable[[str], object]
) -> dict[str, Peer]:
    """By peer: its ways of being run, each with seconds per trial by the number at once; or why it was skipped."""
    found: dict[str, Peer] = {}
    for name in NAMES:
        python = None if folder is None else folder / name / "bin" / "python"
        if python is None or not python.exists():
            found[name] = "no environment: see benchmarks/README.md"
        else:
            say(f"{name} ...")
            found[name] = _driven(name, python, scene, trials, repeats)
    return found


def _driven(name: str, python: Path, scene: Scene, trials: int, repeats: int) -> Peer:
    """What the peer's driver printed; its own words where it failed."""
    command = [str(python), str(DRIVERS / f"{name}_driver.py"), str(scene.task.folder), scene.image.image]
    config = python.parents[2] / "docker"
    environment = {**os.environ, **({"DOCKER_CONFIG": str(config)} if config.is_dir() else {})}
    try:
        done = subprocess.run(
            [*command, str(trials), str(repeats)],
            env=environment,
            cwd=scene.folder,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired:
        return f"did not end within {SECONDS} s"
    if done.returncode != 0:
        return f"failed: {(done.stderr.strip().splitlines() or ['no message'])[-1][:200]}"
    return parsed(done.stdout)


def parsed(text: str) -> Peer:
    """A driver's last line: {way: {jobs: [seconds per trial, ...]}}."""
    values: Mapping[str, Mapping[str, Any]] = json.loads(text.strip().splitlines()[-1])
    return {way: {jobs: figure(seconds) for jobs, seconds in by_jobs.items()} for way, by_jobs in values.items()}
