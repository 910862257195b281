"""The command line. Results go to stdout, progress and errors to stderr."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.text import Text
from typer.exceptions import TyperException

from evolve import __version__, calibrate, check_tasks, doctor, house, loop, replay
from evolve.claim import claim
from evolve.config import RunConfig
from evolve.embedded import server
from evolve.errors import EXIT_BAD_INPUT, EXIT_BUG, EXIT_INTERRUPTED, BadInput, EvolveError
from evolve.evaluate import default_jobs
from evolve.gate import TaskSlot
from evolve.records import Candidate, Split, TrialResult
from evolve.repo import Lineage
from evolve.report.calibration import calibration_lines
from evolve.report.claims import claim_lines
from evolve.report.crash import write_crash_log
from evolve.report.live import Live
from evolve.report.plain import plain
from evolve.report.tables import percent, score, show
from evolve.sandbox import engine, images
from evolve.select import first_attempt
from evolve.store import RunRow, Store
from evolve.tasks import load_suite

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
tasks_app = typer.Typer(no_args_is_help=True, help="The tasks of a suite.")
embedded_app = typer.Typer(no_args_is_help=True, help="The model that needs no key.")
app.add_typer(tasks_app, name="tasks")
app.add_typer(embedded_app, name="embedded")

Suite_ = Annotated[Path, typer.Option(envvar="SUITE", help="Folder of the suite.")]
Scaffold_ = Annotated[Path, typer.Option(envvar="SCAFFOLD", help="Folder of the seed scaffold.")]
Model_ = Annotated[str | None, typer.Option(envvar="MODEL", help="Model; `embedded` needs no key.")]
BaseUrl_ = Annotated[str | None, typer.Option(envvar="BASE_URL", help="OpenAI-compatible endpoint.")]
Seed_ = Annotated[int, typer.Option(envvar="SEED", min=0, help="Seed of all randomness.")]
Jobs_ = Annotated[int, typer.Option(envvar="JOBS", min=0, help="Trials at once; 0: one a processor.")]
Budget_ = Annotated[float | None, typer.Option(envvar="BUDGET_USD", min=0, help="Cap for the whole run, in dollars.")]
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
Json_ = Annotated[bool, typer.Option("--json", help="As JSON.")]

SANDBOX_KEYS = ("cpus", "memory_mb", "pids", "disk_mb")
RUNS = Path("runs")
SUITE = Path("tasks/bugfix")
SCAFFOLD = Path("scaffolds/single")


@app.command("run")
def run_command(
    rounds: Annotated[int, typer.Option(envvar="ROUNDS", min=0, help="Rounds that the run shall have.")] = 10,
    model: Model_ = None,
    base_url: BaseUrl_ = None,
    scaffold: Scaffold_ = SCAFFOLD,
    suite: Suite_ = SUITE,
    run: Annotated[
        str | None, typer.Option(envvar="RUN", help="Run id to begin or go on with; `new`: a new one.")
    ] = None,
    jobs: Jobs_ = 0,
    budget_usd: Budget_ = None,
    seed: Seed_ = 0,
    runs: Runs_ = RUNS,
    prompt_price: PromptPrice_ = None,
    completion_price: CompletionPrice_ = None,
    runtime: Runtime_ = None,
    network: Network_ = True,
    sandbox: Sandbox_ = None,
) -> None:
    """Evolve a scaffold. An interrupted run is gone on with by the same command."""
    order = _order(model, base_url, scaffold, suite, seed, runs, run, jobs, budget_usd, prompt_price, completion_price)
    order = _boxed(order, runtime, network, sandbox)
    checked = house.check(order)
    with Live(order.config.model_spec.priced) as view:
        view.say(_about_model(order.config))
        with house.campaign(order, checked, view) as campaign:
            loop.run_rounds(campaign, rounds)
    _print_end(order)


@app.command("eval")
def eval_command(
    what: Annotated[str, typer.Argument(help="A scaffold's folder, or a branch or commit of a run.")],
    split: Annotated[list[Split] | None, typer.Option(help="Splits to measure on; default: train, validation.")] = None,
    attempts: Annotated[int, typer.Option(min=1, help="Trials for each task.")] = 1,
    model: Model_ = None,
    base_url: BaseUrl_ = None,
    suite: Suite_ = SUITE,
    jobs: Jobs_ = 0,
    seed: Seed_ = 0,
    runs: Runs_ = RUNS,
    prompt_price: PromptPrice_ = None,
    completion_price: CompletionPrice_ = None,
    runtime: Runtime_ = None,
    network: Network_ = True,
    sandbox: Sandbox_ = None,
    as_json: Json_ = False,
) -> None:
    """Measure one scaffold, as a run of its own without rounds."""
    order, commit = _order_for(
        what, model, base_url, suite, seed, runs, jobs, prompt_price, completion_price, runtime, network, sandbox
    )
    splits = split or [Split.TRAIN, Split.VALIDATION]
    trials = _evaluated(order, commit, splits, attempts)
    found = [(name, _of(trials, name)) for name in splits]
    if as_json:
        show(
            [{"split": str(name), "trials": len(some), "score": (score(some) or [None])[0]} for name, some in found],
            True,
        )
        return
    for name, some in found:
        print(f"{name}: {percent(score(some))} over {len(some)} trials")


@app.command("calibrate")
def calibrate_command(
    what: Annotated[
        str, typer.Argument(help="A scaffold's folder, or a branch or commit of a run.")
    ] = "scaffolds/single",
    attempts: Annotated[int, typer.Option(min=2, help="Trials for each task.")] = 4,
    rounds: Annotated[int, typer.Option(envvar="ROUNDS", min=1, help="Rounds whose cost is told.")] = 100,
    model: Model_ = None,
    base_url: BaseUrl_ = None,
    suite: Suite_ = SUITE,
    jobs: Jobs_ = 0,
    seed: Seed_ = 0,
    runs: Runs_ = RUNS,
    prompt_price: PromptPrice_ = None,
    completion_price: CompletionPrice_ = None,
    runtime: Runtime_ = None,
    network: Network_ = True,
    sandbox: Sandbox_ = None,
    as_json: Json_ = False,
) -> None:
    """The scaffold against itself: how noisy its scores are, what gains a run could show, and what it would cost."""
    order, commit = _order_for(
        what, model, base_url, suite, seed, runs, jobs, prompt_price, completion_price, runtime, network, sandbox
    )
    trials = _evaluated(order, commit, [Split.TRAIN, Split.VALIDATION], attempts)
    tasks = [TaskSlot(t.name, t.split, t.difficulty) for t in load_suite(suite).split(Split.TRAIN, Split.VALIDATION)]
    found = calibrate.noise(trials)
    power = calibrate.power(tasks, found.rates, order.config.gate)
    cost = calibrate.cost(trials, power.trials, rounds, order.jobs)
    if as_json:
        facts = {"score": found.score, "difference": found.difference, "always": found.always, "never": found.never}
        show([{**asdict(found), **facts, "power": asdict(power), "rounds": rounds, "cost": asdict(cost)}], True)
        return
    print("\n".join(calibration_lines(found, power, cost, rounds, order.config.model_spec.priced)))


@app.command("history")
def history_command(run: Run_ = None, runs: Runs_ = RUNS, as_json: Json_ = False) -> None:
    """The rounds of a run: scores, decisions, hypotheses."""
    columns = (
        "round",
        "verdict",
        "train_score",
        "validation_score",
        "trials",
        "minutes",
        "hypothesis",
        "reason",
    )
    with _opened(runs) as store:
        show(store.view("history", _row(store, run).id), as_json, columns)


@app.command("show")
def show_command(number: int, run: Run_ = None, runs: Runs_ = RUNS, as_json: Json_ = False) -> None:
    """One round: its proposal, its decision, its trials."""
    with _opened(runs) as store:
        row = _row(store, run)
        history = [r for r in store.view("history", row.id) if r["round"] == number]
        if not history:
            raise BadInput(f"round {number}", f"run {row.id} has no such round", "see `evolve history`")
        proposal = next(r.proposal for r in store.rounds(row.id) if r.number == number)
        trials = [r for r in store.view("trials", row.id) if r["round"] == number]
    facts = {**history[0], "prediction": proposal.prediction if proposal else None}
    if as_json:
        show([{**facts, "trials": trials}], True)
        return
    show([{"fact": key, "value": value} for key, value in facts.items() if value is not None], False)
    show(trials, False, ("task", "split", "attempt", "outcome", "reward", "seconds", "calls", "commands"))


@app.command("lineage")
def lineage_command(run: Run_ = None, runs: Runs_ = RUNS, as_json: Json_ = False) -> None:
    """Who descends from whom."""
    with _opened(runs) as store:
        columns = ("round", "depth", "verdict", "parent_round", "commit_sha", "branch")
        show(store.view("lineage", _row(store, run).id), as_json, columns)


@app.command("claim")
def claim_command(
    run: Annotated[str | None, typer.Argument(help="Run id; default: the newest.")] = None,
    runs: Runs_ = RUNS,
    as_json: Json_ = False,
) -> None:
    """What a run may claim: seed scaffold against champion on the holdout, one paired test. No new trials."""
    with _opened(runs) as store:
        row = _row(store, run)
        candidates = store.candidates(row.id)
        champion = store.champion(row.id) if candidates else None
        pair = [store.trials(row.id, c.commit) for c in (candidates[0], champion)] if champion else [[], []]
        looks = store.holdout_looks(row.id)
    if champion is not None and champion.round == 0:
        raise BadInput(f"run {row.id}", "the champion is still the seed scaffold", "go on with the run")
    made = claim(*pair)
    if made is None:
        raise BadInput(
            f"run {row.id}", "seed and champion were not both measured on two holdout tasks", "let the run end first"
        )
    if as_json:
        show([{"run": row.id, "model": row.model, **asdict(made), "looks": [asdict(look) for look in looks]}], True)
        return
    print("\n".join(claim_lines(row.id, row.model, made, looks)))


@app.command("diff")
def diff_command(number: int, run: Run_ = None, runs: Runs_ = RUNS) -> None:
    """What a round changed in the scaffold; control characters are shown as escapes, `git diff` has the bytes."""
    with _opened(runs) as store:
        row = _row(store, run)
        found = [c for c in store.candidates(row.id) if c.round == number]
        if not found:
            raise BadInput(f"round {number}", f"run {row.id} has no candidate of it", "see `evolve history`")
        parent = found[0].parent
    if parent is not None:
        lineage = Lineage.open(Path(row.scaffold), house.lineage_home(runs, row.id))
        print(plain(lineage.diff(parent, found[0].commit), lines=True), end="")


@app.command("replay")
def replay_command(
    branch: Annotated[str, typer.Argument(help="Such as evolve/RUN/champion or evolve/RUN/round-0007.")],
    live: Annotated[bool, typer.Option("--live", help="Ask the model anew, and compare the scores.")] = False,
    jobs: Jobs_ = 0,
    runs: Runs_ = RUNS,
    as_json: Json_ = False,
) -> None:
    """Run a candidate's trials again: offline from what was recorded, without a model call."""
    with _opened(runs) as store:
        row, commit = _of_branch(store, branch, runs)
        order = house.Order(house.stored_config(row), runs, row.id, jobs or default_jobs(), None)
    with Live(priced=False) as view, house.reopened(order, view) as campaign:
        trials = replay.recorded_trials(campaign, commit)
        view.trials_planned(len(trials))
        if live:
            _print_live(trials, replay.live(campaign, commit, trials), as_json)
            return
        results = list(replay.offline(campaign, commit, trials))
    _print_replayed(results, as_json)


