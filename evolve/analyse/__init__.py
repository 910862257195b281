"""From the trajectories of `train` trials, and the rounds so far, to what the proposer reads. Pure.

Nothing of the verifier gets in here: neither the tests' output nor which of them failed.
"""

from evolve.analyse.compare import Change, changed
from evolve.analyse.digest import Subject, digest
from evolve.analyse.features import Features, features
from evolve.analyse.groups import Group, Read, groups, read_all
from evolve.analyse.memory import Facts, Hits, remembered
from evolve.analyse.shelf import Shelf, labels

__all__ = [
    "Change",
    "Facts",
    "Features",
    "Group",
    "Hits",
    "Read",
    "Shelf",
    "Subject",
    "changed",
    "digest",
    "features",
    "groups",
    "labels",
    "read_all",
    "remembered",
]
