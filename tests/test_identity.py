"""When a scaffold counts as the same: by its own files, wherever it is and whatever lies beside them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from evolve.core.config import RunConfig
from evolve.runs.identity import folder_digest
from evolve.runs.request import RunRequest
from evolve.suite.bundled import bundled_scaffold, bundled_suite


def fill(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def test_the_digest_covers_names_and_contents(tmp_path: Path) -> None:
    folder = fill(tmp_path, "b.py", "a/c.md")
    lines = [f"{name}\0".encode() + hashlib.sha256(name.encode()).digest() for name in ("a/c.md", "b.py")]
    assert folder_digest(folder) == hashlib.sha256(b"".join(lines)).hexdigest()


def test_results_suites_caches_and_git_change_nothing(tmp_path: Path) -> None:
    before = folder_digest(fill(tmp_path, "main.py"))
    fill(tmp_path, "runs/evolve.db", "runs/one/x", "tasks/suite.toml", "tasks/t/y", "__pycache__/m.pyc", ".git/HEAD")
    assert folder_digest(fill(tmp_path, "evolve.toml")) == before
    assert folder_digest(fill(tmp_path, "tools.py")) != before


def test_a_bundled_scaffold_has_its_digest_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert folder_digest(Path("scaffolds/single")) == folder_digest(bundled_scaffold())


def test_a_stored_run_finds_its_folders_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, "project/agent/main.py", "project/runs/evolve.db", "elsewhere/x")
    monkeypatch.chdir(tmp_path / "elsewhere")
    request = RunRequest(RunConfig(scaffold=Path("agent")), tmp_path / "project" / "runs", "one", 1)
    config = request.with_stored_folders().config
    assert (config.scaffold, config.suite) == (tmp_path / "project" / "agent", bundled_suite())
