"""The options that commands share, and the applications that they belong to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from evolve import __version__

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="The command line. Results go to stdout, progress and errors to stderr.",
)
tasks_app = typer.Typer(no_args_is_help=True, help="The tasks of a suite.")
embedded_app = typer.Typer(no_args_is_help=True, help="The model that needs no key.")
app.add_typer(tasks_app, name="tasks")
app.add_typer(embedded_app, name="embedded")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"evolve {__version__}")
        raise typer.Exit


Version_ = Annotated[bool, typer.Option("--version", is_eager=True, callback=_show_version, help="The version.")]


@app.callback()
def _all_commands(version: Version_ = False) -> None:
    """Options that stand before a command."""


Suite_ = Annotated[Path, typer.Option(envvar="SUITE", help="Folder of the suite.")]
Scaffold_ = Annotated[Path, typer.Option(envvar="SCAFFOLD", help="Folder of the seed scaffold.")]
Model_ = Annotated[
    str | None, typer.Option(envvar="MODEL", help="Model, or PROFILE/MODEL (`evolve models`); `embedded` needs no key.")
]
Models_ = Annotated[
    Path | None,
    typer.Option(envvar="MODELS", help="File of your own profiles (evolve.models.toml, if it is there)."),
]
Commercial_ = Annotated[
    bool, typer.Option(envvar="COMMERCIAL", help="Refuse a model whose licence is not known to let commercial use.")
]
BaseUrl_ = Annotated[str | None, typer.Option(envvar="BASE_URL", help="OpenAI-compatible endpoint.")]
Seed_ = Annotated[int, typer.Option(envvar="SEED", min=0, help="Seed of all randomness.")]
Jobs_ = Annotated[int, typer.Option(envvar="JOBS", min=0, help="Trials at once; 0: one a processor.")]
Budget_ = Annotated[
    float | None,
    typer.Option(envvar="BUDGET_USD", min=0, help="Cap over the whole run, proposals included, in dollars."),
]
BudgetTokens_ = Annotated[int | None, typer.Option(envvar="BUDGET_TOKENS", min=0, help="The same in tokens.")]
BudgetSeconds_ = Annotated[
    float | None, typer.Option(envvar="BUDGET_SECONDS", min=0, help="The same in seconds of work; pauses don't count.")
]
BudgetTrials_ = Annotated[int | None, typer.Option(envvar="BUDGET_TRIALS", min=0, help="The same in trials.")]
Run_ = Annotated[str | None, typer.Option(envvar="RUN", help="Run id; default: the newest.")]
Runs_ = Annotated[Path, typer.Option(envvar="RUNS", help="Folder of the results.")]
PromptPrice_ = Annotated[float | None, typer.Option(min=0, help="US dollars per million prompt tokens.")]
CompletionPrice_ = Annotated[float | None, typer.Option(min=0, help="US dollars per million completion tokens.")]
Runtime_ = Annotated[str | None, typer.Option(envvar="RUNTIME", help="Runtime of all containers, such as runsc.")]
Network_ = Annotated[bool, typer.Option(envvar="NETWORK", help="Whether tasks that ask for a network get it.")]
Sandbox_ = Annotated[
    list[str] | None,
    typer.Option(
        help="KEY=VALUE for the scaffold's container: cpus, memory_mb, disk_mb, and pids (of all containers)."
    ),
]
Gate_ = Annotated[
    list[str] | None,
    typer.Option(envvar="GATE", help="KEY=VALUE for the gate, such as risk=0.01, or rule=greedy to compare with."),
]
ProposerModel_ = Annotated[
    str | None, typer.Option(envvar="PROPOSER_MODEL", help="Model that proposes, if not the scaffold's.")
]
ProposerBaseUrl_ = Annotated[str | None, typer.Option(envvar="PROPOSER_BASE_URL", help="Endpoint of that model.")]
Proposer_ = Annotated[
    Literal["direct", "self"],
    typer.Option(
        envvar="PROPOSER", help="Who makes the patches: a conversation with the model, or the scaffold itself at work."
    ),
]
Json_ = Annotated[bool, typer.Option("--json", help="As JSON.")]

SANDBOX_KEYS = ("cpus", "memory_mb", "pids", "disk_mb")
RUNS = Path("runs")
SUITE = Path("tasks/bugfix")
SCAFFOLD = Path("scaffolds/single")
