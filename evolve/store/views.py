"""The views, each with the columns that its rows are sorted by. Their SQL is in `migrations/versions/*.sql`."""

from __future__ import annotations

VIEWS: dict[str, tuple[str, ...]] = {
    "history": ("run", "round"),
    "lineage": ("run", "round"),
    "task_matrix": ("run", "round", "split", "task"),
    "cost": ("run", "round", "purpose"),
    "trials": ("run", "id"),
    "predictions": ("run", "round", "kind", "task"),
}

# The file with the SQL of the view `history`, of which readers may want a part.
HISTORY_FILE = "0016_history.sql"
