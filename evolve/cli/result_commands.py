"""The commands that show a run and take its champion home. Each imports what it needs when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evolve.cli.options import (
    Jobs_,
    Json_,
    LocalFile_,
    MaxSeconds_,
    MaxTokens_,
    MaxTrials_,
    MaxUsd_,
    Models_,
    Preflight_,
    Runs_,
    ShownRun_,
    app,
    settings_of,
)
from evolve.core.caps import Caps
from evolve.core.records import Split
from evolve.export.formats import Format


@app.command("history")
def history_command(
    context: typer.Context,
    run: ShownRun_ = None,
    runs: Runs_ = None,
    last: Annotated[
        int | None, typer.Option(min=0, help="Show so many of the newest rounds, 0: all; default: 100, JSON: all.")
    ] = None,
    as_json: Json_ = False,
) -> None:
    """Show the rounds of a run: scores, decisions, hypotheses."""
    from evolve.cli import reading

    reading.history(settings_of(context), last, as_json)


@app.command("show")
def show_command(
    context: typer.Context,
    number: int,
    trials: Annotated[bool, typer.Option("--trials", help="List each trial instead of their sum alone.")] = False,
    run: ShownRun_ = None,
    runs: Runs_ = None,
    as_json: Json_ = False,
) -> None:
    """Show one round: its idea and patch, the evidence, the tasks that it fixed and broke, and what was learned."""
    from evolve.cli import one_round

    one_round.show_round(number, settings_of(context), as_json, trials)


@app.command("transcript")
def transcript_command(
    context: typer.Context, number: int, run: ShownRun_ = None, runs: Runs_ = None, as_json: Json_ = False
) -> None:
    """Show the conversation that led to a round's proposal."""
    from evolve.cli import transcripts

    transcripts.transcript(number, settings_of(context), as_json)


@app.command("trial")
def trial_command(
    context: typer.Context,
    number: Annotated[int, typer.Argument(metavar="ROUND", help="The round whose candidate was measured.")],
    task: Annotated[str, typer.Argument(help="The task's name.")],
    attempt: Annotated[int | None, typer.Argument(help="Its attempt; default: the first.")] = None,
    full: Annotated[bool, typer.Option("--full", help="Show long texts whole.")] = False,
    run: ShownRun_ = None,
    runs: Runs_ = None,
    as_json: Json_ = False,
) -> None:
    """Show one trial step by step: messages, commands with their output, times, and how it ended."""
    from evolve.cli import trials

    trials.show_trial(number, task, attempt, settings_of(context), as_json, full)


@app.command("outcomes")
def outcomes_command(context: typer.Context, run: ShownRun_ = None, runs: Runs_ = None, as_json: Json_ = False) -> None:
    """Show how the trials of each candidate ended: passed, failed, and at which limit or fault."""
    from evolve.cli import trials

    trials.show_outcomes(settings_of(context), as_json)


@app.command("compare")
def compare_command(
    context: typer.Context,
    first: Annotated[str, typer.Argument(metavar="RUN", help="A run.")],
    second: Annotated[str, typer.Argument(metavar="RUN", help="Another one.")],
    runs: Runs_ = None,
    as_json: Json_ = False,
) -> None:
    """Set two runs side by side: scores, spending, and what makes them differ."""
    from evolve.cli import two_runs

    two_runs.compare_runs(first, second, settings_of(context), as_json)


@app.command("lineage")
def lineage_command(
    context: typer.Context,
    every: Annotated[bool, typer.Option("--all", help="Draw the dropped candidates too.")] = False,
    run: ShownRun_ = None,
    runs: Runs_ = None,
    as_json: Json_ = False,
) -> None:
    """Draw which candidate descends from which."""
    from evolve.cli import lineages

    lineages.lineage(settings_of(context), as_json, every)


@app.command("diff")
def diff_command(
    context: typer.Context,
    number: Annotated[
        int | None,
        typer.Argument(help="A round, against its parent; default: the champion, against the seed scaffold."),
    ] = None,
    tip: Annotated[bool, typer.Option("--tip", help="The tip in place of the champion.")] = False,
    run: ShownRun_ = None,
    runs: Runs_ = None,
) -> None:
    """Show what was changed in the scaffold. `evolve diff | git apply` applies it, in the root of its repository.

    In a terminal, control characters are escaped.
    """
    from evolve.cli import lineages

    lineages.diff(number, tip, settings_of(context))


@app.command("adopt")
def adopt_command(
    context: typer.Context,
    run: Annotated[str | None, typer.Argument(help="Run id; default: the newest.")] = None,
    each: Annotated[bool, typer.Option("--each", help="A branch for each patch, on top of the one before.")] = False,
    tip: Annotated[
        bool, typer.Option("--tip", help="The tip: also patches that are not shown to be better yet, marked as such.")
    ] = False,
    branch: Annotated[
        str, typer.Option(help="Name of the branch; with --each, what their names begin with. Unset: adopt/RUN/...")
    ] = "",
    runs: Runs_ = None,
    as_json: Json_ = False,
) -> None:
    """Put the champion's changes on your HEAD, as a new branch. Your HEAD, index and files stay as they are."""
    from evolve.cli import adopting
    from evolve.runs.adopting import AdoptRequest

    settings = settings_of(context)
    adopting.adopt(settings, AdoptRequest(settings.run, tip, each, branch), as_json)


