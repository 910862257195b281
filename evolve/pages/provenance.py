"""Where a run's numbers come from: model, licence, versions, digests, and the commands that check or repeat them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from evolve import __version__
from evolve.core.escaping import plain
from evolve.pages.run_views import RunView
from evolve.report.models import about_model
from evolve.runs.stored_config import stored
from evolve.store import Store

UNKNOWN = "unknown"
DIGESTS = {"suite": "suite_digest", "scaffold": "scaffold_digest"}


@dataclass(frozen=True)
class Fact:
    """One line: its name, and what is known; `unknown` otherwise."""

    name: str
    value: str


@dataclass(frozen=True)
class Provenance:
    """`models`: a line on each model, its price and its licence. `commands`: each with what it does."""

    facts: tuple[Fact, ...]
    models: tuple[str, ...]
    commands: tuple[tuple[str, str], ...]


def provenance(store: Store, run: RunView) -> Provenance:
    """What somebody needs who wants to check a run or to repeat it."""
    row = run.row
    versions = dict.fromkeys([row.evolve_version, *(one.evolve_version for one in store.sessions(row.id))])
    facts = {
        "run": row.id,
        "started": row.created_at,
        "random seed": str(row.seed),
        "suite": row.suite,
        "scaffold": row.scaffold,
        **{f"digest of the {name}": str(stored(row, key) or UNKNOWN) for name, key in DIGESTS.items()},
        "digest of the settings": row.config_sha256,
        "seed scaffold's commit": run.seed.candidate.commit if run.seed else UNKNOWN,
        "champion's commit": run.champion.candidate.commit if run.champion else UNKNOWN,
        "answers of the parent reused": run.config.reuse,
        "gate": f"{run.config.gate.rule}, version {run.config.gate.version}, risk {run.config.gate.risk:g}",
        "container engine": _engine(row.engine),
        "Evolve": ", ".join(versions),
        "Evolve that wrote this page": __version__,
    }
    lines = tuple(Fact(name, plain(str(value)) or UNKNOWN) for name, value in facts.items())
    return Provenance(lines, tuple(about_model(run.config)), _commands(run))


def _engine(text: str) -> str:
    """What the run stored of its engine; it is JSON, of no fixed form."""
    try:
        values: Any = json.loads(text)
    except ValueError:
        return UNKNOWN
    if not isinstance(values, dict) or not values:
        return UNKNOWN
    return ", ".join(f"{name} {value}" for name, value in values.items() if isinstance(value, str | int | float))


def _commands(run: RunView) -> tuple[tuple[str, str], ...]:
    if run.champion is None:
        return ((f"evolve run --run {run.id}", "resume the run"),)
    return (
        (f"evolve replay evolve/{run.id}/champion", "run the champion's trials again, offline, from their recordings"),
        (f"evolve replay --live evolve/{run.id}/champion", "the same with the model, and compare the scores"),
        (f"evolve claim {run.id}", "the claim with its table of costs and all looks at the holdout"),
        (f"evolve effects {run.id}", "what each kept patch is worth, in fresh trials"),
        (f"evolve diff --run {run.id}", "all changes of the champion"),
        (f"evolve trial ROUND TASK --run {run.id}", "one trial step by step, each command with its output"),
        ("evolve doctor --deep", "check every file against its sha256"),
    )
