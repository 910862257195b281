"""The commands that run and measure. Each imports what it needs when it runs, so that short commands are fast."""

from __future__ import annotations

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
    MaxSecondsRatio_,
    Model_,
    Models_,
    Network_,
    Objective_,
    OnEvent_,
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
    SmallBaseUrl_,
    SmallModel_,
    Suite_,
    TokensPerMinute_,
    Until_,
    app,
    settings_of,
    tasks_app,
)
from evolve.core.records import Split

What_ = Annotated[str | None, typer.Argument(help="A scaffold's folder, or a branch evolve/RUN/NAME.")]


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
    on_event: OnEvent_ = None,
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
    from evolve.cli import task_list

    task_list.list_tasks(settings_of(context).suite, as_json)
