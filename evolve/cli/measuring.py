"""Commands that run trials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Annotated

import typer

from evolve.cli.options import (
    RUNS,
    SCAFFOLD,
    SUITE,
    BaseUrl_,
    Budget_,
    BudgetSeconds_,
    BudgetTokens_,
    BudgetTrials_,
    Commercial_,
    CompletionPrice_,
    Gate_,
    Jobs_,
    Json_,
    Model_,
    Models_,
    Network_,
    PromptPrice_,
    Proposer_,
    ProposerBaseUrl_,
    ProposerModel_,
    Runs_,
    Runtime_,
    Sandbox_,
    Scaffold_,
    Seed_,
    Suite_,
    app,
    tasks_app,
)
from evolve.cli.requests import (
    boxed,
    evaluated,
    gated,
    of_branch,
    opened,
    order_for,
    order_of,
    proposed,
    proposing,
    run_row,
)
from evolve.core.caps import Caps
from evolve.core.records import Candidate, Split, TrialResult
from evolve.executor.evaluate import default_jobs
from evolve.gate import TaskSlot, calibrate
from evolve.gate.attempts import first_fresh_attempt
from evolve.host.run_names import NEW
from evolve.loop import search
from evolve.report.calibration import calibration_lines
from evolve.report.escaping import plain
from evolve.report.final_lines import summary_lines, waste_lines
from evolve.report.live import Live
from evolve.report.models import about_model
from evolve.report.tables import percent, score, show
from evolve.runs import check_tasks, opening, replay
from evolve.runs.identity import resumed_config
from evolve.runs.request import RunRequest
from evolve.store import Store
from evolve.suite import unbuildable
from evolve.suite.tasks import load_suite


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
    budget_tokens: BudgetTokens_ = None,
    budget_seconds: BudgetSeconds_ = None,
    budget_trials: BudgetTrials_ = None,
    seed: Seed_ = 0,
    runs: Runs_ = RUNS,
    prompt_price: PromptPrice_ = None,
    completion_price: CompletionPrice_ = None,
    runtime: Runtime_ = None,
    network: Network_ = True,
    sandbox: Sandbox_ = None,
    gate: Gate_ = None,
    commercial: Commercial_ = False,
    models: Models_ = None,
    proposer_model: ProposerModel_ = None,
    proposer_base_url: ProposerBaseUrl_ = None,
    proposer: Proposer_ = "direct",
) -> None:
    """Evolve a scaffold. An interrupted run is gone on with by the same command."""
    order = order_of(
        model, base_url, scaffold, suite, seed, runs, run, jobs, prompt_price, completion_price, commercial, models,
    )  # fmt: skip
    order = replace(order, caps=Caps(budget_usd, budget_tokens, budget_seconds, budget_trials))
    order = proposing(gated(boxed(order, runtime, network, sandbox), gate), proposer)
    order = proposed(order, proposer_model, proposer_base_url, models)
    checked = opening.check(order)
    with Live(order.config.priced) as view:
        for line in about_model(order.config):
            view.say(line)
        with opening.open_run(order, checked, view) as campaign:
            search.run_rounds(campaign, rounds)
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
    commercial: Commercial_ = False,
    models: Models_ = None,
    as_json: Json_ = False,
) -> None:
    """Measure one scaffold, as a run of its own without rounds."""
    order, commit = order_for(
        what, model, base_url, suite, seed, runs, jobs, prompt_price, completion_price, runtime, network, sandbox,
        commercial, models,
    )  # fmt: skip
    splits = split or [Split.TRAIN, Split.VALIDATION]
    trials = evaluated(order, commit, splits, attempts)
    found = [(name, of_split(trials, name)) for name in splits]
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
    commercial: Commercial_ = False,
    models: Models_ = None,
    as_json: Json_ = False,
) -> None:
    """The scaffold against itself: how noisy its scores are, what gains a run could show, and what it would cost."""
    order, commit = order_for(
        what, model, base_url, suite, seed, runs, jobs, prompt_price, completion_price, runtime, network, sandbox,
        commercial, models,
    )  # fmt: skip
    trials = evaluated(order, commit, [Split.TRAIN, Split.VALIDATION], attempts)
    found = calibrate.noise(trials)
    measured = [t for t in load_suite(suite).split(Split.TRAIN, Split.VALIDATION) if t.name in found.rates]
    tasks = [TaskSlot(t.name, t.split, t.difficulty) for t in measured]
    power = calibrate.power(tasks, found.rates, order.config.gate)
    cost = calibrate.cost(trials, power.trials, rounds, order.jobs)
    if as_json:
        facts = {"score": found.score, "difference": found.difference, "always": found.always, "never": found.never}
        show([{**asdict(found), **facts, "power": asdict(power), "rounds": rounds, "cost": asdict(cost)}], True)
        return
    print("\n".join(calibration_lines(found, power, cost, rounds, order.config.priced)))


@app.command("replay")
def replay_command(
    branch: Annotated[str, typer.Argument(help="Such as evolve/RUN/champion or evolve/RUN/round-0007.")],
    live: Annotated[bool, typer.Option("--live", help="Ask the model anew, and compare the scores.")] = False,
    jobs: Jobs_ = 0,
    runs: Runs_ = RUNS,
    as_json: Json_ = False,
) -> None:
    """Run a candidate's trials again: offline from what was recorded, without a model call."""
    with opened(runs) as store:
        row, commit = of_branch(store, branch, runs)
        order = RunRequest(resumed_config(row, {}, runs), runs, row.id, jobs or default_jobs())
    with Live(priced=False) as view, opening.open_for_replay(order, view) as campaign:
        trials = replay.recorded_trials(campaign, commit)
        view.trials_planned(len(trials))
        if live:
            _print_live(trials, replay.run_live(campaign, commit, trials), as_json)
            return
        results = list(replay.run_offline(campaign, commit, trials))
    print_replayed(results, as_json)


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


