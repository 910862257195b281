"""Between git and the disk: store a folder's files as blobs, and write folders atomically."""

from __future__ import annotations

import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from evolve.core.errors import BadInput
from evolve.host.temporary import is_abandoned, process_mark
from evolve.repo.contents import survey_folder
from evolve.repo.objects import Entry, check_amount, check_files, store_files
from evolve.repo.shell import GitShell


def store_folder(home: GitShell, folder: Path, without: Sequence[Path] = ()) -> list[Entry]:
    """Store the folder's files as blobs, tracked or not, except ignored ones. Paths are relative to the folder.

    Args:
        home: Git in that folder.
        folder: The folder.
        without: Folders that don't belong to the scaffold, wherever they are.

    Raises:
        BadInput: The folder holds links, nested repositories, unusable names or no files.
    """
    entries = survey_folder(home, folder, without).entries
    if not entries:
        raise BadInput(str(folder), "git sees no file in it", "add the scaffold's files, or stop ignoring them")
    check_files(str(folder), entries)
    oids = store_files(home, [folder / entry.path for entry in entries])
    return [Entry(e.path, e.mode, oid, e.size) for e, oid in zip(entries, oids, strict=True)]


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
