"""Commands that run trials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from evolve.cli.requests import evaluation_request, run_request
from evolve.cli.results import open_results, run_and_commit
from evolve.cli.settings import Settings
from evolve.core.errors import EXIT_MACHINE
from evolve.core.records import Candidate, Split, TrialResult
from evolve.executor.evaluate import default_jobs
from evolve.gate import TaskSlot, calibrate
from evolve.gate.attempts import first_fresh_attempt
from evolve.llm import set_call_seconds
from evolve.report.calibration import calibration_lines
from evolve.report.escaping import plain
from evolve.report.final_lines import summary_lines, waste_lines
from evolve.report.live import Live
from evolve.report.models import about_model
from evolve.report.tables import percent, score, show
from evolve.runs import check_tasks as checking
from evolve.runs import opening, replay
from evolve.runs.identity import resumed_config, stored_config
from evolve.runs.request import RunRequest
from evolve.store import RunRow, Store
from evolve.suite import unbuildable
from evolve.suite.tasks import load_suite


def run(settings: Settings) -> None:
    """Start or resume a run, and print its result."""
    set_call_seconds(settings.call_seconds)
    request = run_request(settings)
    suite = opening.check(request)
    with Live(request.config.priced) as view:
        for line in about_model(request.config):
            view.say(line)
        with opening.open_run(request, suite, view) as search:
            name = search.candidates.run
            search.run_rounds(settings.rounds)
    with open_results(settings.runs) as store:
        print_result(store, name)


def evaluate(what: str, settings: Settings, splits: Sequence[Split], attempts: int, as_json: bool) -> None:
    """Measure one scaffold, and print its scores."""
    _, trials = _measure(what, settings, splits, attempts)
    found = [(name, of_split(trials, name)) for name in splits]
    if as_json:
        show([{"split": str(n), "trials": len(some), "score": (score(some) or [None])[0]} for n, some in found], True)
        return
    for name, some in found:
        print(f"{name}: {percent(score(some))} over {len(some)} trials")


def _measure(
    what: str, settings: Settings, splits: Sequence[Split], attempts: int
) -> tuple[RunRequest, list[TrialResult]]:
    set_call_seconds(settings.call_seconds)
    request, commit = evaluation_request(what, settings)
    suite = opening.check(request)
    with Live(request.config.priced) as view:
        for line in about_model(request.config):
            view.say(line)
        with opening.open_run(request, suite, view) as search:
            return request, search.evaluate_once(commit, splits, attempts)


def calibrate_scaffold(what: str, settings: Settings, attempts: int, rounds: int, as_json: bool) -> None:
    """Measure a scaffold against itself, and print what that says of a run of so many rounds."""
    request, trials = _measure(what, settings, [Split.TRAIN, Split.VALIDATION], attempts)
    noise = calibrate.noise(trials)
    suite = load_suite(request.config.suite)
    measured = [t for t in suite.split(Split.TRAIN, Split.VALIDATION) if t.name in noise.rates]
    tasks = [TaskSlot(t.name, t.split, t.difficulty) for t in measured]
    power = calibrate.power(tasks, noise.rates, request.config.gate)
    cost = calibrate.cost(trials, power.trials, rounds, request.jobs)
    if as_json:
        facts = {"score": noise.score, "difference": noise.difference, "always": noise.always, "never": noise.never}
        show([{**asdict(noise), **facts, "power": asdict(power), "rounds": rounds, "cost": asdict(cost)}], True)
        return
    print("\n".join(calibration_lines(noise, power, cost, rounds, request.config.priced)))


def replay_branch(branch: str, settings: Settings, live: bool, as_json: bool) -> int:
    """Run a candidate's trials again. -> the exit status: 1 if a replay differs"""
    set_call_seconds(settings.call_seconds)
    runs = settings.runs
    with open_results(runs) as store:
        row, commit = run_and_commit(store, branch, runs)
    request = RunRequest(resumed_config(row, {}, runs), runs, row.id, settings.jobs or default_jobs())
    with Live(priced=False) as view, opening.open_for_replay(request, view) as replayer:
        trials = replayer.recorded_trials(commit)
        view.trials_planned(len(trials))
        if live:
            _print_live(trials, replayer.run_live(commit, trials), as_json)
            return 0
        results = list(replayer.run_offline(commit, trials))
    return print_replayed(results, as_json)


def check_tasks(settings: Settings, as_json: bool) -> int:
    """Check every task of the suite. -> the exit status: 1 if one is not sound"""
    suite = load_suite(settings.suite)
    with Live(priced=False) as view:
        findings = checking.check_suite(suite, settings.jobs or default_jobs(), view)
    bad = [finding for finding in findings if finding.problem]
    rows = [{"task": f.task, "solution": f.solution, "nothing": f.nothing, "problem": f.problem} for f in findings]
    if as_json:
        show(rows, True)
    else:
        show(rows, False, ("task", "problem")) if bad else None
        print(f"{len(findings) - len(bad)} of {len(findings)} tasks are sound")
    return EXIT_MACHINE if bad else 0


def of_split(trials: Sequence[TrialResult], split: Split) -> list[TrialResult]:
    return [trial for trial in trials if trial.split is split]


def print_result(store: Store, run: str) -> None:
    """The result of a run, in a few lines on stdout."""
    rows, row = store.rounds(run), store.run(run)
    if row is None or not rows or rows[0].decision is None:
        print(f"run {run}: no round is decided yet")
        return
    history, lineage = store.view("history", run), store.view("lineage", run)
    excluded = {task.name: task.excluded for task in store.tasks(run) if task.excluded is not None}
    print("\n".join(summary_lines(run, history, lineage, stored_config(row).gate.rule == "evolve")))
    for line in unbuildable.describe_excluded(excluded):
        print(plain(f"  {line}"))
    _print_scores(store, row)
    for line in waste_lines(store.view("cost", run)):
        print(f"  {line}")
    print(f"  the result: git diff {store.candidates(run)[0].branch} evolve/{run}/champion")


def _print_scores(store: Store, row: RunRow) -> None:
    for name, candidate in (("seed scaffold", store.candidates(row.id)[0]), ("champion", store.champion(row.id))):
        scores = _scores(store, row.id, candidate)
        print(f"  {name}: {', '.join(f'{split} {percent(value)}' for split, value in scores.items())}")


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


def print_replayed(results: Sequence[replay.ReplayResult], as_json: bool) -> int:
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
    return EXIT_MACHINE if different else 0
