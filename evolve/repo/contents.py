"""What of a folder on disk belongs to its scaffold, and what is left out."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from evolve.core.config import SETTINGS_FILE
from evolve.core.errors import BadInput
from evolve.guard.excluded import foreign_file, foreign_folder
from evolve.repo.objects import Entry
from evolve.repo.shell import GitShell

# Never part of a scaffold unless they are tracked.
DROPPINGS = (
    "__pycache__/", ".venv/", "venv/", ".tox/", ".nox/",
    ".mypy_cache/", ".pytest_cache/", ".ruff_cache/", ".hypothesis/",
)  # fmt: skip
GIVEN = "the suite or the results of this run"


@dataclass(frozen=True)
class Survey:
    """What a folder holds.

    Attributes:
        entries: The scaffold's files, tracked or not, except ignored ones; without their contents.
        left_out: Why the others don't belong to it, by the path of the outermost such folder or file.
    """

    entries: list[Entry]
    left_out: Mapping[str, str] = field(default_factory=dict)


def survey_folder(home: GitShell, folder: Path, without: Sequence[Path] = ()) -> Survey:
    """List the folder's files; nothing is stored. Raises BadInput for a repository within the scaffold.

    Args:
        home: Git in that folder.
        folder: The folder, without links in its path.
        without: Folders that don't belong to the scaffold, wherever they are, also if links lead there.
    """
    own, left_out = scaffold_paths(folder, _list_paths(home), without)
    return Survey([entry for path in own if (entry := _disk_entry(folder, path))], left_out)


def scaffold_paths(
    folder: Path, paths: Iterable[str], without: Sequence[Path] = ()
) -> tuple[list[str], Mapping[str, str]]:
    """Divide a folder's relative paths: those that belong to the scaffold, and why the others don't.

    A scaffold may share its folder with suites, whose solutions and hidden tests it must never see, with results of
    runs and with `evolve.toml`.
    """
    search = _Foreign(folder, frozenset(place.resolve() for place in without))
    own: list[str] = []
    left_out: dict[str, str] = {}
    for path in dict.fromkeys(name.rstrip("/") for name in paths):
        if path == SETTINGS_FILE or not os.path.lexists(folder / path):
            continue
        if found := search.find(path):
            left_out.setdefault(*found)
        else:
            own.append(path)
    return own, left_out


@dataclass(frozen=True)
class _Foreign:
    """Find what is foreign in a folder. `without`: as for `survey_folder`, resolved; `known`: the folders seen."""

    folder: Path
    without: frozenset[Path]
    known: dict[Path, str | None] = field(default_factory=dict)

    def find(self, path: str) -> tuple[str, str] | None:
        """(outermost foreign path, what it is) for a relative path; None if it belongs to the scaffold."""
        file = self.folder / path
        outer = [one for one in reversed(file.parents) if self.folder in one.parents]
        for one in (*outer, file):
            if reason := self._reason(one):
                return one.relative_to(self.folder).as_posix(), reason
        return None

    def _reason(self, path: Path) -> str | None:
        if path not in self.known:
            own = foreign_file(path.name) if not path.is_dir() else None
            self.known[path] = own or (self._behind(path.resolve()) if path.is_symlink() else self._of_folder(path))
        return self.known[path]

    def _behind(self, target: Path) -> str | None:
        """What a link leads to, if that is foreign or lies in something foreign."""
        places = [one for one in (target, *target.parents) if one != self.folder and one not in self.folder.parents]
        return next((reason for one in places if (reason := self._of_folder(one))), None)

    def _of_folder(self, path: Path) -> str | None:
        known = foreign_folder(path.name, _names(path)) if path.is_dir() else None
        return known or (GIVEN if path in self.without else None)


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except PermissionError:
        return []


def _list_paths(home: GitShell) -> list[str]:
    """List tracked and untracked files, except ignored ones, virtual environments and caches."""
    options = ("--cached", "--others", "--exclude-standard", *(f"--exclude={name}" for name in DROPPINGS))
    names = home.run("ls-files", "-z", *options).decode("utf-8", "surrogateescape").split("\0")
    return sorted({name for name in names if name})


def _disk_entry(folder: Path, path: str) -> Entry | None:
    """Return the entry of one path; None if it was deleted or is a folder now."""
    file = folder / path
    if not file.parent.exists() or file.parent.resolve() != file.parent or not os.path.lexists(file):
        return None
    if file.is_dir() and not file.is_symlink():
        if (file / ".git").exists():
            raise BadInput(str(file), "is a git repository of its own", "ignore it or remove its `.git`")
        return None
    state = file.lstat()
    if file.is_symlink() or not file.is_file():
        return Entry(path, "120000", "")
    return Entry(path, "100755" if state.st_mode & 0o100 else "100644", "", state.st_size)
