"""Commands that show what there is. They need neither numpy nor a container engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evolve.core.errors import BadInput
from evolve.core.task_format import IN_PLACE
from evolve.core.voided import voided_share
from evolve.report.conditions import condition_lines
from evolve.report.gaps import gap_text
from evolve.report.predictions import base_rates, format_predictions
from evolve.report.promises import null_copy_lines
from evolve.report.standings import standing_lines
from evolve.report.tables import show
from evolve.report.validity import validity_lines
from evolve.runs.conditions import conditions_of
from evolve.runs.ends import scores_of_ends
from evolve.runs.evidence import grounds_of
from evolve.runs.history import history_parts, history_rows
from evolve.runs.lookup import open_results, run_row
from evolve.runs.settings import Settings
from evolve.runs.stored_config import stored_config

# So many of a long run's rounds are shown, unless more are asked for.
SHOWN = 100
# Of the rounds; `voided` only where there are any.
COLUMNS = ("round", "verdict", "champion", "train", "validation", "trials", "voided", "fixed", "hypothesis", "reason")
GAINS = ("train_gain", "validation_gain", "gap_widened")


def history(settings: Settings, last: int | None, as_json: bool) -> None:
    """The rounds of a run: scores, decisions, hypotheses.

    last: How many of the newest rounds; 0: all; None: all as JSON, and at most SHOWN in a table.
    """
    rows, rates = list[dict[str, Any]](), (0, 0, 0)
    with open_results(settings.runs) as store:
        name = run_row(store, settings.run).id
        newest, wanted = store.newest_round(name), SHOWN if last is None and not as_json else last
        first = max(newest - wanted + 1, 1) if wanted else 1
        for part in history_parts(store, name, settings.runs, first, newest):
            rows += part.rows
            better, worse, compared = base_rates(part.rounds, part.trials)
            rates = (rates[0] + better, rates[1] + worse, rates[2] + compared)
        grounds, conditions = grounds_of(store, name, settings.runs), condition_lines(store, name, settings.runs)
        rounds, risk = store.milestones(name), stored_config(run_row(store, name)).gate.risk
        standings = standing_lines(name, rounds, scores_of_ends(store, name, rounds))
    if as_json:
        show(rows, True)
        return
    columns = [name for name in COLUMNS if name != "voided" or any(row["voided"] for row in rows)]
    show([_shown(row) for row in rows], False, columns)
    if first > 1:
        print(f"rounds 1 to {first - 1} are not shown: `--last 0` shows all, `--last 500` the newest 500")
    lines = [*standings, *null_copy_lines(rounds, risk), *conditions, *format_predictions(rows, rates)]
    print("\n".join([*lines, *validity_lines(grounds.validity, grounds.weak)]))


def _shown(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """A round for people. fixed: tasks that went better, of those that the proposal said it would fix. trials: those
    that count, and of how many attempts if some have none.

    Behind each score stands its gain over the seed scaffold in points; `!` where train gained clearly more.
    """
    shares = {name: _score_with_gain(row, name) for name in ("train", "validation")}
    fixed = f"{row['fixed']}/{row['predicted']}" if row["predicted"] and row["commit_sha"] else None
    complete = row["graded"] == row["attempts"]
    trials = row["trials"] if complete else f"{row['graded']}/{row['attempts']}"
    return {**row, **shares, "champion": row["champion_round"], "fixed": fixed, "trials": trials}


def _score_with_gain(row: Mapping[str, Any], split: str) -> str | None:
    score, gain = row[f"{split}_score"], row[f"{split}_gain"]
    if score is None:
        return None
    mark = "!" if row["gap_widened"] and split == "validation" else ""
    return f"{100 * score:.1f} %" + ("" if gain is None else f" ({100 * gain:+.0f}){mark}")


def show_round(number: int, settings: Settings, as_json: bool) -> None:
    """One round: its proposal, its decision, its trials."""
    with open_results(settings.runs) as store:
        row = run_row(store, settings.run)
        shown = store.history(row.id, number, number)
        if not shown or shown[-1]["round"] != number:
            raise BadInput(f"round {number}", f"run {row.id} has no such round", "see `evolve history`")
        (played,) = store.rounds_between(row.id, number, number)
        scores = store.scores(row.id, {one["commit_sha"] for one in shown if one["commit_sha"]})
        ran = conditions_of(store, row.id, settings.runs).epochs
        history = history_rows(shown, scores, [played], ran)[-1]
        trials = store.trial_rows(row.id, number)
        lesson = store.lesson(row.id, number)
    own = played.candidate.commit if played.candidate else ""
    share, proposal = voided_share(score for score in scores if score.candidate == own), played.proposal
    said = ("prediction", "ablates", "merges")
    facts = {**history, **{name: proposal and getattr(proposal, name) for name in said}}
    facts["lesson"] = lesson.text if lesson else None
    facts["voided"] = f"{share} attempts" if share.voided else None
    if as_json:
        show([{**facts, "trials": trials}], True)
        return
    known = {name: value for name, value in facts.items() if value is not None and name not in GAINS}
    gap = gap_text(*(history[name] for name in GAINS))
    known |= {"gap": gap} if gap else {}
    show([{"fact": key, "value": value} for key, value in known.items()], False)
    columns = ["task", "split", "attempt", "outcome", "reward", "seconds", "calls", "commands"]
    columns += ["cause"] if any(trial["cause"] for trial in trials) else []
    columns += ["fault"] if any(trial["fault"] for trial in trials) else []
    columns += ["verifier"] if any(trial["verifier"] in IN_PLACE for trial in trials) else []
    show(trials, False, columns)
