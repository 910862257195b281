"""The lineage of candidates in git: commits and branches that leave the user's work tree, index and HEAD alone."""

from evolve.repo.adoption import Adopted, Step, adopt
from evolve.repo.contents import Survey
from evolve.repo.discover import repository_around, survey_seed
from evolve.repo.foreign import find_excess
from evolve.repo.home import Home, common_folder, home_around, home_of
from evolve.repo.lineage import Lineage
from evolve.repo.objects import Author, commit_message
from evolve.repo.patch import BadPatch
from evolve.repo.refs import Branch, champion_branch, round_branch
from evolve.repo.survey import Repository

__all__ = [
    "Adopted",
    "Author",
    "BadPatch",
    "Branch",
    "Home",
    "Lineage",
    "Repository",
    "Step",
    "Survey",
    "adopt",
    "champion_branch",
    "commit_message",
    "common_folder",
    "find_excess",
    "home_around",
    "home_of",
    "repository_around",
    "round_branch",
    "survey_seed",
]
