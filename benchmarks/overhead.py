"""Measure the overhead of a trial and of a command, and compare it with the engine's floors and other harnesses.

    python benchmarks/overhead.py [--json] [--trials N] [--repeats R] [--peers FOLDER]

Every figure is a median with its smallest and largest value. benchmarks/README.md explains the rows.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench import floors, ours, peers
from bench.figures import rounded
from bench.overhead_table import table
from bench.trivial_task import Setup, set_up
from rich.console import Console

from evolve.sandbox import engine

COMMANDS = 100


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Seconds per trial and milliseconds per command, with the floors.")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON, and the table to stderr")
    parser.add_argument("--trials", type=int, default=10, help="trials in each repeat (default 10)")
    parser.add_argument("--repeats", type=int, default=5, help="repeats of each measurement (default 5)")
    parser.add_argument("--peers", type=Path, help="folder with the peers' environments: harbor/, inspect/, mini/")
    return parser.parse_args(arguments)


@contextmanager
def trivial_setup() -> Iterator[Setup]:
    """Set up the trivial task in a temporary folder; remove its containers from the engine at the end."""
    owner = f"benchmark-{os.getpid()}"
    with tempfile.TemporaryDirectory(prefix="evolve-benchmark-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        setup = set_up(folder, owner)
        try:
            yield setup
        finally:
            engine.sweep(owner)


def measure(setup: Setup, trials: int, repeats: int, folder: Path | None, console: Console) -> dict[str, Any]:
    """Measure all figures. Floors and trials alternate, so that a busy moment of the machine affects both."""
    trial, floor = {}, {}
    for jobs in (1, 2):
        console.print(f"floor and trials, {jobs} in parallel ...")
        floor[str(jobs)] = floors.floor_seconds(setup, jobs, trials, repeats)
        trial[str(jobs)] = ours.trial_seconds(setup, jobs, trials, repeats)
    console.print("commands ...")
    command_ms = ours.shell_ms(setup, COMMANDS) | {"gateway": ours.gateway_ms(setup, COMMANDS)}
    floor_ms = floors.exec_ms(setup, COMMANDS // 4)
    return {
        "trial_s": trial,
        "floor_s": floor,
        "command_ms": command_ms,
        "exec_ms": floor_ms.pop("exec"),
        "shell_floor_ms": floor_ms,
        "peers": peers.measure(folder, setup, trials, repeats, console.print),
    }


def main() -> None:
    given = parse_arguments()
    console = Console(file=sys.stderr if given.json else sys.stdout, highlight=False)
    with trivial_setup() as setup:
        figures = measure(setup, given.trials, given.repeats, given.peers, console)
    console.print(table(figures))
    if given.json:
        print(json.dumps(rounded(figures), indent=1))


if __name__ == "__main__":
    main()