def of_split(trials: Sequence[TrialResult], split: Split) -> list[TrialResult]:
    return [trial for trial in trials if trial.split is split]


def _print_end(order: RunRequest) -> None:
    """The result of a run, in a few lines on stdout."""
    with opened(order.runs) as store:
        row = run_row(store, order.run if order.run not in (None, NEW) else None)
        rows = store.rounds(row.id)
        if not rows or rows[0].decision is None:
            print(f"run {row.id}: no round is decided yet")
            return
        seed, champion = store.candidates(row.id)[0], store.champion(row.id)
        cost = store.view("cost", row.id)
        history, lineage = store.view("history", row.id), store.view("lineage", row.id)
        aside = {task.name: task.set_aside for task in store.tasks(row.id) if task.set_aside is not None}
        scores = {c.commit: _scores(store, row.id, c) for c in (seed, champion)}
    print("\n".join(summary_lines(row.id, history, lineage, order.config.gate.rule == "evolve")))
    for line in unbuildable.describe_excluded(aside):
        print(plain(f"  {line}"))
    for name, candidate in (("seed scaffold", seed), ("champion", champion)):
        words = ", ".join(f"{split} {percent(value)}" for split, value in scores[candidate.commit].items())
        print(f"  {name}: {words}")
    for line in waste_lines(cost):
        print(f"  {line}")
    print(f"  the result: git diff {seed.branch} evolve/{row.id}/champion")


def _scores(store: Store, run: str, candidate: Candidate) -> dict[str, tuple[float, float] | None]:
    """Scores from a candidate's own fresh trials; those that it was chosen by are left out."""
    trials = store.trials(run, candidate.commit)
    fresh = [t for t in trials if t.split is Split.HOLDOUT or t.attempt >= first_fresh_attempt(candidate)]
    return {str(split): score(of_split(fresh, split)) for split in Split}


def _print_live(old: Sequence[TrialResult], new: Sequence[TrialResult], as_json: bool) -> None:
    rows = [
        {
            "split": str(split),
            "recorded": percent(score(of_split(old, split))),
            "live": percent(score(of_split(new, split))),
        }
        for split in Split
        if of_split(old, split)
    ]
    show(rows, as_json)


def print_replayed(results: Sequence[replay.ReplayResult], as_json: bool) -> None:
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
