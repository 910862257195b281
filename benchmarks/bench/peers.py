"""Measure other harnesses on the same trivial task, each with the Python of its own environment."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bench.figures import Figure, figure
from bench.trivial_task import Setup
from evolve.core.text import last_line

DRIVERS = Path(__file__).parent.parent / "peers"
NAMES = ("harbor", "inspect", "mini")
SECONDS = 1800
Peer = dict[str, dict[str, Figure]] | str


def measure(
    folder: Path | None, setup: Setup, trials: int, repeats: int, say: Callable[[str], object]
) -> dict[str, Peer]:
    """Measure every peer.

    Returns:
        For each peer, the seconds per trial by way of running it and number of parallel trials, or why it was skipped.
    """
    figures: dict[str, Peer] = {}
    for name in NAMES:
        python = None if folder is None else folder / name / "bin" / "python"
        if python is None or not python.exists():
            figures[name] = "no environment: see benchmarks/README.md"
        else:
            say(f"{name} ...")
            figures[name] = _run_driver(name, python, setup, trials, repeats)
    return figures


def _run_driver(name: str, python: Path, setup: Setup, trials: int, repeats: int) -> Peer:
    """Run the peer's driver and return its figures, or its error message."""
    command = [str(python), str(DRIVERS / f"{name}_driver.py"), str(setup.task.folder), setup.image.image]
    config = python.parents[2] / "docker"
    environment = {**os.environ, **({"DOCKER_CONFIG": str(config)} if config.is_dir() else {})}
    try:
        done = subprocess.run(
            [*command, str(trials), str(repeats)],
            env=environment,
            cwd=setup.folder,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired:
        return f"did not end within {SECONDS} s"
    if done.returncode != 0:
        return f"failed: {last_line(done.stderr, 'no message')[:200]}"
    return parse_output(done.stdout)


def parse_output(text: str) -> Peer:
    """Parse a driver's last line, {way: {jobs: [seconds per trial, ...]}}."""
    values: Mapping[str, Mapping[str, Any]] = json.loads(text.strip().splitlines()[-1])
    return {way: {jobs: figure(seconds) for jobs, seconds in by_jobs.items()} for way, by_jobs in values.items()}
