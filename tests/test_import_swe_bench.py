"""SWE-bench: rows in the published form, a repository graded from end to end, and how logs of tests are read."""

from __future__ import annotations

import json
import os
import py_compile
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.core.errors import BadInput
from evolve.project.importers.files.swe_bench import grade
from evolve.project.importers.swe_bench import FORGET, Instance
from evolve.repo import find_excess
from evolve.suite.tasks import load_suite
from tests.imported import REPOSITORY, git, import_from, put, reasons, run_script, swe_row, table


def test_a_row_becomes_a_task_on_its_published_image(tmp_path: Path) -> None:
    report = import_from(table(tmp_path, swe_row()))
    assert report.importer == "swe-bench"
    (task,) = load_suite(tmp_path / "suite").tasks
    assert (task.name, task.difficulty, task.sandbox.network) == ("pallets__flask-5014", "15-min-fix", False)
    dockerfile = (task.folder / "environment/Dockerfile").read_text()
    assert dockerfile.startswith("FROM swebench/sweb.eval.x86_64.pallets_1776_flask-5014:latest\nWORKDIR /testbed\n")
    assert "`add` subtracts." in task.instruction and "minus" not in task.instruction
    assert [path.name for path in (task.folder / "environment").rglob("*")] == ["Dockerfile"]
    assert json.loads((task.folder / "tests/expected.json").read_text())["fail_to_pass"] == [
        "tests/test_calc.py::test_add"
    ]


@pytest.mark.parametrize(
    ("instance_id", "image"),
    [
        ("django__django-11099", "swebench/sweb.eval.x86_64.django_1776_django-11099:latest"),
        ("pytest-dev__pytest-5262", "swebench/sweb.eval.x86_64.pytest-dev_1776_pytest-5262:latest"),
        ("Upper__Case-1", "swebench/sweb.eval.x86_64.upper_1776_case-1:latest"),
    ],
)
def test_images_have_their_published_names(instance_id: str, image: str) -> None:
    assert Instance.model_validate(swe_row(instance_id=instance_id)).image == image


def test_lists_of_tests_may_be_lists_or_json_text(tmp_path: Path) -> None:
    import_from(table(tmp_path, swe_row(FAIL_TO_PASS=["a::b"], PASS_TO_PASS=[])))
    expected = json.loads((tmp_path / "suite/pallets__flask-5014/tests/expected.json").read_text())
    assert expected == {"parser": "pytest", "fail_to_pass": ["a::b"], "pass_to_pass": []}


@pytest.mark.parametrize(
    ("changes", "command"),
    [
        ({}, "pytest -rA tests/test_calc.py tests/test_new.py >"),
        ({"repo": "sphinx-doc/sphinx"}, "tox --current-env -epy39 -v -- tests/test_calc.py tests/test_new.py >"),
        (
            {"repo": "django/django", "version": "3.0"},
            "./tests/runtests.py --verbosity 2 --settings=test_sqlite --parallel 1 test_calc test_new >",
        ),
        ({"repo": "django/django", "version": "1.9"}, "./tests/runtests.py --verbosity 2 test_calc test_new >"),
        ({"repo": "sympy/sympy"}, "bin/test -C --verbose tests/test_calc.py tests/test_new.py >"),
    ],
)
def test_each_repository_has_its_runner(tmp_path: Path, changes: dict[str, str], command: str) -> None:
    import_from(table(tmp_path, swe_row(**changes)))
    assert command in (tmp_path / "suite/pallets__flask-5014/tests/test.sh").read_text()


def test_what_can_not_be_graded_is_left_out_by_name(tmp_path: Path) -> None:
    compiled = "diff --git a/x/_y.pyx b/x/_y.pyx\n--- a/x/_y.pyx\n+++ b/x/_y.pyx\n"
    rows = (
        swe_row(),
        swe_row(instance_id="numpy__numpy-1", repo="numpy/numpy"),
        swe_row(instance_id="compiled-1", patch=compiled),
        swe_row(instance_id="data-1", test_patch="diff --git a/t/x.json b/t/x.json\n--- a/t/x.json\n"),
    )
    assert reasons(import_from(table(tmp_path, *rows))) == {
        "numpy__numpy-1": "how numpy/numpy runs its tests is not supported",
        "compiled-1": "its patch changes x/_y.pyx, which would have to be compiled again",
        "data-1": "its test patch changes no test file",
    }


@pytest.mark.parametrize(
    ("changes", "column"),
    [
        ({"instance_id": "../../up"}, "instance_id"),
        ({"instance_id": "a b"}, "instance_id"),
        ({"base_commit": "HEAD; rm -rf /"}, "base_commit"),
        ({"repo": "x"}, "repo"),
        ({"FAIL_TO_PASS": "[]"}, "FAIL_TO_PASS"),
        ({"FAIL_TO_PASS": "nonsense"}, "FAIL_TO_PASS"),
        ({"PASS_TO_PASS": None}, "PASS_TO_PASS"),
        ({"patch": ""}, "patch"),
        ({"problem_statement": 3}, "problem_statement"),
    ],
)
def test_a_row_that_is_no_instance_is_named(tmp_path: Path, changes: dict[str, Any], column: str) -> None:
    with pytest.raises(BadInput, match=f"line 2: column `{column}`"):
        import_from(table(tmp_path, swe_row(), swe_row(**{"instance_id": "other-1", **changes})))
    assert not (tmp_path / "suite").exists()