@app.command("claim")
def claim_command(
    context: typer.Context,
    run: Annotated[str | None, typer.Argument(help="Run id; default: the newest.")] = None,
    against: Annotated[
        list[str] | None,
        typer.Option(
            help="Opponent, measured beside the champion in fresh trials: seed, best-of-k (k: at the champion's cost), "
            "best-of-8, refine (the seed, asked to review its own result), a scaffold's folder or a branch "
            "evolve/RUN/NAME. Repeatable."
        ),
    ] = None,
    other_models: Annotated[
        list[str] | None, typer.Option("--model", help="Compare seed and champion on this model too. Repeatable.")
    ] = None,
    other_suites: Annotated[
        list[Path] | None, typer.Option("--suite", help="Compare on all tasks of this suite too. Repeatable.")
    ] = None,
    attempts: Annotated[
        int | None, typer.Option(min=1, max=64, help="Attempts at each task; default: the run's `holdout_attempts`.")
    ] = None,
    max_usd: MaxUsd_ = None,
    max_tokens: MaxTokens_ = None,
    max_seconds: MaxSeconds_ = None,
    max_trials: MaxTrials_ = None,
    plan: Annotated[bool, typer.Option("--plan", help="Show what it will take, and stop.")] = False,
    jobs: Jobs_ = None,
    models: Models_ = None,
    local_file: LocalFile_ = None,
    preflight: Preflight_ = None,
    runs: Runs_ = None,
    as_json: Json_ = False,
) -> None:
    """Compare seed scaffold and champion on the holdout in one paired test. With opponents, in fresh trials."""
    settings = settings_of(context)
    if not (against or other_models or other_suites):
        from evolve.cli import claims

        claims.claim_run(settings, as_json)
        return
    from evolve.api.comparing import ClaimRequest
    from evolve.cli import comparing

    caps = Caps(max_usd, max_tokens, max_seconds, max_trials)
    named = (tuple(against or ()), tuple(other_models or ()), tuple(other_suites or ()))
    comparing.claim_against(settings, ClaimRequest(*named, attempts, caps), plan, as_json)


@app.command("effects")
def effects_command(
    context: typer.Context,
    run: Annotated[str | None, typer.Argument(help="Run id; default: the newest.")] = None,
    attempts: Annotated[
        int | None, typer.Option(min=1, max=64, help="Attempts at each task; default: the run's `score_attempts`.")
    ] = None,
    max_usd: MaxUsd_ = None,
    max_tokens: MaxTokens_ = None,
    max_seconds: MaxSeconds_ = None,
    max_trials: MaxTrials_ = None,
    plan: Annotated[bool, typer.Option("--plan", help="Show what it will take, and stop.")] = False,
    jobs: Jobs_ = None,
    local_file: LocalFile_ = None,
    preflight: Preflight_ = None,
    runs: Runs_ = None,
    as_json: Json_ = False,
) -> None:
    """Measure what each kept patch is worth: the champion beside itself without the patch, in fresh trials."""
    from evolve.cli import comparing

    caps = Caps(max_usd, max_tokens, max_seconds, max_trials)
    comparing.show_effects(settings_of(context), attempts, caps, plan, as_json)


@app.command("report")
def report_command(
    context: typer.Context,
    run: Annotated[str | None, typer.Argument(help="Run id; default: the newest.")] = None,
    to: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File to write; default: evolve-report-RUN.html in the current folder."),
    ] = None,
    as_markdown: Annotated[bool, typer.Option("--md", help="Markdown instead of HTML, without charts.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite any file. An earlier report of the run is always replaced.")
    ] = False,
    runs: Runs_ = None,
) -> None:
    """Write a run as one HTML file that needs no network: the claim, scores, patches with diffs, costs, conditions."""
    from evolve.cli import reporting

    reporting.report(settings_of(context), to, as_markdown, force)


@app.command("export")
def export_command(
    context: typer.Context,
    to: Annotated[Path, typer.Option(help="Folder to write; it must not exist, or be empty.")],
    form: Annotated[
        Format,
        typer.Option(
            "--format",
            help="`atif`: folders for Harbor's viewer; `otel`: traces; `dataset`: rows and a dataset card; "
            "`harbor-agent`: the champion as an agent for Harbor, without trials.",
        ),
    ],
    run: Annotated[str | None, typer.Argument(help="Run id; default: the newest.")] = None,
    round_number: Annotated[int | None, typer.Option("--round", min=0, help="Only this round's.")] = None,
    split: Annotated[
        list[Split] | None,
        typer.Option(help="Splits to export; default: train, validation. The holdout must be named."),
    ] = None,
    runs: Runs_ = None,
    as_json: Json_ = False,
) -> None:
    """Write a run for other tools: trajectories, traces, a dataset, an agent for Harbor. Never overwrites a file."""
    from evolve.cli import exporting

    exporting.export(settings_of(context), form, to, round_number, split or [], as_json)
