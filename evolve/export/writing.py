"""A new folder that appears complete or not at all, and never in the place of anything."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from evolve.core.errors import BadInput
from evolve.host import disk
from evolve.host.temporary import is_abandoned, process_mark
from evolve.project.writing import explained_errors

FIX = "name a folder with --to in which you may write"


@contextlib.contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Provide an empty folder whose content is that of `target` in the end; after an error nothing is left.

    Raises:
        BadInput: `target` exists and is no empty folder, or can't be written.
        DiskFull: The disk is full.
    """
    check_free(target)
    target = target.absolute()
    with explained_errors(target, FIX), contextlib.ExitStack() as undo:
        for parent in reversed([one for one in target.parents if not one.exists()]):
            parent.mkdir()
            undo.callback(parent.rmdir)
        is_there = target.is_dir()
        home = target if is_there else target.parent
        for left in _abandoned(home, target.name):
            shutil.rmtree(left, ignore_errors=True)
        place = home / f".{target.name}.{process_mark()}{disk.PART}"
        place.mkdir()
        undo.callback(shutil.rmtree, place, ignore_errors=True)
        yield place
        check_free(target, besides=place)
        if is_there:
            for path in place.iterdir():
                path.rename(target / path.name)
            place.rmdir()
        else:
            place.rename(target)
        undo.pop_all()


def check_free(target: Path, besides: Path | None = None) -> None:
    """Raise BadInput if something of this name exists, except an empty folder. besides: what may be in the folder."""
    with explained_errors(target, FIX):
        if not target.exists() and not target.is_symlink():
            return
        if target.is_dir() and not target.is_symlink():
            own = {*_abandoned(target, target.absolute().name), besides}
            if all(path in own for path in target.iterdir()):
                return
    raise BadInput(str(target), "already exists, and nothing is overwritten", "name another folder with --to")


def _abandoned(folder: Path, name: str) -> list[Path]:
    """What killed processes left there of exports to a folder of this name."""
    parts = [path for path in folder.iterdir() if path.name.startswith(f".{name}.") and path.name.endswith(disk.PART)]
    return [path for path in parts if is_abandoned(path)]