def test_an_instance_that_is_there_twice_and_parquet_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is there twice"):
        import_from(table(tmp_path, swe_row(), swe_row()))
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    with pytest.raises(BadInput, match="is not a JSONL file; convert it"):
        import_from(tmp_path / "x.parquet")


def test_names_of_files_in_a_patch_are_quoted(tmp_path: Path) -> None:
    patch = "diff --git a/t/$(touch${IFS}x).py b/t/$(touch${IFS}x).py\n--- a\n+++ b\n"
    import_from(table(tmp_path, swe_row(test_patch=patch)))
    text = (tmp_path / "suite/pallets__flask-5014/tests/test.sh").read_text()
    assert "pytest -rA 't/$(touch${IFS}x).py' >" in text and " -- 't/$(touch${IFS}x).py'\n" in text


class Laboratory:
    """A repository in the place of an image's, and the task whose tests run there."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.repository = folder, put(folder / "testbed", REPOSITORY)
        git(self.repository, "init", "-q")
        git(self.repository, "add", "-A")
        git(self.repository, "commit", "-qm", "before")
        commit = git(self.repository, "rev-parse", "HEAD")
        import_from(table(folder, swe_row(base_commit=commit)))
        self.task = folder / "suite/pallets__flask-5014"
        put(folder / "miniconda3/bin", {"activate": ""})
        (folder / "miniconda3/bin/python3").symlink_to(sys.executable)
        put(folder / "bin", {"pytest": f'#!/bin/sh\nexec {sys.executable} -m pytest -p no:cacheprovider "$@"\n'})
        (folder / "bin/pytest").chmod(0o755)

    def run(self, script: str) -> str:
        places = {
            "/opt/miniconda3": self.folder / "miniconda3",
            "/tmp/tests.log": self.folder / "tests.log",
            "/tests/": self.task / "tests/",
            "/solution": self.task / "solution",
            "/logs": self.folder / "logs",
            "/testbed": self.repository,
        }
        text = (self.task / script).read_text()
        for name, place in places.items():
            text = re.sub(rf"(?<![\w.]){re.escape(name)}", str(place) + "/" * name.endswith("/"), text)
        put(self.folder, {"moved.sh": text})
        return run_script(self.folder / "moved.sh", {}, self.folder, str(self.folder / "bin"))

    def reward(self) -> str:
        self.output = self.run("tests/test.sh")
        return (self.folder / "logs/verifier/reward.txt").read_text().strip()


@pytest.fixture
def testbed(tmp_path: Path) -> Laboratory:
    return Laboratory(tmp_path)


def test_the_published_fix_earns_1_and_doing_nothing_0(testbed: Laboratory) -> None:
    assert testbed.reward() == "0" and "tests/test_calc.py::test_add: FAILED" in testbed.output
    testbed.run("solution/solve.sh")
    assert testbed.reward() == "1", testbed.output
    assert testbed.reward() == "1", testbed.output


def test_what_the_agent_did_to_the_tests_is_undone(testbed: Laboratory) -> None:
    put(testbed.repository, {"tests/test_calc.py": "def test_add():\n    pass\n", "tests/test_new.py": "x ="})
    assert testbed.reward() == "0"
    testbed.run("solution/solve.sh")
    assert testbed.reward() == "1", testbed.output


def test_bytecode_that_the_agent_left_is_not_run(testbed: Laboratory) -> None:
    calc = testbed.repository / "calc.py"
    os.utime(calc, (1_700_000_000, 1_700_000_000))
    py_compile.compile(str(calc))
    calc.write_text("def add(a, b):\n    return a + b\n")
    os.utime(calc, (1_700_000_000, 1_700_000_000))
    assert testbed.reward() == "1", testbed.output


def test_a_test_that_breaks_is_a_failure(testbed: Laboratory) -> None:
    put(testbed.repository, {"calc.py": "def add(a, b):\n    return 4\n"})
    assert testbed.reward() == "0" and "tests/test_calc.py::test_zero: FAILED" in testbed.output


def excess(repository: Path, copy: Path) -> dict[str, str]:
    """What a copy of a repository has beyond its HEAD; the search changes what it looks at."""
    shutil.copytree(repository, copy / "testbed")
    return find_excess(copy)


def test_the_image_forgets_what_is_newer_than_the_commit(tmp_path: Path) -> None:
    repository = put(tmp_path / "testbed", REPOSITORY)
    git(repository, "init", "-q", "-b", "main")
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "before")
    old = git(repository, "rev-parse", "HEAD")
    put(repository, {"calc.py": "fixed\n"})
    git(repository, "commit", "-qam", "the fix")
    git(repository, "tag", "-a", "v1", "-m", "x")
    git(repository, "branch", "other")
    git(repository, "update-ref", "refs/remotes/origin/main", "HEAD")
    git(repository, "remote", "add", "origin", "https://example.org/x")
    git(repository, "reset", "-q", "--hard", old)
    assert excess(repository, tmp_path / "copy-1")
    done = subprocess.run(["sh", "-c", FORGET.removeprefix("RUN ")], cwd=repository, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert excess(repository, tmp_path / "copy-2") == {} and git(repository, "rev-parse", "HEAD") == old


PYTEST_LOG = """
\x1b[32mPASSED\x1b[0m tests/a.py::test_a
FAILED tests/a.py::test_b[x - y] - AssertionError: PASSED
ERROR tests/a.py::test_c - boom
SKIPPED [1] tests/a.py:3: no
XFAIL tests/a.py::test_d - later
PASSED tests/a.py::test_e[log(photon /  cm)]
PASSED tests/a.py::test_f[/home/me/data.txt]
tests/old.py::test_g PASSED
PASSED [100%]
noise PASSED
"""


def test_pytest_logs_are_read() -> None:
    found = grade.read_pytest(PYTEST_LOG)
    assert found["tests/a.py::test_a"] == found["tests/old.py::test_g"] == "PASSED"
    assert found["tests/a.py::test_b[x"] == "FAILED" and found["tests/a.py::test_c"] == "ERROR"
    assert found["tests/a.py::test_d"] == "XFAIL" and found["tests/a.py::test_f[/data.txt]"] == "PASSED"
    assert not {"noise", "[100%]"} & set(found)


DJANGO_LOG = """
test_a (x.tests.T) ... ok
test_b (x.tests.T)
A sentence about it ... ok
test_c (x.tests.T) ... FAIL
test_d (x.tests.T) ... ERROR
test_e (x.tests.T) ... skipped 'no database'
test_f (x.tests.T) ... Testing against Django installed in '/testbed/django'
more output
ok
test_g (x.tests.T) ...
Internal Server Error: /x/
FAIL
test_h (x.tests.T) ... expected failure
======
FAIL: test_c (x.tests.T)
"""


def test_django_logs_are_read() -> None:
    assert grade.read_django(DJANGO_LOG) == {
        "test_a (x.tests.T)": "PASSED",
        "A sentence about it": "PASSED",
        "test_c (x.tests.T)": "FAILED",
        "test_d (x.tests.T)": "ERROR",
        "test_e (x.tests.T)": "SKIPPED",
        "test_f (x.tests.T)": "PASSED",
        "test_g (x.tests.T)": "FAILED",
        "test_h (x.tests.T)": "XFAIL",
    }


SYMPY_LOG = """
random seed:        99200339

sympy/sets/tests/test_contains.py[9]
test_a ok
test_b E
test_c F
test_d f
test_e Slow w
test_f a line that the test prints
and another one ok
ok
test_g X
test_h
test_i ok                                                        [FAIL]

sympy/sets/tests/test_sets.py[2]
test_c ok
test_j no matplotlib installed s                                   [OK]

________________ sympy/sets/tests/test_contains.py:test_b ________________
"""


def test_sympys_logs_are_read() -> None:
    assert grade.read_sympy(SYMPY_LOG) == {
        "test_a": "PASSED",
        "test_b": "ERROR",
        "test_c": "PASSED",
        "test_d": "XFAIL",
        "test_e": "SKIPPED",
        "test_f": "PASSED",
        "test_g": "XPASS",
        "test_i": "PASSED",
        "test_j": "SKIPPED",
    }


@pytest.mark.parametrize(
    ("name", "results", "kind", "good"),
    [
        ("a::t", {"a::t": "PASSED"}, "fail_to_pass", True),
        ("a::t", {}, "fail_to_pass", False),
        ("a::t", {"a::t": "SKIPPED"}, "fail_to_pass", False),
        ("a::t", {"a::t": "SKIPPED"}, "pass_to_pass", True),
        ("a::t", {"a::t": "XPASS"}, "pass_to_pass", False),
        ("a::t[log(photon", {"a::t[log(photon / cm)]": "PASSED"}, "pass_to_pass", True),
        ("a::t[1", {"a::t[1 a]": "PASSED", "a::t[1 b]": "FAILED"}, "pass_to_pass", False),
        ("a::t", {"a::t2": "PASSED"}, "pass_to_pass", False),
        ("a::t[/x/y.txt]", {"a::t[/y.txt]": "PASSED"}, "pass_to_pass", True),
        ("[100%]", {}, "pass_to_pass", True),
    ],
)
def test_expected_tests_are_looked_up(name: str, results: dict[str, str], kind: str, good: bool) -> None:
    assert (list(grade.failures([name], results, kind)) == []) is good


@given(st.text(max_size=200))
def test_any_log_can_be_read(log: str) -> None:
    for read in grade.READERS.values():
        assert set(read(log).values()) <= set(grade.STATUSES)
