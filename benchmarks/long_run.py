"""Make a run of thousands of rounds, and measure what every command needs on it.

    python benchmarks/long_run.py make FOLDER [--rounds N] [--trials-a-round N]
    python benchmarks/long_run.py play FOLDER [--rounds N]
    python benchmarks/long_run.py commands FOLDER [--repeats N] [--only A,B]
    python benchmarks/long_run.py compare FOLDER [--rounds N] [--repeats N]

`make` writes a run into an empty folder: the seed scaffold is measured by the real loop, then the rounds are written in
bulk, decided by the real gate, and at the end the real loop resumes the run and measures its champion. `play` resumes
the run for more rounds and prints their cost. `commands` runs every command that reads the run: seconds, CPU seconds
and the most memory, each the median of the repeats, with start-up.

`compare` makes a run of 100 rounds in FOLDER/few and one of N rounds in FOLDER/many, unless they are there. It
measures what resuming them costs, until there is nothing more to do and until the first new trial, and in a copy what
each further round costs.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import os
import resource
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.bulk_rounds import Bulk, FastImport, Trials
from bench.simulated_run import SimulatedExecutor, SimulatedProposer, make_scaffold

import evolve
from evolve.cli import COLLECTED_AFTER
from evolve.core.records import Decision, TrialResult
from evolve.loop.candidates import text_files
from evolve.loop.checkpoint import Checkpoint
from evolve.loop.judging import initial_standing, standing_of
from evolve.loop.watcher import Watcher
from evolve.runs.identity import suite_of_run
from evolve.runs.lookup import open_results, run_row
from evolve.runs.repository import lineage_of
from evolve.runs.stored_config import stored_config
from evolve.store import Store

ROUNDS, FEW = 10_000, 100
# After the first round of a session, in which earlier patches are read once.
COMPARED = 30
DATABASE = "evolve.db"


@dataclass
class CostPrinter:
    """A watcher that prints what each stretch of rounds costs: CPU of this process and of git, and memory."""

    every: int
    rounds: int = 0
    last: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def say(self, text: str) -> None:
        print(f"  {text}", file=sys.stderr)

    def round_started(self, number: int, total: int) -> None: ...
    def trials_planned(self, count: int) -> None: ...
    def trial_done(self, result: TrialResult) -> None: ...
    def budget_left(self, words: str) -> None: ...

    def round_decided(self, number: int, decision: Decision) -> None:
        self.rounds += 1
        if self.rounds == 1:
            self.last = costs()
        elif (self.rounds - 1) % self.every == 0:
            now = costs()
            own, git, seconds = (
                1000 * (after - before) / self.every for before, after in zip(self.last, now, strict=True)
            )
            self.last = now
            print(f"round {number}: {own:.0f} ms own CPU, {git:.0f} ms git, {seconds:.0f} ms; {memory_mb():.0f} MB")


def costs() -> tuple[float, float, float]:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time(), children.ru_utime + children.ru_stime, time.monotonic()


def memory_mb() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:"))


def resume(folder: Path, rounds: int, watcher: Watcher) -> str:
    """Start the run in this folder, or resume it."""
    database, name = folder / "runs" / DATABASE, None
    if database.exists():
        with Store.open(database) as store:
            name = store.runs()[0].id
    run = evolve.run(
        scaffold=folder / "repo" / "scaffold",
        rounds=rounds,
        model="embedded",
        runs=folder / "runs",
        run=name or "new",
        watcher=watcher,
        proposer=SimulatedProposer(),
        executor=SimulatedExecutor(),
    )
    return run.id


def make(folder: Path, rounds: int, trials: int = 0) -> None:
    make_scaffold(folder)
    watcher = CostPrinter(100)
    resume(folder, 0, watcher)
    write_rounds(folder, rounds, trials)
    resume(folder, rounds, watcher)


def write_rounds(folder: Path, rounds: int, least: int = 0) -> None:
    """Write the rounds after those that the newest run has. least: trials of each round, on the average at least."""
    runs = folder / "runs"
    with open_results(runs) as store:
        row = run_row(store, None)
        lineage, config, suite = lineage_of(row, runs), stored_config(row), suite_of_run(row, runs)
        rows, trials, seed = store.rounds(row.id), store.trials(row.id), store.candidates(row.id)[0]

        def texts_of(commit: str) -> dict[str, str]:
            return dict(text_files(lineage, commit))

        initial = initial_standing(suite, config, seed)
        standing = standing_of(row.id, initial, rows, lambda commit: store.trials(row.id, commit), texts_of)
        simulated = Trials(suite, config.seed, {seed.commit: 0.0})
        for trial in trials:
            simulated.known[trial.candidate].append(trial)
        with FastImport(lineage.git_dir, lineage.place.prefix) as git, store._writing.connect() as connection:
            bulk = Bulk(row.id, connection, suite, simulated, git, lambda line: print(line, flush=True), least)
            standing = bulk.play(standing, {seed.commit: texts_of(seed.commit)}, range(len(rows), rounds + 1))
        checkpoint = Checkpoint(row.id, store, runs / row.id, texts_of)
        checkpoint.keep(initial, standing)


@dataclass
class CostOfRounds:
    """A watcher that notes the CPU seconds, also of git, and the number of trials at the end of each round."""

    ends: list[tuple[float, int]] = field(default_factory=list)
    trials: int = 0
    until_trial: float | None = None

    def say(self, text: str) -> None: ...
    def round_started(self, number: int, total: int) -> None: ...
    def trials_planned(self, count: int) -> None:
        if self.until_trial is None:
            self.until_trial = sum(costs()[:2])

    def trial_done(self, result: TrialResult) -> None:
        self.trials += 1

    def budget_left(self, words: str) -> None: ...
    def round_decided(self, number: int, decision: Decision) -> None:
        self.ends.append((sum(costs()[:2]), self.trials))

    def lines(self) -> list[str]:
        """What a round costs at the median, without the first and the last one; and the start."""
        pairs = list(itertools.pairwise(self.ends[:-1]))
        spent = statistics.median(1000 * (after - before) for (before, _), (after, _) in pairs)
        trials = (self.ends[-2][1] - self.ends[0][1]) / len(pairs)
        return [
            f"{self.until_trial:.2f} s CPU until the first new trial",
            f"{spent:.0f} ms CPU a round, {trials:.0f} trials",
        ]


def print_rounds(folder: Path) -> None:
    """Play COMPARED rounds more, and print what they cost."""
    with open_results(folder / "runs") as store:
        newest = store.newest_round(run_row(store, None).id)
    watcher = CostOfRounds()
    resume(folder, newest + COMPARED + 2, watcher)
    for line in watcher.lines():
        print(line)


def compare(folder: Path, rounds: int, repeats: int) -> None:
    """Measure resuming a run, and its next rounds, after few rounds and after many."""
    for name, count in (("few", FEW), ("many", rounds)):
        made = folder / name
        if not made.exists():
            make(made, count)
        print(f"{count} rounds:", flush=True)
        print_commands(made, repeats, ["resume"])
        with tempfile.TemporaryDirectory(dir=folder) as place:
            copy = copy_run(made, Path(place) / name)
            subprocess.run([sys.executable, __file__, "rounds", str(copy)], check=True, stderr=subprocess.DEVNULL)


def copy_run(folder: Path, copy: Path) -> Path:
    """Copy a run with its repository, and let the copy use its own."""
    shutil.copytree(folder, copy)
    with sqlite3.connect(copy / "runs" / DATABASE) as database:
        for column in ("scaffold", "repository", "config"):
            database.execute(f"UPDATE run SET {column} = replace({column}, ?, ?)", (str(folder), str(copy)))
    return copy


def read_commands(folder: Path) -> dict[str, list[str]]:
    """The commands that read the run, by name."""
    with open_results(folder / "runs") as store:
        run = run_row(store, None).id
        newest, champion = store.newest_round(run), store.champion(run).round
    played = [sys.executable, __file__, "play", str(folder), "--rounds", str(newest)]
    words = {
        "help": ["--help"],
        "history": ["history"],
        "history-500": ["history", "--last", "500"],
        "history-json": ["history", "--json"],
        "show": ["show", str(champion)],
        "claim": ["claim"],
        "lineage": ["lineage"],
        "diff": ["diff"],
        "adopt": ["adopt", run, "--branch", f"adopted-{time.time_ns()}"],
        "export": ["export", "--format", "dataset", "--to", str(folder / f"export-{time.time_ns()}"), "--round", "7"],
        "gc": ["gc", "--only", "branches,trajectories,states,exports", "--older-than", "0h"],
        "doctor": ["doctor"],
        "regrade": ["regrade"],
    }
    return {"resume": played} | {name: [sys.executable, "-m", "evolve", *rest] for name, rest in words.items()}


def measure_command(command: Sequence[str], folder: Path) -> tuple[float, float, float]:
    """Seconds, CPU seconds and megabytes of memory at most."""
    began = time.monotonic()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, _, used = os.wait4(process.pid, 0)
    return time.monotonic() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def print_commands(folder: Path, repeats: int, only: Sequence[str]) -> None:
    for name in [*read_commands(folder)]:
        if not only or name in only:
            runs = [measure_command(read_commands(folder)[name], folder) for _ in range(repeats)]
            seconds, cpu, memory = (statistics.median(column) for column in zip(*runs, strict=True))
            print(f"{name:13} {seconds:7.2f} s {cpu:7.2f} s CPU {memory:6.0f} MB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="A run of thousands of rounds, and what commands need on it.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("make", "play", "commands", "compare", "rounds"):
        command = commands.add_parser(name)
        command.add_argument("folder", type=Path)
        command.add_argument("--rounds", type=int, default=ROUNDS)
        command.add_argument("--repeats", type=int, default=3)
        command.add_argument("--trials-a-round", type=int, default=0)
        command.add_argument("--only", type=lambda text: text.split(","), default=[])
    given = parser.parse_args()
    gc.set_threshold(COLLECTED_AFTER)
    folder = given.folder.resolve()
    if given.command == "make":
        folder.mkdir(parents=True)
        make(folder, given.rounds, given.trials_a_round)
    elif given.command == "play":
        resume(folder, given.rounds, CostPrinter(10))
    elif given.command == "compare":
        compare(folder, given.rounds, given.repeats)
    elif given.command == "rounds":
        print_rounds(folder)
    else:
        print_commands(folder, given.repeats, given.only)


if __name__ == "__main__":
    main()
