"""The command that says what a run may claim."""

from __future__ import annotations

from dataclasses import asdict

from evolve.cli.results import open_results, run_row
from evolve.cli.settings import Settings
from evolve.core.errors import BadInput
from evolve.gate.claim import claim
from evolve.report.claims import claim_lines
from evolve.report.models import licence_lines
from evolve.report.tables import show
from evolve.runs.identity import stored_config


def claim_run(settings: Settings, as_json: bool) -> None:
    with open_results(settings.runs) as store:
        row = run_row(store, settings.run)
        candidates = store.candidates(row.id)
        champion = store.champion(row.id) if candidates else None
        pair = [store.trials(row.id, c.commit) for c in (candidates[0], champion)] if champion else [[], []]
        looks = store.holdout_looks(row.id)
    if champion is not None and champion.round == 0:
        raise BadInput(f"run {row.id}", "the champion is still the seed scaffold", "resume the run for more rounds")
    claimed = claim(*pair)
    if claimed is None:
        raise BadInput(
            f"run {row.id}", "seed and champion were not both measured on two holdout tasks", "let the run end first"
        )
    terms = stored_config(row).terms
    if as_json:
        facts = {"run": row.id, "model": row.model, "terms": terms.model_dump()}
        show([{**facts, **asdict(claimed), "looks": [asdict(look) for look in looks]}], True)
        return
    print("\n".join([*claim_lines(row.id, row.model, claimed, looks), *licence_lines(terms)]))
