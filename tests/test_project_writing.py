"""New files: all or none, none overwritten, modes kept."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from evolve.core.errors import BadInput, DiskFull
from evolve.host import disk
from evolve.project.writing import NewFile, Unit, write

TWO = (Unit.of_text("a.toml", "a\n"), Unit("folder", (NewFile("folder/sub/b", b"b", executable=True),)))


def listing(folder: Path) -> dict[str, bytes | None]:
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in sorted(folder.rglob("*"))}


def test_files_and_folders_are_written(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("x\n")
    done = write(tmp_path, TWO, (NewFile(".gitignore", b"x\nruns/\n"),))
    assert done == {"a.toml": "written", "folder": "written", ".gitignore": "changed"}
    assert (tmp_path / "a.toml").read_text() == "a\n" and (tmp_path / ".gitignore").read_text() == "x\nruns/\n"
    assert (tmp_path / "folder/sub/b").stat().st_mode & 0o111 and not (tmp_path / "a.toml").stat().st_mode & 0o111


def test_what_exists_stays(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "a.toml").symlink_to("nowhere")
    before = listing(tmp_path)
    assert write(tmp_path, TWO) == {"a.toml": "already exists", "folder": "already exists"}
    assert listing(tmp_path) == before


def test_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("a file, so no folder")
    (tmp_path / ".gitignore").write_text("x\n")
    before = listing(tmp_path)
    blocked = Unit("blocked", (NewFile("folder/c", b"c"), NewFile("there/d", b"d")))
    with pytest.raises(BadInput, match="can't be written"):
        write(tmp_path, (*TWO, blocked))
    assert listing(tmp_path) == before


def test_a_failed_edit_takes_everything_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(disk, "write_atomically", full)
    with pytest.raises(DiskFull):
        write(tmp_path, TWO, (NewFile(".gitignore", b"runs/\n"),))
    assert listing(tmp_path) == {}


def test_a_copy_of_a_folder_has_modes_and_hidden_files_but_no_caches(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for name in ("run.sh", ".hidden", "__pycache__/x.pyc", "sub/__pycache__/y.pyc", "sub/z"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text("NAME")
    (source / "run.sh").chmod(0o755)
    (source / "link").symlink_to("run.sh")
    unit = Unit.of_folder("copy", source, lambda content: content.lower())
    assert {file.path: file.executable for file in unit.files} == {
        "copy/.hidden": False,
        "copy/run.sh": True,
        "copy/sub/z": False,
    }
    assert {file.content for file in unit.files} == {b"name"}
