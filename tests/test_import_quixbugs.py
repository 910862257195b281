"""QuixBugs in its published form: the tasks, and that their tests tell the bug from its correction."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from evolve.core.errors import BadInput
from evolve.project.importers.files.quixbugs import run_tests
from evolve.suite.tasks import load_suite
from tests.imported import QUIXBUGS, import_from, put, reasons


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    import_from(put(tmp_path / "QuixBugs", QUIXBUGS))
    return tmp_path / "suite"


def passes(suite: Path, name: str, solved: bool, folder: Path) -> bool:
    """Whether the task's tests pass on this machine, with or without the reference solution."""
    shutil.copytree(suite / name / "environment/workdir", folder)
    if solved:
        shutil.copy(suite / name / f"solution/{name}.py", folder / f"python_programs/{name}.py")
    command = [sys.executable, str((suite / name / "tests/run_tests.py").resolve()), f"test_{name}"]
    return subprocess.run(command, cwd=folder, capture_output=True, timeout=60, check=False).returncode == 0


def test_each_program_with_a_test_is_a_task(suite: Path) -> None:
    assert {task.name for task in load_suite(suite).tasks} == {"halve", "last"}
    assert sorted(path.name for path in (suite / "halve/environment/workdir").rglob("*.py")) == ["halve.py"]
    assert "python_programs/halve.py" in (suite / "halve/instruction.md").read_text()
    # Nothing that the agent gets has the correction.
    texts = [path.read_text() for path in (suite / "halve/environment").rglob("*") if path.is_file()]
    assert not any("n / 2" in text for text in texts)
    assert (suite / "LICENSE.source").read_text() == QUIXBUGS["LICENSE"]


@pytest.mark.parametrize("name", ["halve", "last"])
def test_the_tests_pass_with_the_solution_only(suite: Path, tmp_path: Path, name: str) -> None:
    assert passes(suite, name, True, tmp_path / "solved")
    assert not passes(suite, name, False, tmp_path / "untouched")


@pytest.mark.parametrize(
    "program",
    [
        "def halve(n):\n    raise SystemExit(0)\n",
        "import os\nos._exit(0)\n",
        "def halve(n):\n    import os\n    os._exit(0)\n",
        "print('all tests passed')\nraise SystemExit\n",
        "import sys\nsys.exit()\n",
        "def halve(n)\n",
    ],
)
def test_a_program_that_ends_the_tests_has_not_passed(suite: Path, tmp_path: Path, program: str) -> None:
    (suite / "halve/environment/workdir/python_programs/halve.py").write_text(program)
    assert not passes(suite, "halve", False, tmp_path / "work")


def test_a_program_that_never_ends_has_not_passed(suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "python_programs"
    put(program, {"halve.py": "def halve(n):\n    while True:\n        pass\n"})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run_tests, "SECONDS", 1.0)
    monkeypatch.setattr(run_tests, "HERE", (suite / "halve/tests").resolve())
    assert run_tests.supervise("test_halve") == 1


def test_what_lacks_a_part_is_left_out_by_name(tmp_path: Path) -> None:
    source = put(tmp_path / "q", QUIXBUGS | {"python_programs/lonely.py": "", "python_programs/same.py": "x"})
    put(source, {"correct_python_programs/same.py": "x"})
    (source / "python_testcases/test_last.py").unlink()
    report = import_from(source, limit=1)
    assert [task.name for task in report.tasks] == ["halve"]
    assert reasons(report) == {
        "last": "python_testcases/test_last.py is missing",
        "lonely": "correct_python_programs/lonely.py is missing",
        "same": "the program and its correction are the same",
    }


def test_a_link_out_of_the_source_is_left_out(tmp_path: Path) -> None:
    source = put(tmp_path / "q", QUIXBUGS)
    put(tmp_path, {"secret.py": "password"})
    (source / "correct_python_programs/halve.py").unlink()
    (source / "correct_python_programs/halve.py").symlink_to(tmp_path / "secret.py")
    report = import_from(source)
    assert reasons(report) == {"halve": "correct_python_programs/halve.py is a link that leads out of its folder"}


def test_a_folder_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is missing"):
        import_from(put(tmp_path / "x", {"a": ""}), "quixbugs")
