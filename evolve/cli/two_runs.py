"""The command that sets two runs side by side."""

from __future__ import annotations

from evolve.report.compare_runs import ComparedRun, comparison_rows, difference_lines
from evolve.report.tables import show
from evolve.runs.evidence import judge_trials
from evolve.runs.lookup import open_results, run_row
from evolve.runs.results import fresh_scores
from evolve.runs.settings import Settings
from evolve.runs.stored_config import stored, stored_config
from evolve.store import RunRow, Store


def compare_runs(first: str, second: str, settings: Settings, as_json: bool) -> None:
    with open_results(settings.runs) as store:
        pair = [_compared(store, run_row(store, name), settings) for name in (first, second)]
    show(comparison_rows(*pair), as_json)
    if not as_json:
        for line in difference_lines(*pair):
            print(line)


def _compared(store: Store, row: RunRow, settings: Settings) -> ComparedRun:
    rounds, trials = store.rounds_in_brief(row.id), store.trials(row.id)
    decided = [one for one in rounds if one.decision]
    candidates = store.candidates(row.id)
    champion = store.champion(row.id) if decided else None
    depths = {line["round"]: line["depth"] for line in store.view("lineage", row.id)}
    return ComparedRun(
        row=row,
        scaffold_digest=stored(row, "scaffold_digest"),
        tasks=store.tasks(row.id),
        rounds=max(len(decided) - 1, 0),
        patches=depths[champion.round] if champion else 0,
        trials=len(trials),
        minutes=sum(line["minutes"] or 0 for line in store.history(row.id, 1, len(rounds), figures=False)),
        usage=store.spent(row.id),
        seed=fresh_scores(store, row.id, candidates[0]) if candidates else {},
        champion=fresh_scores(store, row.id, champion) if champion else {},
        is_valid=judge_trials(trials, settings.runs, row.id).validity.valid,
        config=stored_config(row),
    )
