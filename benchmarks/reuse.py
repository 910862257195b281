"""Measure what it brings that the same request gets the same answer, on an endpoint that ignores seeds.

    python benchmarks/reuse.py [--rounds N] [--patches N] [--tasks N] [--attempts N] [--seed N] [--jobs N]
                               [--port N] [--suite DIR] [--folder DIR] [--json]

It plays an `evolve run` with the embedded model, served in a process that draws a seed for each request, and takes the
run's first patches. Each patch and its parent are measured on fresh attempts, the patch once with the parent's answers
and once without; so is a null patch, whose text is its parent's. Per patch it prints the mean paired difference and its
standard deviation over the trials, the tokens that the model was asked for, and the share taken over.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from bench.reuse_rows import Pair, Row, row_of, table
from rich.console import Console

from evolve.core.records import Candidate, Split, StoredFile, TrialResult
from evolve.embedded.knobs import Knobs
from evolve.embedded.server import serve
from evolve.host.listening import listen
from evolve.loop.watcher import SilentWatcher
from evolve.runs import opening
from evolve.runs.identity import resumed_config
from evolve.runs.lookup import DATABASE
from evolve.runs.replay import Replayer
from evolve.runs.request import RunRequest
from evolve.store import Store

RUN = "reuse"
# Beyond those of any tip's own, and nobody's for a reported score.
FIRST_ATTEMPT = 1_000
NULL = "null patch"
Slot = tuple[str, int]
Trials = dict[Slot, TrialResult]


def _serve(port: int) -> None:
    """Serve the embedded model, with answers that heed no seed."""
    serve(listen("127.0.0.1", port), Knobs(heeds_seeds=False))


@contextmanager
def served_model(port: int) -> Iterator[str]:
    """The embedded model behind HTTP, ignoring seeds; its base URL, which is a part of the run."""
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(port,), daemon=True)
    process.start()
    try:
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.kill()


def play(given: argparse.Namespace, url: str) -> None:
    """Play a run, or the rest of it. If it fails, exit with its status."""
    options = {name: getattr(given, name) for name in ("rounds", "seed", "jobs", "suite")}
    options |= {"run": RUN, "runs": given.folder, "model": "embedded", "base-url": url}
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "evolve", "run", *words, "--holdout-attempts", "0", "--score-attempts", "1"]
    if status := subprocess.run(command, stdout=sys.stderr, env=os.environ).returncode:
        sys.exit(status)


class Bench:
    """Trials beside those of a run, none of which is stored in it. `root`: the folder of their files."""

    def __init__(self, replayer: Replayer, root: Path) -> None:
        self._replayer, self._root = replayer, root

    def measure(self, commit: str, label: str, slots: Sequence[Slot], answers: Mapping[Slot, StoredFile]) -> Trials:
        """Measure a commit on each slot, with these recordings' answers."""
        folder, found = self._root / label, Trials()
        specs = self._replayer.specs.trials(commit, slots)
        placed = [
            replace(
                spec, folder=folder, owner=self._replayer.owner, reuse_of=answers.get((spec.task.name, spec.attempt))
            )
            for spec in specs
        ]
        self._replayer.evaluator.measure(
            placed, lambda result: found.update({(result.task, result.attempt): result} if result.counts else {})
        )
        return found

    def rows(self, patches: Sequence[Candidate], slots: Sequence[Slot]) -> Iterator[Row]:
        """Measure each patch; the first one's parent is also measured as a patch of itself."""
        parents: dict[str, Trials] = {}
        for number, patch in enumerate(patches):
            parent = str(patch.parent)
            if parent not in parents:
                parents[parent] = self.measure(parent, f"parent-{parent[:12]}", slots, {})
            known = parents[parent]
            answers = {slot: trial.recording for slot, trial in known.items() if trial.recording}
            if number == 0:
                yield row_of(NULL, self._pair(parent, NULL.replace(" ", "-"), slots, answers, known))
            yield row_of(
                f"round {patch.round}", self._pair(patch.commit, f"patch-{patch.round}", slots, answers, known)
            )

    def _pair(
        self, commit: str, label: str, slots: Sequence[Slot], answers: Mapping[Slot, StoredFile], parent: Trials
    ) -> Pair:
        shared = self.measure(commit, f"{label}-shared", slots, answers)
        return Pair(parent, shared, self.measure(commit, f"{label}-alone", slots, {}))


def measured_rows(folder: Path, given: argparse.Namespace, scratch: Path) -> Iterator[Row]:
    with Store.open(folder / DATABASE) as store:
        stored, candidates = store.run(RUN), store.candidates(RUN)
        tasks = [task.name for task in store.tasks(RUN) if task.split is not Split.HOLDOUT and task.excluded is None]
    assert stored is not None
    attempts = range(FIRST_ATTEMPT, FIRST_ATTEMPT + given.attempts)
    step = max(len(tasks) // given.tasks, 1)
    slots = [(name, attempt) for name in tasks[::step][: given.tasks] for attempt in attempts]
    request = RunRequest(resumed_config(stored, {}, folder), folder, RUN, given.jobs)
    with opening.open_for_replay(request, SilentWatcher()) as replayer:
        yield from Bench(replayer, scratch).rows(candidates[1 : given.patches + 1], slots)


def main() -> None:
    parser = argparse.ArgumentParser(description="Spread of paired differences and tokens, with and without reuse.")
    for name, default in {
        "rounds": 20,
        "patches": 20,
        "tasks": 44,
        "attempts": 1,
        "seed": 3,
        "jobs": 2,
        "port": 8399,
    }.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--suite", type=Path, default=Path("tasks/bugfix"))
    parser.add_argument("--folder", type=Path, default=Path("runs"), help="Results of the run; it is resumed.")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    console, rows = Console(highlight=False), list[Row]()
    with served_model(given.port) as url, tempfile.TemporaryDirectory(prefix="evolve-reuse-") as scratch:
        play(given, url)
        for row in measured_rows(given.folder, given, Path(scratch)):
            rows.append(row)
            print(row, file=sys.stderr, flush=True)
    if given.json:
        print(json.dumps({"rows": [asdict(row) for row in rows]}))
    else:
        console.print(table(rows))


if __name__ == "__main__":
    main()
