"""Commands that run trials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from evolve.api import running
from evolve.api.running import Prepared
from evolve.core.errors import EXIT_BAD_INPUT, EXIT_MACHINE
from evolve.core.escaping import plain
from evolve.core.records import Split, TrialResult
from evolve.core.scores import all_attempts, score
from evolve.core.voided import voided_share
from evolve.executor.evaluate import default_jobs
from evolve.loop.stops import refuse_crashing
from evolve.report.calibration import calibration_lines
from evolve.report.conditions import condition_lines
from evolve.report.final_lines import certainty_lines, summary_lines, waste_lines
from evolve.report.gaps import gap_warning, percent_with_gain
from evolve.report.live import Live
from evolve.report.models import about_model
from evolve.report.promises import null_copy_lines
from evolve.report.standings import tip_lines
from evolve.report.tables import percent, show
from evolve.report.validity import network_lines, validity_lines, with_coverage
from evolve.runs import check_tasks as checking
from evolve.runs.check_record import RECORD_FILE, CheckRecord, TaskCheck
from evolve.runs.ends import scores_of_ends
from evolve.runs.evidence import grounds_of
from evolve.runs.from_settings import checking_config
from evolve.runs.local_model import with_local_server
from evolve.runs.lookup import open_results
from evolve.runs.notify import notifying
from evolve.runs.replay import ReplayResult
from evolve.runs.results import champions_gap, fresh_coverage, fresh_scores, of_split
from evolve.runs.settings import Settings
from evolve.runs.stored_config import NETWORKS, stored, stored_config
from evolve.store import RunRow, Store
from evolve.suite import unbuildable
from evolve.suite.tasks import load_suite

OUTPUT_LINES = 20


def run(settings: Settings) -> None:
    """Start or resume a run, and print its result."""
    with with_local_server(settings, settings.run) as served:
        prepared = running.prepare_run(served)
        with (
            Live(prepared.request.config.priced) as view,
            notifying(settings.on_event, view, settings.runs) as watcher,
        ):
            _show_model(prepared, view)
            name = running.play(prepared, settings.rounds, watcher, settings.until)
    with open_results(settings.runs) as store:
        print_result(store, name, settings.runs)


def show_plan(settings: Settings) -> None:
    """Print what a run will take, after the check of its models; nothing is started."""
    with with_local_server(settings, settings.run) as served:
        prepared = running.prepare_run(served)
        with Live(prepared.request.config.priced) as view:
            _show_model(prepared, view)
            planned = running.plan(prepared, settings.rounds, view)
    print("\n".join(planned.lines()))


def evaluate(what: str, settings: Settings, splits: Sequence[Split], attempts: int, as_json: bool) -> None:
    """Measure one scaffold, and print its scores."""
    with with_local_server(settings) as served:
        prepared = running.prepare_evaluation(what, served)
        with Live(prepared.request.config.priced) as view:
            _show_model(prepared, view)
            trials = running.measure(prepared, splits, attempts, view).trials
    refuse_crashing(what, trials)
    found = [(name, of_split(trials, name)) for name in splits]
    if as_json:
        show([_split_facts(name, some, _planned(prepared, name, attempts)) for name, some in found], True)
        return
    for name, some in found:
        counted = f"{_counted(some)} of {_planned(prepared, name, attempts)} trials"
        print(f"{name}: {percent(score(some))} over {counted}{all_attempts_note(some)}{_voided_note(some)}")


def _split_facts(name: Split, trials: Sequence[TrialResult], planned: int) -> dict[str, object]:
    measured = score(trials)
    mean = None if measured is None else measured.mean
    counts = {
        "all_attempts": all_attempts(trials),
        "trials": _counted(trials),
        "planned": planned,
        "voided": voided_share(trials).voided,
    }
    return {"split": str(name), "score": mean, **counts}


def _planned(prepared: Prepared, split: Split, attempts: int) -> int:
    """How many trials a measurement has on a split."""
    return attempts * len(prepared.suite.split(split))


def _counted(trials: Sequence[TrialResult]) -> int:
    """The number of trials that the score is made of: infrastructure errors are run again."""
    return sum(trial.counts for trial in trials)


def all_attempts_note(trials: Sequence[TrialResult]) -> str:
    """Which share of the tasks passes on every attempt, after a score; "" where each has one attempt."""
    share = all_attempts(trials)
    return "" if share is None else f"; {100 * share:.1f} % of tasks pass on every attempt"


def _voided_note(trials: Sequence[TrialResult]) -> str:
    share = voided_share(trials)
    return f"; faults of the model's API or the grader voided {share} attempts" if share.voided else ""


def calibrate_scaffold(what: str, settings: Settings, attempts: int, rounds: int, as_json: bool) -> None:
    """Measure a scaffold against itself, and print what that says of a run of so many rounds."""
    with with_local_server(settings) as served:
        prepared = running.prepare_evaluation(what, served)
        with Live(prepared.request.config.priced) as view:
            _show_model(prepared, view)
            found = running.measure_noise(prepared, attempts, rounds, view)
    noise, power, cost, config = found.noise, found.power, found.cost, prepared.request.config
    if as_json:
        facts = {"score": noise.score, "difference": noise.difference, "always": noise.always, "never": noise.never}
        show(
            [
                {
                    **asdict(noise),
                    **facts,
                    "power": asdict(power),
                    "gate": config.gate.model_dump(mode="json"),
                    "rounds": rounds,
                    "cost": asdict(cost),
                }
            ],
            True,
        )
        return
    print("\n".join(calibration_lines(noise, power, cost, rounds, config.priced, config.gate)))


def _show_model(prepared: Prepared, view: Live) -> None:
    for line in about_model(prepared.request.config):
        view.say(line)


def replay_branch(branch: str, settings: Settings, live: bool, as_json: bool) -> int:
    """Run a candidate's trials again. -> the exit status: 1 if a replay differs"""
    prepared = running.prepare_replay(branch, settings)
    with Live(priced=False) as view:
        replayed = running.play_again(prepared, live, view, settings.local_file)
    if replayed.live is None:
        return print_replayed(replayed.compared, as_json)
    _print_live(replayed.recorded.trials, replayed.live.trials, as_json)
    return 0


