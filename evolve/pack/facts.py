"""What a manifest says of a run. All of it follows from rows, so that a reader can derive it once more."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from evolve.core.config import COMMERCIAL_USE, AskedModel, ModelRole, RunConfig
from evolve.core.errors import BadInput
from evolve.gate.claim import comparisons_made
from evolve.pack.manifest import Facts, PackedClaim, PackedModel
from evolve.runs.results import claim_of, suite_looks
from evolve.runs.stored_config import stored, stored_config
from evolve.store import RunRow, Store


def facts_of(row: RunRow) -> Facts:
    """What follows from a run's row. Raises BadInput if its config can't be read."""
    config = stored_config(row)
    return Facts(
        run=row.id,
        created_at=row.created_at,
        run_version=row.evolve_version,
        suite_digest=str(stored(row, "suite_digest") or ""),
        scaffold_digest=str(stored(row, "scaffold_digest") or ""),
        rule=f"{config.gate.rule} {config.gate.version}",
        engine=_object(row.engine),
        models=tuple(_model(role, model) for role, model in config.all_models_by_role.items()),
    )


def _object(text: str) -> Mapping[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _model(role: ModelRole, asked: AskedModel) -> PackedModel:
    return PackedModel(
        role=role,
        model=asked.model,
        base_url=asked.base_url,
        facts=asked.facts.model_dump(mode="json"),
        learned=asked.learned.model_dump(mode="json"),
        licence=asked.terms.licence,
        commercial=asked.terms.commercial,
        source=asked.terms.source,
        as_of=asked.terms.as_of,
        statements=asked.terms.statements,
    )


def outputs_of(config: RunConfig) -> str:
    """Under which terms the texts of the run's models stand: patches, trajectories, lessons."""
    named = (
        f"{model.model} ({model.terms.licence or 'licence unknown'}, {COMMERCIAL_USE[model.terms.commercial]})"
        for model in config.all_models
    )
    return f"texts of these models are under the terms of their providers: {'; '.join(dict.fromkeys(named))}"


def other_looks(store: Store, run: str) -> int:
    """How many comparisons on the holdout of a run's suite other runs of this database made."""
    every, own = suite_looks(store, run), store.holdout_looks(run)
    return max(comparisons_made(look.why for look in every) - comparisons_made(look.why for look in own), 0)


def claim_in(store: Store, run: str, others: int) -> PackedClaim:
    """The claim of a run, computed from its trials.

    Args:
        store: A database with this run alone.
        others: How many comparisons other runs made on the holdout.
    """
    try:
        claimed = claim_of(store, run, others)
    except BadInput as problem:
        return PackedClaim(figures=None, why=problem.problem, other_looks=others)
    except LookupError as problem:
        return PackedClaim(figures=None, why=str(problem), other_looks=others)
    return PackedClaim(figures=json.loads(json.dumps(asdict(claimed))), other_looks=others)
