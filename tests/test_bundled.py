"""The bundled suite and scaffolds, found from a checkout, and the folders that runs have stored."""

from __future__ import annotations

from pathlib import Path

import pytest

from evolve.suite import bundled
from evolve.suite.bundled import (
    DEFAULT_SCAFFOLD,
    DEFAULT_SUITE,
    bundled_scaffold,
    bundled_suite,
    is_bundled,
    or_bundled,
    stored_folder,
)
from evolve.suite.scaffold import check_folder
from evolve.suite.tasks import load_suite

ROOT = Path(__file__).parent.parent


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_checkout_has_them_at_its_top() -> None:
    assert bundled_suite() == ROOT / "tasks" / "bugfix"
    assert bundled_scaffold("team") == ROOT / "scaffolds" / "team"


def test_a_wheel_has_them_inside_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bundled").mkdir()
    monkeypatch.setattr(bundled, "_PACKAGE", tmp_path)
    assert bundled_suite() == tmp_path / "bundled" / "tasks" / "bugfix"


def test_the_defaults_are_bundled_where_there_is_no_such_folder(here: Path) -> None:
    assert or_bundled(DEFAULT_SUITE) == bundled_suite()
    assert or_bundled(DEFAULT_SCAFFOLD) == bundled_scaffold()
    assert or_bundled(Path("scaffolds/team")) == bundled_scaffold("team")
    assert len(load_suite(DEFAULT_SUITE).tasks) == 60
    assert check_folder(DEFAULT_SCAFFOLD).name == "single"


def test_a_folder_of_ones_own_comes_first(here: Path) -> None:
    (here / DEFAULT_SUITE).mkdir(parents=True)
    assert or_bundled(DEFAULT_SUITE) == DEFAULT_SUITE and not is_bundled(DEFAULT_SUITE)


@pytest.mark.parametrize(
    "name", ["tasks", "tasks/other", "docs/adr", "tasks/..", "/tasks/bugfix", "scaffolds/single/prompts"]
)
def test_no_other_name_is_bundled(here: Path, name: str) -> None:
    assert or_bundled(Path(name)) == Path(name)


def test_a_stored_folder_is_found_beside_the_results(here: Path) -> None:
    runs = here / "project" / "runs"
    for folder in (runs, here / "project" / "tasks", here / "tasks"):
        folder.mkdir(parents=True)
    assert stored_folder(Path("tasks"), runs) == here / "project" / "tasks"
    assert stored_folder(here / "tasks", runs) == here / "tasks", "an absolute path stays"
    assert stored_folder(Path("tasks"), Path("runs")) == Path("tasks"), "as it was stored, where that is the same"


def test_a_stored_folder_may_be_elsewhere_or_bundled(here: Path) -> None:
    runs = here / "elsewhere" / "runs"
    (here / "suite").mkdir()
    assert stored_folder(Path("suite"), runs) == Path("suite")
    assert stored_folder(DEFAULT_SUITE, runs) == bundled_suite()
    assert stored_folder(Path("gone"), runs) == Path("gone")