def check_tasks(settings: Settings, as_json: bool, again: bool = False) -> int:
    """Check every task of the suite; those that were checked before only if `again`.

    Returns:
        The exit status: 2 if a generator can't be used, otherwise 1 if a task is not sound or could not be checked.
    """
    config = checking_config(settings)
    suite = load_suite(settings.suite, settings.pass_env, has_grader=config.graded_by is not None)
    record = CheckRecord(settings.runs / RECORD_FILE, again)
    with Live(priced=False) as view:
        for line in suite.warnings:
            view.say(line)
        findings = checking.check_suite(suite, settings.jobs or default_jobs(), view, record, config.trial_grader)
    bad = [finding for finding in findings if finding.problem or finding.fault]
    if as_json:
        show(
            [{key: value for key, value in asdict(f).items() if key not in ("unusable", "before")} for f in findings],
            True,
        )
    else:
        _print_findings(bad)
        for finding in findings:
            if finding.note:
                print(plain(f"{finding.task}: {finding.note}"))
        unknown = sum(bool(finding.fault) for finding in bad)
        print(f"{len(findings) - len(bad)} of {len(findings)} tasks are sound{_unchecked_note(unknown)}")
    if any(finding.unusable for finding in bad):
        return EXIT_BAD_INPUT
    return EXIT_MACHINE if bad else 0


def _print_findings(bad: Sequence[TaskCheck]) -> None:
    """A line for each task that is not sound, followed by the end of what its tests printed."""
    for finding in bad:
        print(plain(f"{finding.task}: {finding.verdict}"))
        for line in finding.output.splitlines()[-OUTPUT_LINES:]:
            print(plain(f"    | {line}"))


def _unchecked_note(count: int) -> str:
    return f"; {count} could not be checked, because the engine failed (run the command again)" if count else ""


def print_result(store: Store, run: str, runs: Path) -> None:
    """The result of a run, in a few lines on stdout. `runs`: the folder with its files."""
    rows, row = store.rounds_in_brief(run), store.run(run)
    if row is None or not rows or rows[0].decision is None:
        print(f"run {run}: no round is decided yet")
        return
    history, lineage = store.history(run, 1, len(rows), figures=False), store.view("lineage", run)
    excluded = {task.name: task.excluded for task in store.tasks(run) if task.excluded is not None}
    copies = sum(one.is_null_copy and one.decision is not None for one in rows)
    print("\n".join(summary_lines(run, history, lineage, stored_config(row).gate.rule == "evolve", copies)))
    for line in [*null_copy_lines(rows, stored_config(row).gate.risk), *condition_lines(store, run, runs)]:
        print(f"  {line}")
    for line in unbuildable.describe_excluded(excluded):
        print(plain(f"  {line}"))
    _print_scores(store, row)
    grounds = grounds_of(store, run, runs)
    for line in [*validity_lines(grounds.validity, grounds.weak), *network_lines(stored(row, NETWORKS))]:
        print(f"  {line}")
    for line in waste_lines(store.wasted(run)):
        print(f"  {line}")
    print(f"  the result: git diff {store.seed(run).branch} evolve/{run}/champion")
    gate, tip = stored_config(row).gate, tip_lines(run, rows, scores_of_ends(store, run, rows))
    for line in certainty_lines(run, history, gate.risk, tip, gate.rule == "evolve", len(rows) - 1):
        print(f"  {line}")


def _print_scores(store: Store, row: RunRow) -> None:
    gap = champions_gap(store, row.id)
    gains = {Split.TRAIN: gap.train, Split.VALIDATION: gap.validation} if gap else {}
    for name, candidate in (("seed scaffold", store.seed(row.id)), ("champion", store.champion(row.id))):
        scores, over = fresh_scores(store, row.id, candidate), gains if name == "champion" else {}
        covered = fresh_coverage(store, row.id, candidate, stored_config(row))
        shown = (
            f"{split} {with_coverage(percent_with_gain(value, over.get(split)), covered[split])}"
            for split, value in scores.items()
        )
        print(f"  {name}: {', '.join(shown)}")
    for line in gap_warning(gap):
        print(f"  {line}")


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


def print_replayed(results: Sequence[ReplayResult], as_json: bool) -> int:
    different = [result for result in results if not result.identical]
    rows = [
        {
            "task": r.task,
            "attempt": r.attempt,
            "identical": r.identical,
            "divergence": r.divergence,
            "by_nature": list(r.by_nature),
        }
        for r in results
    ]
    if as_json:
        show(rows, True)
    else:
        for result in different:
            print(plain(f"{result.task}, attempt {result.attempt}: {result.divergence}"))
        for result in (result for result in results if result.by_nature):
            steps = ", ".join(result.by_nature)
            print(plain(f"{result.task}, attempt {result.attempt}: differs by nature: {steps}"))
        print(f"{len(results) - len(different)} of {len(results)} trials identical")
    return EXIT_MACHINE if different else 0
