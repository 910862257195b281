"""The scaffold's only connection: calls of the model and the task's container, metered, recorded, on a Unix socket."""

from evolve.trial.gateway.budget import TrialBudget
from evolve.trial.gateway.commands import Workspace
from evolve.trial.gateway.door import Door
from evolve.trial.gateway.endurance import longest_delay
from evolve.trial.gateway.parent_answers import ParentAnswers, load_parent_answers
from evolve.trial.gateway.server import SOCKET_NAME, Gateway

__all__ = [
    "SOCKET_NAME",
    "Door",
    "Gateway",
    "ParentAnswers",
    "TrialBudget",
    "Workspace",
    "load_parent_answers",
    "longest_delay",
]