@app.command("setup")
def setup_command() -> None:
    """Bring up what runs and tests need: a container engine and the base image."""
    with Live(priced=False) as view:
        engine.bring_up(view.say)
        view.say(f"container engine and base image ({images.base_image(view.say)}) are ready")


@app.command("doctor")
def doctor_command(runs: Runs_ = RUNS, as_json: Json_ = False) -> None:
    """Whether this machine has what a run needs; changes nothing."""
    findings = doctor.examine(runs)
    show([{"check": f.check, "state": f.state, "detail": f.detail} for f in findings], as_json)
    if any(f.state == "bad" for f in findings):
        raise typer.Exit(1)


@tasks_app.command("list")
def tasks_list(suite: Suite_ = SUITE, as_json: Json_ = False) -> None:
    """The tasks with their splits and difficulty."""
    rows = [{"task": t.name, "split": str(t.split), "difficulty": t.difficulty} for t in load_suite(suite).tasks]
    show(rows, as_json)


@tasks_app.command("check")
def tasks_check(suite: Suite_ = SUITE, jobs: Jobs_ = 0, as_json: Json_ = False) -> None:
    """For every task: the reference solution earns 1 and doing nothing earns 0, twice in a row."""
    loaded = load_suite(suite)
    with Live(priced=False) as view:
        findings = check_tasks.check_suite(loaded, jobs or default_jobs(), view)
    bad = [finding for finding in findings if finding.problem]
    rows = [{"task": f.task, "solution": f.solution, "nothing": f.nothing, "problem": f.problem} for f in findings]
    if as_json:
        show(rows, True)
    else:
        show(rows if bad else [], False, ("task", "problem")) if bad else None
        print(f"{len(findings) - len(bad)} of {len(findings)} tasks are sound")
    if bad:
        raise typer.Exit(1)


