"""Rules that decide which patch is kept, in simulated campaigns whose truth is known.

    python benchmarks/gate.py --budget 4000,12000,30000 [--rules A,B] [--mixes A,B] [--seeds N] [--jobs N]
                              [--json] [--plot FILE.png]

Every rule plays every mix on every budget, on the same seeds. What the columns mean: benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Collection
from dataclasses import asdict
from pathlib import Path

from bench.figures import rounded
from gates.drawn import draw
from gates.playing import Row, cells, play
from gates.rules import RULES
from gates.shown import tables
from gates.world import MIXES
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

# What the dearest baseline costs: five attempts on forty tasks.
LEAST_BUDGET = 200


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Gain and honesty of rules that keep patches, in simulated campaigns.")
    parser.add_argument("--budget", type=budgets, default=[4000, 12000, 30000], help="trials, comma-separated")
    parser.add_argument("--rules", type=among(RULES), default=list(RULES), help="default: all")
    parser.add_argument("--mixes", type=among(MIXES), default=list(MIXES), help="default: all")
    parser.add_argument("--seeds", type=positive, default=200, help="campaigns of each kind (default 200)")
    parser.add_argument("--jobs", type=positive, default=2, help="worker processes (default 2)")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON, and the tables to stderr")
    parser.add_argument("--plot", type=Path, metavar="FILE.png", help="draw gain and inflation by budget")
    given = parser.parse_args(words)
    if given.plot and not given.plot.resolve().parent.is_dir():
        parser.error(f"--plot: {given.plot.parent} is no folder")
    return given


def among(known: Collection[str]) -> Callable[[str], list[str]]:
    """Reads comma-separated names."""

    def names(text: str) -> list[str]:
        found = list(dict.fromkeys(text.split(",")))
        if unknown := [name for name in found if name not in known]:
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: not among {', '.join(known)}")
        return found

    return names


def budgets(text: str) -> list[int]:
    found = sorted({positive(word) for word in text.split(",")})
    if found[0] < LEAST_BUDGET:
        raise argparse.ArgumentTypeError(f"{found[0]}: at least {LEAST_BUDGET} trials, or the seed can't be measured")
    return found


def positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r}: a whole number above 0")
    return int(text)


def played(given: argparse.Namespace) -> list[Row]:
    """All rows, with a bar on stderr meanwhile."""
    wanted = cells(given.rules, given.mixes, given.budget)
    columns = ("campaigns", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=len(wanted) * given.seeds)
        return play(wanted, given.seeds, given.jobs, lambda count: bar.advance(task, count))


def main() -> None:
    given = arguments()
    rows = played(given)
    console = Console(file=sys.stderr if given.json else sys.stdout, highlight=False)
    for table in tables(rows):
        console.print(table)
    if given.plot:
        draw(rows, given.plot)
    if given.json:
        print(json.dumps({"rows": [rounded(asdict(row)) for row in rows]}, indent=1))


if __name__ == "__main__":
    main()
