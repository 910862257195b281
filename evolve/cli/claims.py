"""The command that says what a run may claim."""

from __future__ import annotations

from dataclasses import asdict

from evolve.report.claims import claim_lines
from evolve.report.models import licences_of_models
from evolve.report.tables import show
from evolve.runs.identity import stored_config
from evolve.runs.lookup import open_results, run_row
from evolve.runs.results import claim_of
from evolve.runs.settings import Settings


def claim_run(settings: Settings, as_json: bool) -> None:
    with open_results(settings.runs) as store:
        row = run_row(store, settings.run)
        claimed, looks = claim_of(store, row.id), store.holdout_looks(row.id)
    config = stored_config(row)
    if as_json:
        terms = [{"model": model.model, **model.terms.model_dump(mode="json")} for model in config.models]
        facts = {"run": row.id, "model": row.model, "terms": terms[0], "terms_of_all_models": terms}
        show([{**facts, **asdict(claimed), "looks": [asdict(look) for look in looks]}], True)
        return
    print("\n".join([*claim_lines(row.id, row.model, claimed, looks), *licences_of_models(config)]))
