"""The options that commands share, made from the settings, and the applications that they belong to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from evolve import __version__
from evolve.runs.settings import FREE_TABLES, TABLES, Settings, keys_of, read_settings, shown_default

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Improve the scaffold around a language model. Results go to stdout, progress and errors to stderr. "
    "Every setting may also be given in `evolve.toml` or in an EVOLVE_* variable: see docs/configuration.md.",
)
tasks_app = typer.Typer(no_args_is_help=True, help="List, check and write tasks of a suite.")
embedded_app = typer.Typer(no_args_is_help=True, help="The model that needs no key.")
local_app = typer.Typer(no_args_is_help=True, help="A small real model that needs no key.")
app.add_typer(tasks_app, name="tasks")
app.add_typer(embedded_app, name="embedded")
app.add_typer(local_app, name="local")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"evolve {__version__}")
        raise typer.Exit


Version_ = Annotated[
    bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Print the version and exit.")
]


@app.callback()
def _all_commands(version: Version_ = False) -> None:
    """Options that stand before a command."""


def settings_of(context: typer.Context) -> Settings:
    """The settings, of which the command's options are the ones that win."""
    return read_settings(**{name: value for name, value in context.params.items() if name in Settings.model_fields})


def option(name: str) -> Any:
    """The option of a setting, with its help text and default."""
    field = Settings.model_fields[name]
    default = shown_default(field)
    return typer.Option(help=f"{field.description} (default: {default})" if default else field.description)


def table_option(name: str) -> Any:
    """The option of a table: KEY=VALUE, repeatable."""
    text = f"{Settings.model_fields[name].description} Repeatable; keys: {', '.join(keys_of(name))}."
    return typer.Option(f"--{TABLES[name]}", metavar="KEY=VALUE", help=text)


def free_table_option(name: str, form: str) -> Any:
    """The option of a table whose keys are free, repeatable."""
    return typer.Option(
        f"--{FREE_TABLES[name]}", metavar=form, help=f"{Settings.model_fields[name].description} Repeatable."
    )


Rounds_ = Annotated[int | None, option("rounds")]
Until_ = Annotated[str | None, option("until")]
Suite_ = Annotated[Path | None, option("suite")]
Scaffold_ = Annotated[Path | None, option("scaffold")]
Model_ = Annotated[str | None, option("model")]
Models_ = Annotated[Path | None, option("models")]
LocalFile_ = Annotated[Path | None, option("local_file")]
ReasoningEffort_ = Annotated[str | None, option("reasoning_effort")]
ExtraBody_ = Annotated[list[str] | None, free_table_option("extra_body", "KEY=JSON")]
Headers_ = Annotated[list[str] | None, free_table_option("headers", "NAME=VALUE")]
Commercial_ = Annotated[bool | None, option("commercial")]
BaseUrl_ = Annotated[str | None, option("base_url")]
Seed_ = Annotated[int | None, option("seed")]
Jobs_ = Annotated[int | None, option("jobs")]
RequestsPerMinute_ = Annotated[int | None, option("requests_per_minute")]
TokensPerMinute_ = Annotated[int | None, option("tokens_per_minute")]
BudgetUsd_ = Annotated[float | None, option("budget_usd")]
BudgetTokens_ = Annotated[int | None, option("budget_tokens")]
BudgetSeconds_ = Annotated[float | None, option("budget_seconds")]
BudgetTrials_ = Annotated[int | None, option("budget_trials")]
Run_ = Annotated[str | None, option("run")]
ShownRun_ = Annotated[str | None, typer.Option(help="Run to show; unset: the newest.")]
Runs_ = Annotated[Path | None, option("runs")]
PromptPrice_ = Annotated[float | None, option("prompt_price")]
CompletionPrice_ = Annotated[float | None, option("completion_price")]
Runtime_ = Annotated[str | None, option("runtime")]
Network_ = Annotated[bool | None, option("network")]
PassEnv_ = Annotated[list[str] | None, option("pass_env")]
Proposer_ = Annotated[str | None, option("proposer")]
Executor_ = Annotated[str | None, option("executor")]
SmallModel_ = Annotated[str | None, option("small_model")]
SmallBaseUrl_ = Annotated[str | None, option("small_base_url")]
ProposerModel_ = Annotated[str | None, option("proposer_model")]
ProposerBaseUrl_ = Annotated[str | None, option("proposer_base_url")]
GraderModel_ = Annotated[str | None, option("grader_model")]
GraderBaseUrl_ = Annotated[str | None, option("grader_base_url")]
Grader_ = Annotated[list[str] | None, table_option("grader")]
ScoreAttempts_ = Annotated[int | None, option("score_attempts")]
HoldoutAttempts_ = Annotated[int | None, option("holdout_attempts")]
Reuse_ = Annotated[str | None, option("reuse")]
Preflight_ = Annotated[bool | None, option("preflight")]
CallSeconds_ = Annotated[float | None, option("call_seconds")]
OnEvent_ = Annotated[str | None, option("on_event")]
Objective_ = Annotated[str | None, option("objective")]
CostMargin_ = Annotated[float | None, option("cost_margin")]
MaxCostRatio_ = Annotated[float | None, option("max_cost_ratio")]
MaxSecondsRatio_ = Annotated[float | None, option("max_seconds_ratio")]
Protect_ = Annotated[list[str] | None, option("protect")]
ProtectMargin_ = Annotated[float | None, option("protect_margin")]
KeepError_ = Annotated[float | None, option("keep_error")]
Limits_ = Annotated[list[str] | None, table_option("limits")]
Sandbox_ = Annotated[list[str] | None, table_option("sandbox")]
Gate_ = Annotated[list[str] | None, table_option("gate")]
MaxUsd_ = Annotated[float | None, typer.Option(min=0, help="Spend at most this on these trials, in US dollars.")]
MaxTokens_ = Annotated[int | None, typer.Option(min=0, help="Spend at most this many tokens on these trials.")]
MaxSeconds_ = Annotated[float | None, typer.Option(min=0, help="Work at most this many seconds on these trials.")]
MaxTrials_ = Annotated[int | None, typer.Option(min=0, help="Run at most this many trials.")]
Json_ = Annotated[bool, typer.Option("--json", help="Print JSON.")]
