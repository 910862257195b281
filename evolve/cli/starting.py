"""Commands that set up a project."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evolve.cli.options import Seed_, app, tasks_app
from evolve.core.records import Split
from evolve.project import init
from evolve.report.escaping import plain


@app.command("init")
def init_command(
    tasks: Annotated[
        Path | None, typer.Option(help="Folder of tasks: make a suite of it, split into train, validation and holdout.")
    ] = None,
    example: Annotated[
        bool, typer.Option("--example", help="Copy the bundled suite and scaffold into this folder.")
    ] = False,
    seed: Seed_ = 0,
) -> None:
    """Set up the current folder: evolve.toml, scaffold.toml, a suite, .gitignore. Never overwrites a file."""
    report = init.init_project(Path(), tasks, example, seed)
    for line in init.report_lines(report):
        print(plain(line))


@tasks_app.command("new")
def tasks_new(
    name: Annotated[str, typer.Argument(help="Name of the task, and of its folder.")],
    suite: Annotated[
        Path | None, typer.Option(envvar="SUITE", help="Folder of the suite; default: that of evolve.toml, or tasks.")
    ] = None,
    split: Annotated[Split, typer.Option(help="Split to add the task to.")] = Split.TRAIN,
) -> None:
    """Write a small task that passes `evolve tasks check`, as a start for your own."""
    report = init.new_task(Path(), name, suite, split)
    for line in [*init.done_lines(report), "next: edit the task's files, then run `evolve tasks check`"]:
        print(plain(line))
