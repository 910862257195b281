"""What is stored with a run beside its rows: its config, and what it began with."""

from __future__ import annotations

import json
from typing import Any

from evolve.core.config import RunConfig
from evolve.core.errors import BadInput
from evolve.core.text import storable_text
from evolve.store import RunRow

# Stored beside the config.
NETWORKS = "suite_networks"
# Of a run in which scaffolds are measured side by side: what they are, and for what.
MEASUREMENT = "measurement"


def stored(row: RunRow, key: str) -> Any:
    """A stored value of the run; None if an older version did not store it."""
    return stored_values(row).get(key)


def is_measurement(row: RunRow) -> bool:
    """Whether a run measures scaffolds side by side, for a claim or for the effects of patches."""
    return f'"{MEASUREMENT}": ' in row.config and bool(stored(row, MEASUREMENT))


def stored_config(row: RunRow) -> RunConfig:
    """The config that a run began with. Raises BadInput if this version can't read it."""
    values = stored_values(row)
    try:
        return RunConfig.from_stored(json.dumps(values))
    except (ValueError, TypeError, AttributeError) as error:
        raise _unreadable(row, " ".join(str(error).split())[:300]) from error


def stored_values(row: RunRow) -> dict[str, Any]:
    """The stored config as an object. Raises BadInput if it is none."""
    try:
        values = json.loads(row.config)
    except (ValueError, RecursionError) as error:
        raise _unreadable(row, str(error)) from error
    if not isinstance(values, dict):
        raise _unreadable(row, "it is no JSON object")
    return values


def _unreadable(row: RunRow, problem: str) -> BadInput:
    fix = "restore the database from a backup, or start another run with --run new"
    return BadInput(f"run {row.id}", f"its stored config can't be read: {storable_text(problem)}", fix)
