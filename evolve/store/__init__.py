"""The database: the only package that knows SQL."""

from evolve.store.rows import (
    ConditionedTrial,
    Decided,
    EndRow,
    LookRow,
    LossRow,
    Milestone,
    PairedReward,
    PreflightRow,
    Regrade,
    RoundMark,
    RoundOutline,
    RoundRow,
    RoundScore,
    RunRow,
    SessionRow,
    TaskRow,
    TaskScore,
    TrialScore,
)
from evolve.store.store import Store
from evolve.store.views import VIEWS

__all__ = [
    "VIEWS",
    "ConditionedTrial",
    "Decided",
    "EndRow",
    "LookRow",
    "LossRow",
    "Milestone",
    "PairedReward",
    "PreflightRow",
    "Regrade",
    "RoundMark",
    "RoundOutline",
    "RoundRow",
    "RoundScore",
    "RunRow",
    "SessionRow",
    "Store",
    "TaskRow",
    "TaskScore",
    "TrialScore",
]
