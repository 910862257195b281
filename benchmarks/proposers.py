"""Compare proposers: play runs of the same length with each, and report on their rounds.

    python benchmarks/proposers.py [--rounds N] [--seeds N,N] [--proposers A,B] [--json]

Each run is an `evolve run` in the current folder, named `proposers-PROPOSER-SEED`, with the model, scaffold and suite
of the environment. Existing runs are resumed, so the command can be interrupted and repeated; runs that have ended are
only read.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from bench.proposer_rows import Row, build_row, table
from rich.console import Console

from evolve.runs.lookup import DATABASE
from evolve.store import Store

RUNS = Path("runs")
PROPOSERS = ("direct", "self")


def play(proposer: str, seed: int, rounds: int) -> str:
    """Play a run to the given number of rounds and return its name. If it fails, exit with its status."""
    run = f"proposers-{proposer}-{seed}"
    options = ["--run", run, "--rounds", str(rounds), "--seed", str(seed), "--proposer", proposer]
    if status := subprocess.run([sys.executable, "-m", "evolve", "run", *options], stdout=sys.stderr).returncode:
        sys.exit(status)
    return run


def main() -> None:
    parser = argparse.ArgumentParser(description="Rounds, predictions, repeated ideas and digests by proposer.")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--seeds", type=lambda text: [int(seed) for seed in text.split(",")], default=[1, 2, 3])
    parser.add_argument("--proposers", type=lambda text: text.split(","), default=list(PROPOSERS))
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    rows: list[Row] = []
    for seed in given.seeds:
        for proposer in given.proposers:
            run = play(proposer, seed, given.rounds)
            with Store.open(RUNS / DATABASE) as store:
                rows.append(build_row(store, RUNS, run, proposer, seed))
    if given.json:
        print(json.dumps({"rows": [asdict(row) for row in rows]}))
    else:
        Console(highlight=False).print(table(rows))


if __name__ == "__main__":
    main()
