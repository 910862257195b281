"""Format the figures of overhead.py as a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.table import Table

from bench.figures import Figure, ratio

Row = tuple[str, str, str]


def table(figures: Mapping[str, Any]) -> Table:
    table = Table("what", "median (lowest-highest)", "comparison", title="Overhead")
    for row in (*trial_rows(figures), *command_rows(figures), *peer_rows(figures)):
        table.add_row(*row)
    return table


def trial_rows(figures: Mapping[str, Any]) -> Iterator[Row]:
    for jobs, floor in figures["floor_s"].items():
        trial = figures["trial_s"][jobs]
        yield f"containers only (floor), {jobs} in parallel, s", floor.format(3), ""
        yield f"trial, {jobs} in parallel, s", trial.format(3), f"{ratio(trial, floor):.2f} of the floor"


def command_rows(figures: Mapping[str, Any]) -> Iterator[Row]:
    single: Figure = figures["exec_ms"]
    yield "command in its own exec, ms", single.format(1), ""
    for name, value in figures["shell_floor_ms"].items():
        yield f"bare open shell (floor), {name.removeprefix('raw_')}, ms", value.format(2), ""
    for name, value in figures["command_ms"].items():
        yield f"command, {name}, ms", value.format(2), f"1/{single.median / value.median:.0f} of an exec"


def peer_rows(figures: Mapping[str, Any]) -> Iterator[Row]:
    for name, peer in figures["peers"].items():
        if isinstance(peer, str):
            yield name, "skipped", peer
            continue
        for way, by_jobs in peer.items():
            for jobs, value in by_jobs.items():
                trial = figures["trial_s"][jobs]
                yield f"{name}, {way}, {jobs} in parallel, s", value.format(2), f"ours is 1/{ratio(value, trial):.1f}"
