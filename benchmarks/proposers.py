"""What each proposer brings: runs of the same length with each, and what became of their rounds.

    python benchmarks/proposers.py [--rounds N] [--seeds N,N] [--proposers A,B] [--json]

Each run is an `evolve run` in the current folder, called `proposers-PROPOSER-SEED`, with what the environment says of
model, scaffold and suite. One that is there already is gone on with: the same command after an interruption goes on,
and with all runs over it only reads them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from bench.proposed import Row, row_of, table
from rich.console import Console

from evolve.runs.request import DATABASE
from evolve.store import Store

RUNS = Path("runs")
PROPOSERS = ("direct", "self")


def played(proposer: str, seed: int, rounds: int) -> str:
    """The run, with so many rounds over. One that ends otherwise has said why: its exit status is this program's."""
    run = f"proposers-{proposer}-{seed}"
    words = ["--run", run, "--rounds", str(rounds), "--seed", str(seed), "--proposer", proposer]
    if status := subprocess.run([sys.executable, "-m", "evolve", "run", *words], stdout=sys.stderr).returncode:
        sys.exit(status)
    return run


def main() -> None:
    parser = argparse.ArgumentParser(description="Rounds, predictions, repeated ideas and digests by proposer.")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--seeds", type=lambda text: [int(one) for one in text.split(",")], default=[1, 2, 3])
    parser.add_argument("--proposers", type=lambda text: text.split(","), default=list(PROPOSERS))
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    rows: list[Row] = []
    for seed in given.seeds:
        for proposer in given.proposers:
            run = played(proposer, seed, given.rounds)
            with Store.open(RUNS / DATABASE) as store:
                rows.append(row_of(store, RUNS, run, proposer, seed))
    if given.json:
        print(json.dumps({"rows": [asdict(row) for row in rows]}))
    else:
        Console(highlight=False).print(table(rows))


if __name__ == "__main__":
    main()
