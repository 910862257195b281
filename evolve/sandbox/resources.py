"""What a trial has to itself on the host: a user id, and copies of the files that its containers mount.

A file that two containers mount is a channel between them, even where it is read-only: a lock on it is seen by both.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from evolve.core.records import stable_hash
from evolve.host import disk
from evolve.sandbox.engine import temporary_prefix
from evolve.sandbox.uids import ReservedUid, uid_table

FILES = Path(__file__).parent / "files"
COPIES = "files"


@dataclass(frozen=True)
class TrialResources:
    """A trial's user id, and its folder on the host; containers see the folder's name, which tells nothing."""

    uid: ReservedUid
    folder: Path

    @property
    def user(self) -> str:
        """The user and the group that run what is not trusted."""
        return f"{self.uid.number}:{self.uid.number}"

    @property
    def files(self) -> Path:
        """Copies of the files for containers: the scaffold's helpers, and /etc/hosts."""
        return self.folder / COPIES

    @property
    def door(self) -> Path:
        """The folder of the gateway's socket."""
        return self.folder / "door"

    def copy_scaffold(self, source: Path) -> Path:
        """Copy a candidate's files, unless that was done before. Raises DiskFull, OSError."""
        target = self.folder / "scaffold"
        return target if target.exists() else _copy(source, target)

    def copy_files(self, source: Path) -> Path:
        """Copy files of the task that a container mounts, unless that was done before; an empty folder if it has none.

        Raises:
            DiskFull, OSError: The machine failed.
        """
        target = self.folder / f"mounted-{stable_hash(str(source)):016x}"
        if target.exists():
            return target
        if source.is_dir():
            return _copy(source, target)
        with disk.convert_os_errors(target):
            if source.is_file():
                shutil.copy(source, target)
            else:
                target.mkdir()
        return target

    def remove(self) -> None:
        """Remove the files and release the user id, when the containers are gone. May be called twice."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.uid.release()


def acquire_resources(owner: str, trial: str) -> TrialResources:
    """Reserve a user id and make a folder for a trial.

    Args:
        owner: By which a sweep finds the folder.
        trial: The id that the scaffold sees; the user id follows from it, unless another trial has that one now.

    Raises:
        InfraError, OSError: the machine failed.
    """
    with contextlib.ExitStack() as undo:
        uid = uid_table().reserve(stable_hash("uid", trial))
        undo.callback(uid.release)
        resources = TrialResources(uid, Path(tempfile.mkdtemp(prefix=temporary_prefix(owner))))
        undo.callback(resources.remove)
        for folder in (resources.folder, resources.door):
            folder.mkdir(exist_ok=True)
            folder.chmod(0o711)
        _copy(FILES, resources.folder / COPIES)
        undo.pop_all()
    return resources


def _copy(source: Path, target: Path) -> Path:
    """Copy a folder with its modes; links stay links. `shutil.copytree` would hide that the disk is full."""
    with disk.convert_os_errors(target):
        _copy_folder(source, target)
    return target


def _copy_folder(source: Path, target: Path) -> None:
    target.mkdir()
    for path in source.iterdir():
        if path.is_dir() and not path.is_symlink():
            _copy_folder(path, target / path.name)
        else:
            shutil.copy(path, target / path.name, follow_symlinks=False)
    shutil.copymode(source, target)