@embedded_app.command("serve")
def embedded_serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="TCP port.")] = 8123,
) -> None:
    """Serve the embedded model over HTTP, as an OpenAI-compatible endpoint."""
    server.serve(host, port)


def _order(
    model: str | None,
    base_url: str | None,
    scaffold: Path,
    suite: Path,
    seed: int,
    runs: Path,
    run: str | None,
    jobs: int,
    budget_usd: float | None,
    prompt_price: float | None,
    completion_price: float | None,
) -> house.Order:
    name, endpoint = house.choose_model(model or None, base_url or None)
    prices = (0.0, 0.0) if endpoint is None and name.startswith("embedded") else (prompt_price, completion_price)
    config = RunConfig(
        suite=suite,
        scaffold=scaffold,
        model=name,
        base_url=endpoint,
        prompt_price=prices[0],
        completion_price=prices[1],
        seed=seed,
    )
    return house.Order(config, runs, run or None, jobs or default_jobs(), budget_usd)


def _order_for(
    what: str,
    model: str | None,
    base_url: str | None,
    suite: Path,
    seed: int,
    runs: Path,
    jobs: int,
    prompt_price: float | None,
    completion_price: float | None,
    runtime: str | None,
    network: bool,
    sandbox: list[str] | None,
) -> tuple[house.Order, str | None]:
    """The order for measuring one scaffold as a run of its own, and its commit; None for what is on disk."""
    folder, commit, home = _folder_or_commit(what, runs)
    order = _order(model, base_url, folder, suite, seed, runs, house.NEW, jobs, None, prompt_price, completion_price)
    return _boxed(replace(order, home=home), runtime, network, sandbox), commit


