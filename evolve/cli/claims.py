"""The commands that say what a run may claim."""

from __future__ import annotations

from dataclasses import asdict

from evolve.core.records import Split
from evolve.report.arms import arm_facts
from evolve.report.claims import claim_lines, print_null
from evolve.report.conditions import condition_lines
from evolve.report.models import licences_of_models
from evolve.report.promises import null_copy_lines
from evolve.report.tables import show
from evolve.report.validity import network_lines, validity_facts, validity_lines
from evolve.runs.evidence import grounds_of
from evolve.runs.lookup import open_results, run_row
from evolve.runs.results import claim_of, fresh_coverage, has_new_champion, holdout_figures, suite_looks
from evolve.runs.settings import Settings
from evolve.runs.stored_config import NETWORKS, stored, stored_config


def claim_run(settings: Settings, as_json: bool) -> None:
    """Print the claim of a run from its own trials; that there is no new champion is a result too."""
    with open_results(settings.runs) as store:
        row = run_row(store, settings.run)
        if has_new_champion(store, row.id) is False:
            show([{"run": row.id, "model": row.model, "claim": None}], True) if as_json else print_null(store, row.id)
            return
        claimed, looks, config = claim_of(store, row.id), suite_looks(store, row.id), stored_config(row)
        grounds = grounds_of(store, row.id, settings.runs)
        promises = [*null_copy_lines(store.milestones(row.id), config.gate.risk)]
        promises += condition_lines(store, row.id, settings.runs)
        pair = (store.seed(row.id), store.champion(row.id))
        arms = holdout_figures(store, row.id)
        covered = [fresh_coverage(store, row.id, candidate, config)[Split.HOLDOUT] for candidate in pair]
    if as_json:
        terms = [{"model": model.model, **model.terms.model_dump(mode="json")} for model in config.all_models]
        facts = {"run": row.id, "model": row.model, "terms": terms[0], "terms_of_all_models": terms}
        coverage = {"seed": asdict(covered[0]), "champion": asdict(covered[1])}
        rests = {"coverage": coverage, **validity_facts(grounds.validity, grounds.weak)}
        rests["networks"] = stored(row, NETWORKS) or {}
        figures = {**asdict(claimed), "p_corrected": claimed.p_corrected, "scaffolds": [arm_facts(arm) for arm in arms]}
        show([{**facts, **figures, **rests, "looks": [asdict(look) for look in looks]}], True)
        return
    # The claim itself says how the tests ran that it compares.
    more = [*promises, *validity_lines(grounds.validity, {}), *network_lines(stored(row, NETWORKS))]
    lines = claim_lines(row.id, row.model, claimed, looks, covered, more, arms)
    print("\n".join([*lines, *licences_of_models(config)]))
