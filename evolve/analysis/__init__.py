"""From the trajectories of `train` trials, and the rounds so far, to what the proposer reads. Pure.

Nothing of the verifier gets in here: neither the tests' output nor which of them failed.
"""

from evolve.analysis.browser import Shelf, labels
from evolve.analysis.compare import TaskChanges, changed
from evolve.analysis.digest import Subject, digest
from evolve.analysis.features import Features, features
from evolve.analysis.groups import Group, Read, groups, read_all
from evolve.analysis.memory import Facts, Hits, remembered

__all__ = [
    "Facts",
    "Features",
    "Group",
    "Hits",
    "Read",
    "Shelf",
    "Subject",
    "TaskChanges",
    "changed",
    "digest",
    "features",
    "groups",
    "labels",
    "read_all",
    "remembered",
]
