"""Compare rules that decide which patch is kept, in simulated campaigns whose true scores are known.

    python benchmarks/gate.py --budget 4000,12000,30000 [--tasks N,N] [--rules A,B] [--mixes A,B] [--seeds N]
                              [--first-seed N] [--jobs N] [--keep FILE] [--summary RULE] [--csv FILE] [--json]
                              [--plot FILE.png]

Every rule plays every mix with every number of tasks and every budget, on the same seeds.
benchmarks/README.md explains the columns.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Collection
from dataclasses import asdict
from pathlib import Path

from bench.figures import rounded
from gates.campaigns import Row, cells, play
from gates.kept import KeptCampaigns
from gates.plot import draw
from gates.rules import RULES
from gates.summary import summary_table, write_rows
from gates.tables import tables
from gates.world import MIXES
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

# The most expensive baseline runs as many attempts on all tasks.
MIN_PASSES = 5
# Two of the rules need a task of each split and more than a first stage of ten.
MIN_TASKS = 12


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Gain and honesty of rules that keep patches, in simulated campaigns.")
    parser.add_argument("--budget", type=numbers, default=[4000, 12000, 30000], help="trials, comma-separated")
    parser.add_argument("--tasks", type=sizes, default=[40], help="tasks of the suite, comma-separated (default 40)")
    parser.add_argument("--rules", type=among(RULES), default=list(RULES), help="default: all")
    parser.add_argument("--mixes", type=among(MIXES), default=list(MIXES), help="default: all")
    parser.add_argument("--seeds", type=positive, default=200, help="campaigns of each kind (default 200)")
    parser.add_argument(
        "--first-seed", type=int, default=0, help="play seeds from this one on, unused by earlier choices"
    )
    parser.add_argument("--jobs", type=positive, default=2, help="worker processes (default 2)")
    parser.add_argument("--keep", type=Path, metavar="FILE", help="write campaigns there, and don't play them again")
    parser.add_argument(
        "--summary", choices=RULES, metavar="RULE", help="instead of the tables, a line for each cell of this rule"
    )
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write all rows there, too")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON, and the tables to stderr")
    parser.add_argument("--plot", type=Path, metavar="FILE.png", help="draw gain and inflation by budget")
    given = parser.parse_args(arguments)
    if min(given.budget) < MIN_PASSES * max(given.tasks):
        parser.error(
            f"--budget: measuring the seed on {max(given.tasks)} tasks takes {MIN_PASSES * max(given.tasks)} trials"
        )
    if given.summary and given.summary not in given.rules:
        parser.error(f"--summary: {given.summary} is not among --rules")
    for option, file in (("--plot", given.plot), ("--keep", given.keep), ("--csv", given.csv)):
        if file and not file.resolve().parent.is_dir():
            parser.error(f"{option}: no such folder: {file.parent}")
    return given


def among(known: Collection[str]) -> Callable[[str], list[str]]:
    """Build a parser of comma-separated names that accepts only known ones."""

    def parse(text: str) -> list[str]:
        names = list(dict.fromkeys(text.split(",")))
        if unknown := [name for name in names if name not in known]:
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; use some of {', '.join(known)}")
        return names

    return parse


def numbers(text: str) -> list[int]:
    """Parse comma-separated positive integers, in ascending order."""
    return sorted({positive(value) for value in text.split(",")})


def sizes(text: str) -> list[int]:
    """Parse comma-separated numbers of tasks."""
    values = numbers(text)
    if values[0] < MIN_TASKS:
        raise argparse.ArgumentTypeError(f"{values[0]} is too small: the rules need {MIN_TASKS} tasks")
    return values


def positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive integer")
    return int(text)


def play_all(given: argparse.Namespace) -> list[Row]:
    """Play all campaigns, with a progress bar on stderr."""
    requested = cells(given.rules, given.mixes, given.budget, given.tasks)
    columns = ("campaigns", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=len(requested) * given.seeds)
        seeds = range(given.first_seed, given.first_seed + given.seeds)
        kept = KeptCampaigns(given.keep) if given.keep else None
        return play(requested, seeds, given.jobs, lambda count: bar.advance(task, count), kept)


def main() -> None:
    given = parse_arguments()
    rows = play_all(given)
    console = Console(file=sys.stderr if given.json else sys.stdout, highlight=False)
    for table in [summary_table(rows, given.summary)] if given.summary else tables(rows):
        console.print(table)
    if given.csv:
        write_rows(rows, given.csv)
    if given.plot:
        draw(rows, given.plot)
    if given.json:
        print(json.dumps({"rows": [rounded(asdict(row)) for row in rows]}, indent=1))


if __name__ == "__main__":
    main()
