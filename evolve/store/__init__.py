"""The database: the only package that knows SQL."""

from evolve.store.rows import EndRow, LookRow, LossRow, PreflightRow, Regrade, RoundRow, RunRow, SessionRow, TaskRow
from evolve.store.store import Store
from evolve.store.views import VIEWS

__all__ = [
    "VIEWS",
    "EndRow",
    "LookRow",
    "LossRow",
    "PreflightRow",
    "Regrade",
    "RoundRow",
    "RunRow",
    "SessionRow",
    "Store",
    "TaskRow",
]
