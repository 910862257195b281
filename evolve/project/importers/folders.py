"""Reading foreign folders: no link leads out, and everything is bounded."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from evolve.core.errors import BadInput
from evolve.project.importers.benchmark import MAX_TASK_FILES, TaskFile, Unsuitable

SKIPPED = (".git", "__pycache__", ".DS_Store")
LFS_POINTER = b"version https://git-lfs.github.com/spec/"
MAX_TEXT_BYTES = 4_000_000
MAX_FOLDERS = 50_000
MAX_DEPTH = 60


def files_below(folder: Path, prefix: str = "") -> list[TaskFile]:
    """All files of a folder, by name; a link to a file inside the folder becomes that file.

    Raises:
        Unsuitable: a link leads out of the folder, something is no regular file, or there is too much.
    """
    root, found = folder.resolve(), []
    for path in _walk(folder, MAX_DEPTH):
        name = path.relative_to(folder).as_posix()
        found.append(TaskFile(prefix + name, _regular(path, root, name), bool(path.stat().st_mode & 0o100)))
        if len(found) > MAX_TASK_FILES:
            raise Unsuitable(f"it has more than {MAX_TASK_FILES} files")
    return found


def _walk(folder: Path, depth: int) -> Iterator[Path]:
    """Files and links below a folder, sorted; links are not followed. Raises Unsuitable below a depth."""
    if not depth:
        raise Unsuitable(f"its folders are nested more than {MAX_DEPTH} deep")
    for entry in sorted(folder.iterdir()):
        if entry.name in SKIPPED:
            continue
        if entry.is_dir() and not entry.is_symlink():
            yield from _walk(entry, depth - 1)
        else:
            yield entry


def _regular(path: Path, root: Path, name: str) -> Path:
    """The regular file behind a path. Raises Unsuitable if there is none inside `root`."""
    target = path.resolve()
    if not target.is_relative_to(root):
        raise Unsuitable(f"{name} is a link that leads out of its folder")
    if not target.is_file():
        raise Unsuitable(f"{name} is no regular file")
    with target.open("rb") as opened:
        if opened.read(len(LFS_POINTER)) == LFS_POINTER:
            raise Unsuitable(f"{name} is a pointer of Git LFS: run `git lfs pull` in the source")
    return target


def own_file(folder: Path, name: str) -> Path | None:
    """A regular file of a folder by its name, if it is there. Raises Unsuitable for a link that leads out."""
    path = folder / name
    return _regular(path, folder.resolve(), name) if path.exists() or path.is_symlink() else None


def read_text(path: Path, name: str, limit: int = MAX_TEXT_BYTES) -> str:
    """A text file of the source. Raises Unsuitable if it is too large or not UTF-8."""
    if path.stat().st_size > limit:
        raise Unsuitable(f"{name} has more than {limit // 1000} kB")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise Unsuitable(f"{name} is not UTF-8 text") from None


def folders_with(source: Path, markers: tuple[str, ...], depth: int = 3) -> list[Path]:
    """The folders, down to a depth, that hold a file of one of these names; nothing below such a folder counts.

    Raises:
        BadInput: there are far too many folders.
    """
    found: list[Path] = []
    for seen, (top, folders, files) in enumerate(os.walk(source), 1):
        if seen > MAX_FOLDERS:
            raise BadInput(str(source), f"has more than {MAX_FOLDERS} folders", "name the folder that holds the tasks")
        place = Path(top)
        if set(markers) & set(files):
            found.append(place)
            folders.clear()
        elif len(place.relative_to(source).parts) >= depth:
            folders.clear()
        folders[:] = sorted(name for name in folders if not name.startswith("."))
    return found
