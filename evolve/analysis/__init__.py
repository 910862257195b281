"""Summarise the trajectories of `train` trials, and the rounds so far, for the proposer. Pure.

Nothing from the verifier may get in here: neither the output of the tests nor which of them failed.
"""

from evolve.analysis.browser import Shelf, task_labels
from evolve.analysis.compare import TaskChanges, paired_changes, task_changes
from evolve.analysis.digest import Subject, digest
from evolve.analysis.features import Features, features
from evolve.analysis.groups import AnalysedTrial, Group, analyse_trials, groups
from evolve.analysis.memory import FULL_ROUNDS, REMEMBERED, Hits, RoundFacts, format_memory, reason_without_figures

__all__ = [
    "FULL_ROUNDS",
    "REMEMBERED",
    "AnalysedTrial",
    "Features",
    "Group",
    "Hits",
    "RoundFacts",
    "Shelf",
    "Subject",
    "TaskChanges",
    "analyse_trials",
    "digest",
    "features",
    "format_memory",
    "groups",
    "paired_changes",
    "reason_without_figures",
    "task_changes",
    "task_labels",
]