def _evaluated(order: house.Order, commit: str | None, splits: Sequence[Split], attempts: int) -> list[TrialResult]:
    checked = house.check(order)
    with Live(order.config.model_spec.priced) as view:
        view.say(_about_model(order.config))
        with house.campaign(order, checked, view) as campaign:
            return loop.evaluate_once(campaign, commit, splits, attempts)


def _boxed(order: house.Order, runtime: str | None, network: bool, settings: list[str] | None) -> house.Order:
    """The order with what the user said of the containers. Raises BadInput for an unknown key or a bad value."""
    pairs = dict(setting.partition("=")[::2] for setting in settings or [])
    if unknown := [key for key in pairs if key not in SANDBOX_KEYS]:
        raise BadInput(f"--sandbox {unknown[0]}", "there is no such key", f"use one of: {', '.join(SANDBOX_KEYS)}")
    values = {**order.config.model_dump(), "sandbox": {**pairs, "runtime": runtime or None}, "network": network}
    try:
        return replace(order, config=RunConfig.model_validate(values))
    except ValidationError as error:
        raise BadInput("--sandbox", error.errors()[0]["msg"], "correct its value") from error


def _about_model(config: RunConfig) -> str:
    spec = config.model_spec
    if spec.base_url is None and spec.embedded:
        return "model: embedded (no key is set: a seeded program, not a language model; see docs/embedded-model.md)"
    price = "" if spec.priced else "; its price is not known, so dollars are not counted"
    return f"model: {spec.name} at {spec.base_url or 'the OpenAI API'}{price}"


def _folder_or_commit(what: str, runs: Path) -> tuple[Path, str | None, Path | None]:
    """(scaffold's folder, commit, its repository if it is a run's own); the commit is None for what is on disk."""
    if Path(what).is_dir():
        return Path(what), None, None
    if not what.startswith("evolve/"):
        raise BadInput(what, "is neither a folder nor a branch", "name a scaffold's folder or evolve/RUN/champion")
    with _opened(runs) as store:
        row, commit = _of_branch(store, what, runs)
    return Path(row.scaffold), commit, house.lineage_home(runs, row.id)


def _opened(runs: Path) -> Store:
    database = runs / house.DATABASE
    if not Store.exists(database):
        raise BadInput(str(database), "there are no results yet", "begin a run: `make evolve ROUNDS=3`")
    return Store.open(database)


