"""Tasks from a table: what is written, what is refused by its row, and how answers are compared."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.core.errors import BadInput
from evolve.project.importers.benchmark import Compare, ImportOptions, path_problem
from evolve.project.importers.table import columns_option
from evolve.project.importers.texts import helper
from evolve.suite.tasks import load_suite
from tests.imported import import_from, table

SUM = {"id": "sum", "instruction": "What is 2 + 2?", "answer": 4}


def test_a_row_becomes_a_task_with_its_files_and_grader(tmp_path: Path) -> None:
    rows = (SUM, {"id": "rev", "instruction": "Reverse word.txt.", "answer": "cba", "files": {"a/word.txt": "abc"}})
    report = import_from(table(tmp_path, *rows, {"instruction": "x", "check": "[ -f x ]", "solution": "touch x"}))
    assert [task.name for task in report.tasks] == ["sum", "rev", "row-3"] and report.importer == "table"
    suite = tmp_path / "suite"
    assert (suite / "sum/instruction.md").read_text() == (
        "What is 2 + 2?\n\nWrite your answer, and nothing else, to the file `/work/answer.txt`.\n"
    )
    assert (suite / "rev/environment/workdir/a/word.txt").read_text() == "abc"
    assert (suite / "rev/environment/Dockerfile").read_text() == (
        "ARG BASE=python:3.11-slim\nFROM ${BASE}\nWORKDIR /work\nCOPY workdir/ ./\n"
    )
    assert "COPY" not in (suite / "sum/environment/Dockerfile").read_text()
    assert (suite / "row-3/instruction.md").read_text() == "x\n"
    assert (suite / "row-3/tests/check.sh").read_text() == "[ -f x ]\n"
    assert all((suite / name / "tests/test.sh").stat().st_mode & 0o111 for name in ("sum", "rev", "row-3"))
    assert {task.name for task in load_suite(suite).tasks} == {"sum", "rev", "row-3"}
    assert not any("4" in path.read_text() for path in (suite / "sum/environment").rglob("*") if path.is_file())


def test_csv_and_other_names_of_columns(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text('question,answer,topic\n"Two, and\ntwo?",4,sums\nThree?,3,sums\n', encoding="utf-8-sig")
    options = ImportOptions(columns=columns_option(["instruction=question"]), image="python:3.12-slim")
    report = import_from(file, options=options, limit=1)
    assert [task.name for task in report.tasks] == ["row-1"] and report.beyond_limit == 1
    assert report.notes == ("columns that are not used: topic",)
    assert (tmp_path / "suite/row-1/instruction.md").read_text().startswith("Two, and\ntwo?\n")
    assert (tmp_path / "suite/row-1/environment/Dockerfile").read_text().startswith("FROM python:3.12-slim\n")


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"answer": "4"}, "`instruction` is missing"),
        ({"instruction": "x"}, "either `answer` or `check`"),
        ({"instruction": "x", "answer": "1", "check": "true"}, "not both"),
        ({"instruction": "x", "answer": "  "}, "either `answer` or `check`"),
        ({"instruction": "x", "answer": True}, "neither text nor a number"),
        ({"instruction": ["x"], "answer": "1"}, "neither text nor a number"),
        ({"instruction": "x", "answer": "four", "compare": "number"}, "no number"),
        ({"instruction": "x", "answer": "4", "compare": "fuzzy"}, "use exact, stripped, number"),
        ({"instruction": "x", "answer": "4", "tolerance": -1}, "`tolerance`"),
        ({"instruction": "x", "answer": "4", "agent_seconds": 0}, "above 0"),
        ({"instruction": "x", "answer": "4", "id": "../up"}, "`id`"),
        ({"instruction": "x", "answer": "4", "id": ".hidden"}, "`id`"),
        ({"instruction": "x", "answer": "4", "id": "a/b"}, "`id`"),
        ({"instruction": "x", "answer": "4", "id": "a\n"}, "`id`"),
        ({"instruction": "x", "answer": "4", "files": {"../up": ""}}, "leads out"),
        ({"instruction": "x", "answer": "4", "files": {"/etc/passwd": ""}}, "leads out"),
        ({"instruction": "x", "answer": "4", "files": {"a//b": ""}}, "leads out"),
        ({"instruction": "x", "answer": "4", "files": {"a\\b": ""}}, "not allowed"),
        ({"instruction": "x", "answer": "4", "files": {".git/hooks/x": ""}}, "git's own"),
        ({"instruction": "x", "answer": "4", "files": {"a": "", "a/b": ""}}, "inside a file"),
        ({"instruction": "x", "answer": "4", "files": {"a": 1}}, "texts by path"),
        ({"instruction": "x", "answer": "4", "files": "[1]"}, "texts by path"),
        ({"instruction": "x", "answer": "4", "files": "{"}, "texts by path"),
        ({"instruction": "x", "answer": "4", "test_files": {"expected": ""}}, "the grader uses"),
        ({"instruction": "x", "answer": "4", "id": "sum"}, "has the id `sum`"),
    ],
)
def test_a_bad_row_is_named_and_nothing_is_written(tmp_path: Path, row: dict[str, Any], problem: str) -> None:
    file = table(tmp_path, SUM, row)
    with pytest.raises(BadInput) as caught:
        import_from(file, "table")
    assert problem in str(caught.value) and "line 2" in str(caught.value) and "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["table.jsonl"]


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("t.jsonl", b"{\n", "not a line of JSON"),
        ("t.jsonl", b"[1]\n", "not a JSON object"),
        ("t.jsonl", b'{"a": "\xff"}\n', "not a line of JSON"),
        ("t.jsonl", b'{"instruction": "\\ud800", "answer": "1"}\n', "not a line of JSON"),
        ("t.jsonl", b"[" * 100_000, "not a line of JSON"),
        ("t.jsonl", b"\n", "has no rows"),
        ("t.csv", b"a,b\n1\n", "another number of cells"),
        ("t.csv", b"a,b\n1,2,3\n", "another number of cells"),
        ("t.csv", b"a,a\n1,2\n", "two columns of one name"),
        ("t.csv", b"a,b\n\xff,2\n", "can't be read"),
        ("t.csv", b'a,b\n"x,2\n', "can't be read"),
        ("t.xlsx", b"", "is not a table"),
    ],
)
def test_a_file_that_is_no_table_is_one_line(tmp_path: Path, name: str, content: bytes, problem: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput, match=problem):
        import_from(tmp_path / name, "table")
    assert not (tmp_path / "suite").exists()


@pytest.mark.parametrize(
    "columns", [{"question": "instruction"}, {"instruction": "question"}, {"instruction": "answer", "x": "y"}]
)
def test_columns_that_do_not_exist_are_refused(tmp_path: Path, columns: dict[str, str]) -> None:
    with pytest.raises(BadInput, match="--column"):
        import_from(table(tmp_path, SUM), options=ImportOptions(columns=columns))


@pytest.mark.parametrize(
    "options",
    [
        *({"image": "a b"}, {"image": "x\nRUN y"}, {"answer_file": "../x"}, {"answer_file": ""}),
        *({"tolerance": -1.0}, {"tolerance": float("nan")}, {"tolerance": float("inf")}),
    ],
)
def test_options_without_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        ImportOptions(**options)


@given(st.text(max_size=30))
def test_a_path_that_is_accepted_stays_in_its_folder(path: str) -> None:
    if not path_problem(path):
        assert Path("/top/x", path).resolve().is_relative_to("/top/x") and path == Path(path).as_posix()


@pytest.fixture
def compared(tmp_path: Path) -> Any:
    """Whether the script that goes into tasks accepts an answer; None is an absent one."""

    def compare(answer: bytes | None, expected: str, mode: Compare, tolerance: float = 0.0) -> bool:
        places = {name: tmp_path / name for name in ("logs", "tests", "work")}
        for place in places.values():
            place.mkdir(exist_ok=True)
        text = helper("table", "compare.sh").decode()
        for name, place in places.items():
            text = text.replace(f"/{name}/", f"{place}/")
        (tmp_path / "compare.sh").write_text(text)
        (tmp_path / "tests/expected").write_text(expected)
        file = tmp_path / "work/answer.txt"
        if answer is not None:
            file.write_bytes(answer)
        command = ["sh", str(tmp_path / "compare.sh"), str(file), str(mode), str(tolerance)]
        subprocess.run(command, check=True, capture_output=True, timeout=20)
        return (tmp_path / "logs/verifier/reward.txt").read_text() == "1\n"

    return compare


@pytest.mark.parametrize(
    ("mode", "expected", "answer", "equal"),
    [
        ("exact", "a\n", b"a\n", True),
        ("exact", "a\n", b"a", False),
        ("stripped", "a b", b"  a b\r\n\n", True),
        ("stripped", "a\n\nb", b"\na\n\nb\n", True),
        ("stripped", "a b", b"a  b", False),
        ("stripped", "a", b"a\nnoise", False),
        ("stripped", "\u00e4", "\u00e4\n".encode(), True),
        ("stripped", "a", None, False),
        ("stripped", "a", b"", False),
        ("number", "4", b"4\n", True),
        ("number", "4", b" 4.0 ", True),
        ("number", "4", b"4e0", True),
        ("number", "-0.5", b"-.5", True),
        ("number", "4", b"4 apples", False),
        ("number", "0", b"zero", False),
        ("number", "0", b"", False),
        ("number", "0", b"nan", False),
        ("number", "0", b"0x0", False),
        ("number", "0", b"0\n0", False),
        ("number", "10", b"inf", False),
        ("number", "0.3", b"0.30000000000000004", True),
        ("number", "0.3", b"0.3000001", False),
        ("number", "12345678901234567890", b"12345678901234567891", False),
        ("number", "12345678901234567890", b"+012345678901234567890", True),
    ],
)
def test_answers_are_compared(compared: Any, mode: str, expected: str, answer: bytes | None, equal: bool) -> None:
    assert compared(answer, expected, Compare(mode)) is equal


@pytest.mark.parametrize(("answer", "equal"), [(b"1.01", True), (b"0.99", True), (b"1.0101", False), (b"0.98", False)])
def test_numbers_may_differ_by_the_tolerance(compared: Any, answer: bytes, equal: bool) -> None:
    assert compared(answer, "1", Compare.NUMBER, 0.01) is equal


def test_a_link_to_the_expected_answer_is_no_answer(compared: Any, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work/answer.txt").symlink_to(tmp_path / "tests/expected")
    assert not compared(None, "a", Compare.EXACT)
    (tmp_path / "work/answer.txt").unlink()
    assert compared(b"a", "a", Compare.EXACT)


def test_a_folder_is_no_answer(compared: Any, tmp_path: Path) -> None:
    (tmp_path / "work/answer.txt").mkdir(parents=True)
    assert not compared(None, "a", Compare.EXACT)
