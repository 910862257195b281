"""The command that shows one round, with its patch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from evolve.analysis import task_changes
from evolve.core.errors import BadInput
from evolve.core.records import TrialResult
from evolve.core.task_format import IN_PLACE
from evolve.core.voided import voided_share
from evolve.report.round_page import RoundPage, round_text
from evolve.report.tables import print_lines, show
from evolve.runs.conditions import conditions_of
from evolve.runs.history import history_rows, with_known_costs
from evolve.runs.lookup import open_results, run_row
from evolve.runs.patches import patch_of
from evolve.runs.settings import Settings
from evolve.runs.stored_config import stored_config
from evolve.store import RoundRow


def show_round(number: int, settings: Settings, as_json: bool, trials_too: bool = False) -> None:
    """One round: its idea, its patch, the evidence, and its trials: in sum, or each if `trials_too`."""
    with open_results(settings.runs) as store:
        row = run_row(store, settings.run)
        played = store.one_round(row.id, number)
        if played is None:
            raise BadInput(f"round {number}", f"run {row.id} has no such round", "see `evolve history`")
        shown = store.history(row.id, number, number)
        scores = store.scores(row.id, {one["commit_sha"] for one in shown if one["commit_sha"]})
        ran, is_priced = conditions_of(store, row.id, settings.runs).epochs, stored_config(row).priced
        history = with_known_costs(history_rows(shown, scores, [played], ran), is_priced)[-1]
        results = store.trials(row.id, played.candidate.commit) if played.candidate else []
        trials = store.trial_rows(row.id, number)
        before = store.trials(row.id, played.parent.commit) if played.parent else []
        lesson = store.lesson(row.id, number)
        lessons = [lesson.text] if lesson else []
    if as_json:
        show([{**_facts(history, played, results, lessons), "trials": trials}], True)
        return
    patch, no_patch = _patch(settings, row.id, played)
    page = RoundPage(
        run=row.id,
        row=history,
        proposal=played.proposal,
        trials=results,
        before=before,
        changes=task_changes(before, results),
        patch=patch,
        no_patch=no_patch,
        lesson=lessons[0] if lessons else None,
    )
    console = Console(highlight=False)
    print_lines(console, round_text(page, console.width))
    if trials_too:
        _show_trials(trials)


def _facts(
    history: Mapping[str, Any], played: RoundRow, results: Sequence[TrialResult], lessons: Sequence[str]
) -> dict[str, Any]:
    """What is known of a round, for JSON."""
    share, proposal = voided_share(results), played.proposal
    facts = {**history, **{name: proposal and getattr(proposal, name) for name in ("prediction", "ablates", "merges")}}
    facts["lesson"] = lessons[0] if lessons else None
    facts["voided"] = f"{share} attempts" if share.voided else None
    return facts


def _patch(settings: Settings, run: str, played: RoundRow) -> tuple[str | None, str]:
    """The diff of a round's candidate; None and the reason if it can't be read."""
    if played.candidate is None or played.parent is None:
        return None, ""
    try:
        return patch_of(settings.runs, run, played.number).decode("utf-8", "replace"), ""
    except BadInput as error:
        return None, f"not available: {error}"


def _show_trials(trials: Sequence[Mapping[str, Any]]) -> None:
    columns = ["task", "split", "attempt", "outcome", "reward", "seconds", "calls", "commands"]
    columns += ["cause"] if any(trial["cause"] for trial in trials) else []
    columns += ["fault"] if any(trial["fault"] for trial in trials) else []
    columns += ["verifier"] if any(trial["verifier"] in IN_PLACE for trial in trials) else []
    show(trials, False, columns)
