"""Overhead of a trial and of a command, beside the engine's floors and beside other harnesses, in one run.

    python benchmarks/overhead.py [--json] [--trials N] [--repeats R] [--peers FOLDER]

Every figure is a median with its smallest and largest value. What each row means: benchmarks/README.md.
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
from bench.shown import table
from bench.trivial import Scene, scene
from rich.console import Console

from evolve.sandbox import engine

COMMANDS = 100


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Seconds per trial and milliseconds per command, with the floors.")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON, and the table to stderr")
    parser.add_argument("--trials", type=int, default=10, help="trials in each repeat (default 10)")
    parser.add_argument("--repeats", type=int, default=5, help="repeats of each measurement (default 5)")
    parser.add_argument("--peers", type=Path, help="folder with the peers' environments: harbor/, inspect/, mini/")
    return parser.parse_args(words)


@contextmanager
def prepared() -> Iterator[Scene]:
    """The trivial task in a folder of its own; nothing is left of it in the engine."""
    owner = f"benchmark-{os.getpid()}"
    with tempfile.TemporaryDirectory(prefix="evolve-benchmark-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        made = scene(folder, owner)
        try:
            yield made
        finally:
            engine.sweep(owner)


def measure(made: Scene, trials: int, repeats: int, folder: Path | None, console: Console) -> dict[str, Any]:
    """All figures. Floors and trials alternate with the number at once, so that a busy moment hits both."""
    trial, floor = {}, {}
    for jobs in (1, 2):
        console.print(f"floor and trials, {jobs} at once ...")
        floor[str(jobs)] = floors.floor_seconds(made, jobs, trials, repeats)
        trial[str(jobs)] = ours.trial_seconds(made, jobs, trials, repeats)
    console.print("commands ...")
    through = ours.shell_ms(made, COMMANDS) | {"gateway": ours.gateway_ms(made, COMMANDS)}
    floor_ms = floors.exec_ms(made, COMMANDS // 4)
    return {
        "trial_s": trial,
        "floor_s": floor,
        "command_ms": through,
        "exec_ms": floor_ms.pop("exec"),
        "shell_floor_ms": floor_ms,
        "peers": peers.measure(folder, made, trials, repeats, console.print),
    }


def main() -> None:
    given = arguments()
    console = Console(file=sys.stderr if given.json else sys.stdout, highlight=False)
    with prepared() as made:
        found = measure(made, given.trials, given.repeats, given.peers, console)
    console.print(table(found))
    if given.json:
        print(json.dumps(rounded(found), indent=1))


if __name__ == "__main__":
    main()