def _row(store: Store, run: str | None) -> RunRow:
    """The run that was named, or the newest."""
    rows = store.runs()
    found = [row for row in rows if row.id == run] if run else rows[:1]
    if not found:
        known = ", ".join(row.id for row in rows[:5]) or "none yet"
        raise BadInput(f"run {run or ''}".strip(), "there is no such run", f"use one of: {known}")
    return found[0]


def _of_branch(store: Store, branch: str, runs: Path) -> tuple[RunRow, str]:
    """The run and the commit that a branch of the form evolve/RUN/NAME stands for."""
    parts = branch.split("/")
    if len(parts) != 3 or parts[0] != "evolve":
        raise BadInput(
            f"branch {branch}", "is not a branch of a run", "use evolve/RUN/champion or evolve/RUN/round-0007"
        )
    row = _row(store, parts[1])
    return row, Lineage.open(Path(row.scaffold), house.lineage_home(runs, row.id)).resolve(branch)


def _of(trials: Sequence[TrialResult], split: Split) -> list[TrialResult]:
    return [trial for trial in trials if trial.split is split]


def _print_end(order: house.Order) -> None:
    """The result of a run, in a few lines on stdout."""
    with _opened(order.runs) as store:
        row = _row(store, order.run if order.run not in (None, house.NEW) else None)
        candidates = store.candidates(row.id)
        if not candidates:
            return
        seed, champion = candidates[0], store.champion(row.id)
        history = store.view("history", row.id)
        scores = {c.commit: _scores(store, row.id, c) for c in (seed, champion)}
    verdicts = [line["verdict"] for line in history[1:]]
    print(f"run {row.id}: {len(verdicts)} rounds, {verdicts.count('keep')} kept, champion of round {champion.round}")
    for name, candidate in (("seed scaffold", seed), ("champion", champion)):
        words = ", ".join(f"{split} {percent(value)}" for split, value in scores[candidate.commit].items())
        print(f"  {name}: {words}")
    print(f"  the result: git diff {seed.branch} evolve/{row.id}/champion")


def _scores(store: Store, run: str, candidate: Candidate) -> dict[str, tuple[float, float] | None]:
    """Scores from a candidate's own fresh trials; those that it was chosen by are left out."""
    trials = store.trials(run, candidate.commit)
    fresh = [t for t in trials if t.split is Split.HOLDOUT or t.attempt >= first_attempt(candidate)]
    return {str(split): score(_of(fresh, split)) for split in Split}


def _print_live(old: Sequence[TrialResult], new: Sequence[TrialResult], as_json: bool) -> None:
    rows = [
        {
            "split": str(split),
            "recorded": percent(score(_of(old, split))),
            "live": percent(score(_of(new, split))),
        }
        for split in Split
        if _of(old, split)
    ]
    show(rows, as_json)


def _print_replayed(results: Sequence[replay.Replayed], as_json: bool) -> None:
    different = [result for result in results if not result.identical]
    rows = [
        {"task": r.task, "attempt": r.attempt, "identical": r.identical, "divergence": r.divergence} for r in results
    ]
    if as_json:
        show(rows, True)
    else:
        for result in different:
            print(plain(f"{result.task}, attempt {result.attempt}: {result.divergence}"))
        print(f"{len(results) - len(different)} of {len(results)} trials identical")
    if different:
        raise typer.Exit(1)


def _fail(text: str) -> None:
    line = Text.assemble(("error:", "bold red"), " ", plain(text))
    Console(stderr=True, highlight=False).print(line, soft_wrap=True)


def _usage_words(error: TyperException) -> str:
    """The error with the option that it is about, on one line."""
    return " ".join(error.format_message().split()).rstrip(".")


def main() -> None:
    """Run the command line; never shows a traceback."""
    try:
        status = app(standalone_mode=False)
        if status == EXIT_INTERRUPTED:
            raise KeyboardInterrupt
        sys.exit(status if isinstance(status, int) else 0)
    except TyperException as error:
        _fail(f"{_usage_words(error)}; see `evolve --help`")
        sys.exit(EXIT_BAD_INPUT)
    except EvolveError as error:
        _fail(str(error))
        sys.exit(error.exit_status)
    except (KeyboardInterrupt, typer.Abort):
        _fail("interrupted; the same command goes on from here")
        sys.exit(EXIT_INTERRUPTED)
    except Exception as error:
        log = write_crash_log(error)
        _fail(f"this is a bug in evolve {__version__}: {type(error).__name__}: {error}; the details are in {log}")
        sys.exit(EXIT_BUG)
