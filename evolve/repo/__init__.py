"""The lineage of candidates in git: commits and branches that leave the user's work tree, index and HEAD alone."""

from evolve.repo.contents import Survey
from evolve.repo.discover import repository_around, survey_seed
from evolve.repo.foreign import find_excess
from evolve.repo.lineage import Lineage
from evolve.repo.objects import Author
from evolve.repo.patch import BadPatch
from evolve.repo.refs import Branch, champion_branch, round_branch
from evolve.repo.survey import Repository

__all__ = [
    "Author",
    "BadPatch",
    "Branch",
    "Lineage",
    "Repository",
    "Survey",
    "champion_branch",
    "find_excess",
    "repository_around",
    "round_branch",
    "survey_seed",
]
