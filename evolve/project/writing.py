"""New files, all or none, and never in the place of an existing one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from evolve.core.errors import BadInput
from evolve.host import disk

CACHE = "__pycache__"
IS_THERE = "already exists"


@dataclass(frozen=True)
class NewFile:
    """A file to write; its path is relative to the project's folder."""

    path: str
    content: bytes
    executable: bool = False


@dataclass(frozen=True)
class Unit:
    """A file or a folder that is written as a whole, or left alone if something of its name exists."""

    name: str
    files: tuple[NewFile, ...]

    @classmethod
    def of_text(cls, name: str, text: str) -> Unit:
        return cls(name, (NewFile(name, text.encode()),))

    @classmethod
    def of_folder(cls, name: str, source: Path, fill: Callable[[bytes], bytes] = bytes) -> Unit:
        """A copy of a folder's regular files, without Python's caches; `fill` may change their contents."""
        paths = sorted(path for path in source.rglob("*") if path.is_file() and not path.is_symlink())
        own = [path for path in paths if CACHE not in path.relative_to(source).parts]
        return cls(name, tuple(_copied(name, source, path, fill) for path in own))


def _copied(name: str, source: Path, path: Path, fill: Callable[[bytes], bytes]) -> NewFile:
    executable = bool(path.stat().st_mode & 0o100)
    return NewFile(f"{name}/{path.relative_to(source).as_posix()}", fill(path.read_bytes()), executable)


def write(folder: Path, units: Sequence[Unit], edits: Sequence[NewFile] = ()) -> dict[str, str]:
    """Write the units that do not exist yet, and replace the text of the edited files.

    Returns:
        For each unit's name and each edited file, what was done with it.

    Raises:
        BadInput: a file can't be written. Everything is then as it was before.
    """
    new = [unit for unit in units if not _exists(folder / unit.name)]
    edited = {edit.path: "changed" if _exists(folder / edit.path) else "written" for edit in edits}
    with explained_errors(Path.cwd()), contextlib.ExitStack() as undo:
        for file in (file for unit in new for file in unit.files):
            _create(folder / file.path, file, undo)
        for edit in edits:
            _replace(folder / edit.path, edit.content, undo)
        undo.pop_all()
    done = {unit.name: "written" if unit in new else IS_THERE for unit in units}
    return done | edited


@contextlib.contextmanager
def explained_errors(place: Path, fix: str = "use a folder in which you may write") -> Iterator[None]:
    """Raise BadInput, which names the file or `place`, for an error of the system; a full disk keeps its own error."""
    try:
        with disk.convert_os_errors(place):
            yield
    except OSError as error:
        where = str(error.filename or place)
        raise BadInput(where, f"can't be written: {error.strerror}", fix) from error


def _exists(path: Path) -> bool:
    return path.exists() or path.is_symlink()


def _create(target: Path, file: NewFile, undo: contextlib.ExitStack) -> None:
    for parent in reversed([one for one in target.parents if not one.exists()]):
        parent.mkdir()
        undo.callback(parent.rmdir)
    with target.open("xb") as opened:
        undo.callback(target.unlink)
        opened.write(file.content)
    if file.executable:
        target.chmod(target.stat().st_mode | 0o111)


def _replace(target: Path, content: bytes, undo: contextlib.ExitStack) -> None:
    if target.exists():
        undo.callback(disk.write_atomically, target, target.read_bytes())
    else:
        undo.callback(target.unlink, missing_ok=True)
    disk.write_atomically(target, content)
