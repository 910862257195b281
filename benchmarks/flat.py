"""Measure whether the loop's own cost per trial stays constant over a long run.

    python benchmarks/flat.py [--trials N] [--every N] [--jobs N]

Trials and model are stand-ins that cost nothing; loop, git, database and worker processes are real. For each stretch
of trials it prints the CPU milliseconds per trial of the main process and of its git commands, the memory of the main
process, and the memory of the largest worker.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from bench.free_run import TrialWatcher, open_search
from rich.console import Console

ROUNDS = 100_000


class EnoughTrials(Exception):
    """The requested number of trials has run."""


@dataclass
class CostPrinter:
    """Prints a line after every `every` trials; raises EnoughTrials after `total`."""

    total: int
    every: int
    console: Console
    done: int = 0
    last_cpu: tuple[float, float] = field(default_factory=lambda: cpu_seconds())

    def __call__(self) -> None:
        self.done += 1
        if self.done % self.every == 0:
            now = cpu_seconds()
            own, git = (1000 * (after - before) / self.every for before, after in zip(self.last_cpu, now, strict=True))
            self.last_cpu = now
            memory = f"{resident_mb('self'):9.1f} {max(map(resident_mb, worker_ids())):9.1f}"
            self.console.print(f"{self.done:8} {own:12.2f} {git:12.2f} {memory}")
        if self.done >= self.total:
            raise EnoughTrials


def cpu_seconds() -> tuple[float, float]:
    """CPU seconds of this process, and of its children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time(), children.ru_utime + children.ru_stime


def worker_ids() -> list[int]:
    return [process.pid for process in multiprocessing.active_children() if process.pid is not None]


def resident_mb(process: int | str) -> float:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:"))


def main() -> None:
    parser = argparse.ArgumentParser(description="CPU and memory of the loop itself, per stretch of trials.")
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--every", type=int, default=1_000)
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    console = Console(highlight=False)
    console.print("  trials  own CPU, ms  git CPU, ms    RSS, MB  worker, MB")
    printer = CostPrinter(given.trials, given.every, console)
    with tempfile.TemporaryDirectory(prefix="evolve-flat-") as name:
        try:
            with open_search(Path(name), TrialWatcher(printer), given.jobs) as search:
                search.run_rounds(ROUNDS)
        except EnoughTrials:
            pass


if __name__ == "__main__":
    main()
