"""The user's repository that takes over a candidate's files: its HEAD, and where the scaffold lies in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from evolve.core.errors import BadInput
from evolve.repo.discover import check_no_repository
from evolve.repo.objects import Author, Entry, list_tree, read_blobs
from evolve.repo.shell import GitShell

TREE = "040000"
SUBMODULE = "160000"


@dataclass(frozen=True)
class Home:
    """A repository of the user's. It is only read, except for new objects and branches.

    shell: git on the objects and branches; head: the commit of HEAD, None without commits; prefix: the scaffold's path
    in the repository, without a slash at the end, '' for the root.
    """

    shell: GitShell
    head: str | None
    prefix: str

    def entries(self) -> dict[str, Entry]:
        """Everything in the scaffold's folder at HEAD, of any kind, by its path in that folder."""
        if self.head is None or self._mode(self.prefix) != TREE:
            return {}
        return {entry.path: entry for entry in list_tree(self.shell, f"{self.head}:{self.prefix}")}

    def blocker(self) -> str | None:
        """What is no folder at HEAD, but on the way to the scaffold; None if nothing is."""
        parts = self.prefix.split("/") if self.prefix else []
        folders = ["/".join(parts[: count + 1]) for count in range(len(parts))]
        return next((path for path in folders if self._mode(path) not in (None, TREE)), None)

    def contents(self, entries: Sequence[Entry]) -> dict[str, tuple[str, bytes]]:
        """Git mode and bytes of these entries, by path; without bytes for a repository within this one."""
        found = {entry.path: (entry.mode, b"") for entry in entries}
        files = [entry for entry in entries if entry.mode != SUBMODULE]
        blobs = read_blobs(self.shell, [str(entry.oid) for entry in files])
        return found | {entry.path: (entry.mode, blob) for entry, blob in zip(files, blobs, strict=True)}

    def had(self, path: str) -> bool:
        """Whether the history of HEAD knows a file of the scaffold's folder."""
        if self.head is None:
            return False
        return bool(self.shell.text("--literal-pathspecs", "rev-list", "-1", self.head, "--", self.path(path)))

    def path(self, path: str) -> str:
        """The path in the repository of a file of the scaffold's folder."""
        return f"{self.prefix}/{path}" if self.prefix else path

    def user(self) -> Author | None:
        """The user's name and address in git's settings; None unless both are set, and then commits are by Evolve."""
        name, email = (self.shell.ask("config", f"user.{key}").text for key in ("name", "email"))
        return Author(name, email) if name and email else None

    def _mode(self, path: str) -> str | None:
        """The mode of a path at HEAD; None if there is no such path."""
        if self.head is None:
            return None
        if not path:
            return TREE
        line = self.shell.text("--literal-pathspecs", "ls-tree", "-z", "--full-tree", self.head, "--", path)
        return line.split(" ", 1)[0] if line else None


def home_around(folder: Path) -> Home | None:
    """The repository whose work tree holds the folder, which need not exist; it may be without commits.

    Raises:
        BadInput: Git refuses to work there.
    """
    folder = folder.resolve()
    there = next(place for place in (folder, *folder.parents) if place.is_dir())
    if (common := common_folder(there)) is None:
        return None
    inner = GitShell(there).text("rev-parse", "--show-prefix").rstrip("/")
    below = folder.relative_to(there).as_posix()
    prefix = "/".join(part for part in (inner, below) if part not in ("", "."))
    return Home(GitShell(common, common), _head(GitShell(there)), prefix)


def home_of(git_dir: Path, prefix: str, work_trees: Iterable[Path] = ()) -> Home:
    """The repository with this git directory. HEAD is that of the first of the folders that is in a work tree of it."""
    shell = GitShell(git_dir, git_dir)
    own = (GitShell(folder) for folder in work_trees if folder.is_dir() and common_folder(folder) == git_dir.resolve())
    return Home(shell, _head(next(own, shell)), prefix)


def common_folder(folder: Path) -> Path | None:
    """The folder with the objects and branches of the repository whose work tree holds `folder`; None without one.

    Raises:
        BadInput: Git refuses to work there.
    """
    git = GitShell(folder)
    answer = git.ask("rev-parse", "--is-inside-work-tree")
    if answer.status != 0:
        check_no_repository(folder, answer.error)
    if answer.text != "true":
        return None
    shared = git.text("rev-parse", "--git-common-dir")
    if "\n" in shared:
        raise BadInput(str(folder), "its git folder has a line break in its name", "rename that folder")
    return (folder / shared).resolve()


def _head(shell: GitShell) -> str | None:
    answer = shell.ask("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    return answer.text if answer.status == 0 else None
