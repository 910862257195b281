"""Find the repository that holds a scaffold's folder, or create one for the scaffold alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from evolve.core.errors import BadInput
from evolve.host.temporary import temporary_folder
from evolve.repo.contents import Survey, survey_folder
from evolve.repo.export import fresh_folder, store_folder
from evolve.repo.objects import changed_tree, check_files, store_commit
from evolve.repo.refs import move_ref
from evolve.repo.shell import GitShell

MAIN = "refs/heads/main"
_EPOCH = "1970-01-01T00:00:00+00:00"


@dataclass(frozen=True)
class Place:
    """Where a lineage is stored.

    Attributes:
        folder: The scaffold on disk.
        prefix: Its path in the repository, without a slash at the end; '' for the root.
        shell: Git on the objects and refs, which all work trees share.
        home: Git in the scaffold's own work tree, with its HEAD.
        without: Folders that don't belong to the scaffold, wherever they are.
    """

    folder: Path
    prefix: str
    shell: GitShell
    home: GitShell
    without: tuple[Path, ...] = ()


def find_place(scaffold_folder: Path, fallback: Path, alone: bool = False, without: Sequence[Path] = ()) -> Place:
    """Return the repository around the folder; `fallback` if it exists, if there is none with a commit, or if `alone`.

    Raises:
        BadInput: The folder does not exist, or git refuses to work there.
    """
    if not scaffold_folder.is_dir():
        raise BadInput(str(scaffold_folder), "is not a folder", "give the scaffold's folder")
    folder = scaffold_folder.resolve()
    if "\n" in str(folder):
        raise BadInput(repr(str(folder)), "has a line break in its name", "rename the folder")
    place = None if alone or fallback.is_dir() else _existing_place(folder)
    return replace(place or _fallback_place(folder, fallback, without), without=tuple(without))


def find_in(git_dir: Path, prefix: str) -> Place:
    """A scaffold that is read from its repository alone: it need not be on disk."""
    shell = GitShell(git_dir, git_dir)
    return Place(git_dir, prefix, shell, shell)


def find_around(folder: Path) -> Place | None:
    """The repository around the folder, if there is one with a commit. Raises BadInput where git refuses to work."""
    return _existing_place(folder.resolve()) if folder.is_dir() else None


def survey_seed(folder: Path, without: Sequence[Path] = (), alone: bool = False) -> Survey:
    """What the seed commit of a scaffold's folder would hold, and what is left out of it; nothing is written.

    Args:
        folder: The scaffold's.
        without: Folders that don't belong to the scaffold, wherever they are.
        alone: Whatever repository is around it.

    Raises:
        BadInput: It holds links, nested repositories, odd names or too much, or git refuses to work in the folder.
    """
    top = folder.resolve()
    if not alone and (place := _existing_place(top)) is not None:
        return _checked(top, survey_folder(place.home, top, without))
    with temporary_folder("repository") as bare:
        GitShell(bare).run("init", "--quiet", "--bare", "--template=", str(bare))
        return _checked(top, survey_folder(GitShell(top, bare, top), top, without))


def _checked(folder: Path, survey: Survey) -> Survey:
    check_files(str(folder), survey.entries)
    return survey


def repository_around(folder: Path) -> Path | None:
    """Return the git directory (objects and branches) of the repository around `folder`; None if there is none."""
    place = find_around(folder)
    return place.shell.cwd if place else None


def _existing_place(folder: Path) -> Place | None:
    git = GitShell(folder)
    answer = git.ask("rev-parse", "--is-inside-work-tree")
    if answer.status != 0:
        check_no_repository(folder, answer.error)
    if answer.text != "true" or git.ask("rev-parse", "--verify", "--quiet", "HEAD^{commit}").status != 0:
        return None
    options = ("--show-toplevel", "--show-prefix", "--absolute-git-dir", "--git-common-dir")
    lines = git.text("rev-parse", *options).split("\n")
    if len(lines) != len(options):
        raise BadInput(str(folder), "its git folder has a line break in its name", "rename that folder")
    top, prefix, git_dir, shared = lines
    common = (folder / shared).resolve()
    return Place(folder, prefix.rstrip("/"), GitShell(common, common), GitShell(folder, Path(git_dir), Path(top)))


def check_no_repository(folder: Path, error: str) -> None:
    """Raise BadInput unless git failed because there is no repository."""
    if "not a git repository (or any" in error:
        return
    if "dubious ownership" in error:
        path = re.search(r"safe\.directory (\S.*)", error)
        command = f"git config --global --add safe.directory {path[1] if path else folder}"
        raise BadInput(str(folder), "git refuses its repository, which another user owns", f"run `{command}`")
    raise BadInput(str(folder), " ".join(error.split()), "make `git status` work in that folder")


def _fallback_place(folder: Path, fallback: Path, without: Sequence[Path]) -> Place:
    if not fallback.is_dir():
        _create(folder, fallback, without)
    bare = fallback.resolve()
    return Place(folder, "", GitShell(bare, bare), GitShell(folder, bare, folder))


def _create(folder: Path, fallback: Path, without: Sequence[Path]) -> None:
    """Create a bare repository whose first commit holds the folder's files, in one atomic step."""
    with fresh_folder(fallback) as place:
        GitShell(place).run("init", "--quiet", "--bare", "--template=", "--initial-branch=main", str(place))
        shell = GitShell(place, place)
        tree = changed_tree(shell, None, store_folder(GitShell(folder, place, folder), folder, without))
        move_ref(shell, MAIN, store_commit(shell, tree, None, "The scaffold as it was found\n", _EPOCH), None)
