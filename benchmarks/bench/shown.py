"""The figures as a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.table import Table

from bench.figures import Figure, ratio

Row = tuple[str, str, str]


def table(found: Mapping[str, Any]) -> Table:
    made = Table("what", "median (lowest-highest)", "beside it", title="Overhead")
    for row in (*trial_rows(found), *command_rows(found), *peer_rows(found)):
        made.add_row(*row)
    return made


def trial_rows(found: Mapping[str, Any]) -> Iterator[Row]:
    for jobs, floor in found["floor_s"].items():
        trial = found["trial_s"][jobs]
        yield f"three containers alone, {jobs} at once, s", floor.shown(3), ""
        yield f"a trial, {jobs} at once, s", trial.shown(3), f"{ratio(trial, floor):.2f} of the floor"


def command_rows(found: Mapping[str, Any]) -> Iterator[Row]:
    alone: Figure = found["exec_ms"]
    yield "a command by an exec of its own, ms", alone.shown(1), ""
    for name, value in found["shell_floor_ms"].items():
        yield f"a bare shell kept open, {name.removeprefix('raw_')}, ms", value.shown(2), ""
    for name, value in found["command_ms"].items():
        yield f"a command, {name}, ms", value.shown(2), f"1/{alone.median / value.median:.0f} of an exec"


def peer_rows(found: Mapping[str, Any]) -> Iterator[Row]:
    for name, peer in found["peers"].items():
        if isinstance(peer, str):
            yield name, "skipped", peer
            continue
        for way, figures in peer.items():
            for jobs, value in figures.items():
                trial = found["trial_s"][jobs]
                yield f"{name}, {way}, {jobs} at once, s", value.shown(2), f"ours is 1/{ratio(value, trial):.1f}"
