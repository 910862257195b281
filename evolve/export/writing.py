"""A new folder that appears complete or not at all, and never in the place of anything."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from evolve.core.errors import BadInput
from evolve.host import disk
from evolve.host.temporary import is_abandoned, process_mark


@contextlib.contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Provide an empty folder, which becomes `target` at the end; after an error nothing is left.

    Raises:
        BadInput: `target` exists already, or can't be written.
        DiskFull: The disk is full.
    """
    check_free(target)
    target = target.absolute()
    place = target.with_name(f".{target.name}.{process_mark()}{disk.PART}")
    with _explained(target), contextlib.ExitStack() as undo:
        for parent in reversed([one for one in target.parents if not one.exists()]):
            parent.mkdir()
            undo.callback(parent.rmdir)
        _sweep(target)
        place.mkdir()
        undo.callback(shutil.rmtree, place, ignore_errors=True)
        yield place
        check_free(target)
        place.rename(target)
        undo.pop_all()


def check_free(target: Path) -> None:
    """Raise BadInput if something of this name exists; an empty folder does not count."""
    is_empty = target.is_dir() and not target.is_symlink() and not any(target.iterdir())
    if not is_empty and (target.exists() or target.is_symlink()):
        raise BadInput(str(target), "already exists, and nothing is overwritten", "name another folder with --to")


def _sweep(target: Path) -> None:
    """Remove what killed processes left of exports to the same folder."""
    for left in target.parent.glob(f".{glob_free(target.name)}.*{disk.PART}"):
        if is_abandoned(left):
            shutil.rmtree(left, ignore_errors=True)


def glob_free(name: str) -> str:
    """A pattern that only this name matches."""
    return "".join(f"[{character}]" if character in "*?[" else character for character in name)


@contextlib.contextmanager
def _explained(target: Path) -> Iterator[None]:
    """An error of the system's as one line; a full disk keeps its own error."""
    try:
        with disk.convert_os_errors(target):
            yield
    except OSError as error:
        where = str(error.filename or target)
        fix = "name a folder with --to in which you may write"
        raise BadInput(where, f"can't be written: {error.strerror}", fix) from error
