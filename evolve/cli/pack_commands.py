"""The commands for a run in one file. Each imports what it needs when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evolve.cli.options import Json_, Runs_, app, settings_of


@app.command("pack")
def pack_command(
    context: typer.Context,
    run: Annotated[str | None, typer.Argument(help="Run id; default: the newest.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="File to write; default: RUN.evolve.zip.")
    ] = None,
    without_tests: Annotated[
        bool, typer.Option("--without-tests", help="Leave out the suite's tests, solutions and generators.")
    ] = False,
    light: Annotated[
        bool, typer.Option("--light", help="Only rows and commits: to look at, not to run anything again.")
    ] = False,
    runs: Runs_ = None,
    as_json: Json_ = False,
) -> None:
    """Write a run into one file for others: rows, commits, recordings, suite. `evolve verify` checks it."""
    from evolve.cli import packing

    packing.pack(settings_of(context), out, without_tests, light, as_json)


@app.command("verify")
def verify_command(
    file: Annotated[Path, typer.Argument(help="A file that `evolve pack` wrote.")],
    sample: Annotated[
        int, typer.Option(min=0, help="Run so many of its trials again in containers; 0: none, without an engine.")
    ] = 5,
    seed: Annotated[str | None, typer.Option(help="What chooses these trials; unset: the sha256 of the file.")] = None,
    extract: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Unpack it into a new folder, to read with `--runs DIR`.")
    ] = None,
    as_json: Json_ = False,
) -> int:
    """Check a packed run without a key: hashes, commits, decisions, claim, and a sample of trials run again."""
    from evolve.cli import packing

    return packing.verify(file, sample, seed, extract, as_json)


@app.command("demo")
def demo_command(
    file: Annotated[Path | None, typer.Argument(help="A packed run; default: the one that comes with Evolve.")] = None,
    speed: Annotated[
        float | None, typer.Option(min=1, help="How many times faster than the run was; unset: about 10 seconds.")
    ] = None,
    opens: Annotated[bool, typer.Option("--open/--no-open", help="Open its report in a browser.")] = True,
) -> None:
    """Play a real recorded run in the terminal, and show its report: without an engine, a key or a network."""
    from evolve.cli import demo

    demo.demo(file, speed, opens)
