"""A full disk, as errors of the system, the database and git show it; and files that are written atomically."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import URL
from sqlalchemy.exc import OperationalError

from evolve.core.errors import DiskFull, InfraError
from evolve.core.records import Fault
from evolve.host import disk
from evolve.repo.shell import Answer, GitShell
from evolve.store.database import database_error

HINT = disk.FREE_SPACE_HINT


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_recognised_by_the_error_number(tmp_path: Path, number: int) -> None:
    with (
        pytest.raises(DiskFull, match=f"no space left on /.*: .*here can't be written; {HINT}"),
        disk.convert_os_errors(tmp_path),
    ):
        raise OSError(number, os.strerror(number), str(tmp_path / "here"))


def test_other_errors_pass_unchanged(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), disk.convert_os_errors(tmp_path):
        (tmp_path / "none").read_bytes()


def test_a_full_disk_is_a_fault_of_the_machine() -> None:
    assert DiskFull.fault is Fault.DISK and issubclass(DiskFull, InfraError) and DiskFull.exit_status == 1


def test_a_full_disk_is_recognised_in_sqlites_message(tmp_path: Path) -> None:
    url = URL.create("sqlite", database=str(tmp_path / "evolve.db"))
    full, other = (
        database_error(OperationalError("", {}, sqlite3.OperationalError(words)), url)
        for words in ("database or disk is full", "disk I/O error")
    )
    assert isinstance(full, DiskFull) and str(full).endswith(f"evolve.db: database or disk is full; {HINT}")
    assert not isinstance(other, DiskFull), "this disk has space left"


def test_a_full_disk_is_recognised_in_gits_message(tmp_path: Path) -> None:
    shell = GitShell(tmp_path)
    full = shell.failure("git x failed", Answer(128, b"", "fatal: write error: No space left on device"))
    assert isinstance(full, DiskFull) and "write error" in str(full)
    assert not isinstance(shell.failure("git x failed", Answer(128, b"", "fatal: bad object")), DiskFull)


def test_a_file_is_written_with_its_folder(tmp_path: Path) -> None:
    disk.write_atomically(tmp_path / "a" / "b", b"text")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["b"]
    assert (tmp_path / "a" / "b").read_bytes() == b"text"
