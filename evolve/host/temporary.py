"""Names that say which process made something: what a killed process left behind is found and removed by the next one.

A mark is `PID.START.MACHINE`: the process's id, its start in clock ticks since boot, and a hash of boot and process
namespace, without which the other two say nothing.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shutil
import tempfile
import time
from collections.abc import Collection, Iterator
from pathlib import Path

from evolve.core.records import stable_hash
from evolve.host.platform import boot_id, process_namespace, process_start

MARK = re.compile(r"(?<![0-9])(\d+)\.(\d+)\.([0-9a-f]{8})(?![0-9a-f])")
# What temporary folders are for. Those of earlier versions have no mark.
PURPOSES = ("base", "blobs", "copy", "image", "index", "merge", "pack", "replay", "repository", "scan")
FOLDER = re.compile(rf"evolve-(?:{'|'.join(PURPOSES)})-|evolve-[0-9a-f]{{16}}-{MARK.pattern}")
OLD_SECONDS = 86_400.0


def process_mark() -> str:
    """The mark of this process."""
    return _mark_of(os.getpid(), process_namespace())


@functools.cache
def _mark_of(pid: int, namespace: str) -> str:
    return f"{pid}.{process_start(pid)}.{_machine(namespace)}"


def _machine(namespace: str) -> str:
    return f"{stable_hash(boot_id(), namespace) % 2**32:08x}"


def is_dead(name: str) -> bool | None:
    """Whether the process that is marked in a name has ended; None if that can't be known here, or there is no mark."""
    mark = MARK.search(name)
    if mark is None or mark[3] != _machine(process_namespace()):
        return None
    return process_start(int(mark[1])) != int(mark[2])


def is_abandoned(path: Path) -> bool:
    """Whether nobody needs the file or folder any more: its process has ended, or, if that is unknown, it is a day old.

    What belongs to another user, or is gone, counts as needed.
    """
    try:
        state = path.lstat()
    except OSError:
        return False
    dead = is_dead(path.name)
    is_old = time.time() - state.st_mtime > OLD_SECONDS
    return state.st_uid == os.getuid() and (is_old if dead is None else dead)


@contextlib.contextmanager
def temporary_folder(purpose: str) -> Iterator[Path]:
    """Provide an empty folder that is removed at the end, or by the next process that sweeps. purpose: of PURPOSES."""
    if purpose not in PURPOSES:
        raise ValueError(f"{purpose!r} is not swept")
    with tempfile.TemporaryDirectory(prefix=f"evolve-{purpose}-{process_mark()}-") as name:
        yield Path(name)


def abandoned_folders() -> list[Path]:
    """The temporary folders that ended processes left behind."""
    folders = Path(tempfile.gettempdir()).glob("evolve-*")
    return sorted(path for path in folders if FOLDER.match(path.name) and is_abandoned(path))


def sweep_folders(names: Collection[str] | None = None) -> list[str]:
    """Remove the temporary folders that ended processes left behind, or those of them that are named; return them."""
    folders = [path for path in abandoned_folders() if names is None or str(path) in names]
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    return [str(folder) for folder in folders]
