"""A run's suite is read as it was read when the run began."""

from __future__ import annotations

from pathlib import Path

import pytest

from evolve.core.config import RunConfig
from evolve.runs.stored_suite import suite_of_config
from evolve.suite.tasks import load_suite
from tests.harbor_tasks import write

SEPARATE = '[verifier]\nenvironment_mode = "separate"\n[verifier.env]\nKEY = "${MY_KEY}"\n'


def loose(folder: Path) -> Path:
    write(folder / "a", {})
    (folder / "suite.toml").write_text('[suite]\nprofile = "loose"\n[splits]\ntrain = ["a"]\n')
    return folder


def test_a_run_of_an_earlier_version_keeps_the_meaning_of_its_loose_suite(tmp_path: Path) -> None:
    config = RunConfig(suite=loose(tmp_path))
    earlier = load_suite(tmp_path, earlier=True).digest
    assert not suite_of_config(config, earlier).harbor
    assert suite_of_config(config).harbor and suite_of_config(config, suite_of_config(config).digest).harbor


def test_a_suite_that_changed_is_read_as_it_is_now(tmp_path: Path) -> None:
    config = RunConfig(suite=loose(tmp_path))
    earlier = load_suite(tmp_path, earlier=True).digest
    (tmp_path / "a" / "instruction.md").write_text("Another.\n")
    assert suite_of_config(config, earlier).harbor


def test_variables_that_a_run_passes_are_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "secret")
    write(tmp_path / "plain", {})
    write(tmp_path / "asks", {"task.toml": SEPARATE})
    passed = RunConfig(suite=tmp_path, pass_env=("MY_KEY",))
    assert len(suite_of_config(passed).tasks) == 2
    assert [task.name for task in suite_of_config(RunConfig(suite=tmp_path)).tasks] == ["plain"]
