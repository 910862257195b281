"""Between git and the disk: store a folder's files as blobs, and write folders atomically."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from evolve.core.config import SETTINGS_FILE
from evolve.core.errors import BadInput
from evolve.host.temporary import is_abandoned, process_mark
from evolve.repo.objects import Entry, check_amount, check_files, store_files
from evolve.repo.shell import GitShell

# Never part of a scaffold unless they are tracked.
DROPPINGS = (
    "__pycache__/", ".venv/", "venv/", ".tox/", ".nox/",
    ".mypy_cache/", ".pytest_cache/", ".ruff_cache/", ".hypothesis/",
)  # fmt: skip
# A folder that holds one of these is a suite or the results of runs.
NOT_SCAFFOLD = ("suite.toml", "evolve.db")


def store_folder(home: GitShell, folder: Path) -> list[Entry]:
    """Store the folder's files as blobs, tracked or not, except ignored ones. Paths are relative to the folder.

    Args:
        home: Git in that folder.
        folder: The folder.

    Raises:
        BadInput: The folder holds links, nested repositories, unusable names or no files.
    """
    entries = entries_on_disk(home, folder)
    if not entries:
        raise BadInput(str(folder), "git sees no file in it", "add the scaffold's files, or stop ignoring them")
    check_files(str(folder), entries)
    oids = store_files(home, [folder / entry.path for entry in entries])
    return [Entry(e.path, e.mode, oid, e.size) for e, oid in zip(entries, oids, strict=True)]


def entries_on_disk(home: GitShell, folder: Path) -> list[Entry]:
    """List the folder's files, tracked or not, except ignored ones; nothing is stored. Raises BadInput."""
    return [entry for path in scaffold_paths(folder, _list_paths(home)) if (entry := _disk_entry(folder, path))]


def scaffold_paths(folder: Path, paths: Iterable[str]) -> list[str]:
    """Return those of a folder's relative paths that belong to the scaffold.

    A scaffold may share its folder with a suite, whose solutions and hidden tests it must never see, with results
    and with `evolve.toml`.
    """
    parents = {path: PurePosixPath(path).parents[:-1] for path in paths}
    folders = {parent for path in parents for parent in parents[path]}
    others = {one for one in folders if any((folder / one / name).is_file() for name in NOT_SCAFFOLD)}
    return [path for path in parents if path != SETTINGS_FILE and others.isdisjoint(parents[path])]


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


@contextmanager
def fresh_folder(target: Path) -> Iterator[Path]:
    """Provide an empty folder beside `target`, and rename it to `target` at the end unless that exists by then."""
    target.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{target.name}.partial-"
    for leftover in target.parent.glob(f"{prefix}*"):
        if is_abandoned(leftover):
            shutil.rmtree(leftover, ignore_errors=True)
    place = Path(tempfile.mkdtemp(prefix=f"{prefix}{process_mark()}-", dir=target.parent))
    try:
        place.chmod(0o755)
        yield place
        _rename_unless_there(place, target)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _rename_unless_there(place: Path, target: Path) -> None:
    """Rename a folder; it is fine if another process has made the target first."""
    try:
        if not target.exists():
            place.rename(target)
    except OSError:
        if not target.is_dir():
            raise


def write_files(target: Path, files: Mapping[str, tuple[str, bytes]]) -> None:
    """Write files below `target`, atomically and readable by all. files: path to (git mode, content)."""
    check_amount(str(target), len(files), sum(len(content) for _, content in files.values()))
    with fresh_folder(target) as place:
        for path, (mode, content) in files.items():
            file = place / path
            _make_folders(place, file.parent)
            file.write_bytes(content)
            file.chmod(0o755 if int(mode, 8) & 0o100 else 0o644)


def check_written(folder: Path, files: Mapping[str, tuple[str, bytes]]) -> None:
    """Raise BadInput unless `folder` holds exactly these files, with their contents and executable bits."""
    present = {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir() or path.is_symlink()
    }
    wrong = present ^ set(files) or {path for path, item in files.items() if not _is_written(folder / path, *item)}
    if wrong:
        raise BadInput(str(folder), f"{min(wrong)!r} differs from its commit", "remove that folder")


def _is_written(file: Path, mode: str, content: bytes) -> bool:
    state = file.lstat()
    executable = bool(state.st_mode & 0o100) == bool(int(mode, 8) & 0o100)
    return stat.S_ISREG(state.st_mode) and executable and state.st_size == len(content) and file.read_bytes() == content


def _make_folders(top: Path, folder: Path) -> None:
    if folder != top and not folder.is_dir():
        _make_folders(top, folder.parent)
        folder.mkdir()
        folder.chmod(0o755)
