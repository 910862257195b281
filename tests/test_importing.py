"""An import as a whole: detection, splits, the record of its source, plug-ins, and that nothing is half done."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve import cli
from evolve.core.errors import BadInput
from evolve.core.records import Split, SuiteProfile
from evolve.project.importers import Benchmark, ImportedTask, ImportOptions, LeftOut, TaskFile
from evolve.project.importers import importing as importing_module
from evolve.project.importers.benchmark import Shares, Unsuitable
from evolve.project.importers.importing import Request, import_suite
from evolve.project.importers.origin import licence_name, source_digest, without_password
from evolve.project.importers.registry import detect, importer_of
from evolve.suite.split import split_tasks
from evolve.suite.tasks import load_suite
from tests.imported import HARBOR_TASK, QUIXBUGS, YAML_TASK, git, import_from, put, swe_row, table

ROWS = [{"id": f"task-{number}", "instruction": "x", "answer": number + 1} for number in range(12)]
DEFAULT = (Fraction(1, 2), Fraction(1, 4), Fraction(1, 4))


def listing(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_suite_is_split_by_seed_and_shares(tmp_path: Path) -> None:
    report = import_from(table(tmp_path, *ROWS))
    suite = load_suite(tmp_path / "suite")
    assert suite.profile is SuiteProfile.LOOSE and len(suite.tasks) == 12
    assert [len(suite.split(split)) for split in Split] == [6, 3, 3]
    assert {task.name: task.split for task in report.tasks} == {task.name: task.split for task in suite.tasks}
    others = {}
    for number, changes in enumerate(({}, {"seed": 1}, {"shares": Shares(1, 0, 0)}, {"shares": Shares(1, 1, 1)})):
        request = Request(tmp_path / "table.jsonl", tmp_path / f"other-{number}", **changes)
        others[number] = [str(task.split) for task in import_suite(request).tasks]
    assert others[0] == [str(task.split) for task in report.tasks] != others[1]
    assert set(others[2]) == {"train"} and [others[3].count(split) for split in Split] == [4, 4, 4]


@given(st.lists(st.integers(0, 9), min_size=3, max_size=3).filter(lambda weights: weights[0] > 0), st.integers(0, 99))
def test_no_split_is_a_task_away_from_its_share(weights: list[int], count: int) -> None:
    shares = {split: Fraction(weight) for split, weight in zip(Split, weights, strict=True)}
    found = split_tasks({f"task-{number}": "easy" for number in range(count)}, 3, shares)
    for split, share in shares.items():
        assert abs(len(found[split]) - share / sum(shares.values()) * count) <= 1
        assert share or not found[split]


@pytest.mark.parametrize("shares", [(0, 1, 1), (-1, 1, 1), (1, float("nan"), 0), (float("inf"), 1, 1)])
def test_shares_without_sense_are_refused(shares: tuple[float, float, float]) -> None:
    with pytest.raises(BadInput):
        Shares(*shares)


def test_a_share_that_leaves_train_empty_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="--train: 1 tasks leave none for train"):
        import_from(table(tmp_path, ROWS[0]), shares=Shares(0.1, 0.9, 0))
    assert [path.name for path in tmp_path.iterdir()] == ["table.jsonl"]


def test_the_record_says_where_the_tasks_are_from(tmp_path: Path) -> None:
    source = put(tmp_path / "QuixBugs", QUIXBUGS)
    git(source, "init", "-q")
    git(source, "remote", "add", "origin", "https://me:secret@github.com/jkoppel/QuixBugs.git")
    git(source, "add", "-A")
    git(source, "commit", "-qm", "all")
    import_from(source, seed=3)
    record = json.loads((tmp_path / "suite/import.json").read_text())
    assert record["source"] == {
        "name": "QuixBugs",
        "url": "https://github.com/jkoppel/QuixBugs.git",
        "commit": git(source, "rev-parse", "HEAD"),
        "sha256": source_digest(source),
    }
    assert (record["importer"], record["licence"], record["split"]["seed"]) == ("quixbugs", "MIT", 3)
    tasks = {task.name: task for task in load_suite(tmp_path / "suite").tasks}
    assert {name: one["digest"] for name, one in record["tasks"].items()} == {n: t.digest for n, t in tasks.items()}
    assert {name: one["split"] for name, one in record["tasks"].items()} == {n: str(t.split) for n, t in tasks.items()}
    assert record["tasks"]["halve"]["origin"] == "python_programs/halve.py" and "secret" not in json.dumps(record)


def test_what_was_left_out_is_recorded_too(tmp_path: Path) -> None:
    import_from(table(tmp_path, swe_row(), swe_row(instance_id="numpy__numpy-1", repo="numpy/numpy")))
    record = json.loads((tmp_path / "suite/import.json").read_text())
    assert record["left_out"] == {"numpy__numpy-1": "how numpy/numpy runs its tests is not supported"}


def test_the_same_import_writes_the_same_files(tmp_path: Path) -> None:
    source = put(tmp_path / "q", QUIXBUGS)
    for name in ("a", "b"):
        import_suite(Request(source, tmp_path / name / "suite"))
    assert listing(tmp_path / "a") == listing(tmp_path / "b")


def test_a_digest_covers_names_and_contents(tmp_path: Path) -> None:
    folder = put(tmp_path / "x", {"a": "1", "b/c": "2"})
    digests = {source_digest(folder)}
    for changes in ({"a": "2"}, {"d": ""}, {"b/e": "2"}):
        put(folder, changes)
        digests.add(source_digest(folder))
    (folder / "link").symlink_to("/etc/passwd")
    digests.add(source_digest(folder))
    put(folder, {".git/HEAD": "x"})
    assert len(digests) == 5 and source_digest(folder) in digests
    assert source_digest(folder / "a") == hashlib.sha256(b"2").hexdigest()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://github.com/a/b.git", "https://github.com/a/b.git"),
        ("https://user:token@github.com/a/b?x=token", "https://github.com/a/b"),
        ("git@github.com:a/b.git", "git@github.com:a/b.git"),
        ("/home/me/private", ""),
        ("file:///home/me/private", ""),
    ],
)
def test_addresses_are_kept_without_passwords(url: str, shown: str) -> None:
    assert without_password(url) == shown


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("                Apache License\n          Version 2.0, January 2004\n", "Apache-2.0"),
        ("MIT License\n\nPermission is hereby granted, free of charge, to any person\nobtaining a copy of", "MIT"),
        ("Redistribution and use in source and binary forms ...\nNeither the name of the", "BSD-3-Clause"),
        ("Creative Commons Attribution 4.0 International", "CC-BY-4.0"),
        ("All rights reserved.", "unknown"),
    ],
)
def test_licences_are_recognised(text: str, name: str) -> None:
    assert licence_name(text) == name


def test_the_user_may_say_the_licence(tmp_path: Path) -> None:
    assert import_from(table(tmp_path, *ROWS), licence="CC0-1.0").origin.licence.name == "CC0-1.0"


@pytest.mark.parametrize(
    ("files", "name"),
    [
        ({f"two/{name}": text for name, text in HARBOR_TASK.items()}, "terminal-bench"),
        ({f"a/b/one/{name}": text for name, text in YAML_TASK.items()}, "terminal-bench"),
        (HARBOR_TASK, "terminal-bench"),
        (QUIXBUGS, "quixbugs"),
    ],
)
def test_folders_are_recognised(tmp_path: Path, files: Mapping[str, str], name: str) -> None:
    assert detect(put(tmp_path / "x", files)) == name


def test_files_are_recognised_by_their_first_row(tmp_path: Path) -> None:
    assert detect(table(tmp_path, *ROWS)) == "table" and detect(table(tmp_path, swe_row())) == "swe-bench"
    put(tmp_path, {"t.csv": "instruction,answer\n", "broken.jsonl": "{"})
    assert detect(tmp_path / "t.csv") == "table" and detect(tmp_path / "broken.jsonl") == "table"


def test_what_is_not_recognised_is_refused(tmp_path: Path) -> None:
    put(tmp_path, {"x.txt": "", "empty/y": ""})
    for name in ("x.txt", "empty", "missing"):
        with pytest.raises(BadInput, match=r"--from|does not exist"):
            import_from(tmp_path / name)
    with pytest.raises(BadInput, match="does not exist"):
        import_from(tmp_path / "missing.jsonl", "table")
    put(tmp_path / "both", {**QUIXBUGS, **HARBOR_TASK})
    with pytest.raises(BadInput, match="could be any of terminal-bench, quixbugs"):
        import_from(tmp_path / "both")
    with pytest.raises(BadInput, match="there is no importer `nonsense`; use one of: terminal-bench"):
        import_from(tmp_path / "x.txt", "nonsense")
    assert not (tmp_path / "suite").exists()


def test_what_can_not_be_read_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "t.jsonl").mkdir()
    with pytest.raises(BadInput, match=r"t\.jsonl: can't be read"):
        import_from(tmp_path / "t.jsonl", "table")
    source = put(tmp_path / "tasks/one", HARBOR_TASK).parent

    def vanish(self: TaskFile) -> bytes:
        return (tmp_path / "gone").read_bytes()

    monkeypatch.setattr(TaskFile, "read", vanish)
    with pytest.raises(BadInput, match="can't be"):
        import_from(source)
    assert not (tmp_path / "suite").exists()


def test_names_that_are_no_text_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path / "tasks/good", HARBOR_TASK)
    put(tmp_path / "tasks/odd", HARBOR_TASK)
    (tmp_path / os.fsdecode(b"tasks/odd/tests/\xff")).write_text("")
    put(tmp_path / os.fsdecode(b"tasks/\xfe"), HARBOR_TASK)
    monkeypatch.chdir(tmp_path)
    assert command(monkeypatch, "tasks", "--to", "suite") == 0
    assert "left out 2" in capsys.readouterr().out
    assert set(json.loads((tmp_path / "suite/import.json").read_text())["tasks"]) == {"good"}


def test_a_target_that_is_in_use_is_left_alone(tmp_path: Path) -> None:
    source = table(tmp_path, *ROWS)
    put(tmp_path / "suite", {"mine": "x"})
    with pytest.raises(BadInput, match="not an empty folder"):
        import_from(source)
    assert listing(tmp_path / "suite") == {"mine": b"x"}
    (tmp_path / "suite/mine").unlink()
    assert len(import_from(source).tasks) == 12
    with pytest.raises(BadInput, match="is inside the source"):
        import_suite(Request(put(tmp_path / "q", QUIXBUGS), tmp_path / "q/suite"))
    with pytest.raises(BadInput, match="--limit"):
        import_suite(Request(source, tmp_path / "other", limit=0))


def test_an_import_that_fails_in_the_middle_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing_module, "suite_toml", lambda *_: "[splits]\n")
    with pytest.raises(BadInput):
        import_from(table(tmp_path, *ROWS))
    assert [path.name for path in tmp_path.iterdir()] == ["table.jsonl"]


def test_what_a_killed_import_left_is_removed_by_the_next(tmp_path: Path) -> None:
    dead = tmp_path / ".evolve-import-old"
    put(dead, {"x": ""})
    os.utime(dead, (0, 0))
    import_from(table(tmp_path, *ROWS))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["suite", "table.jsonl"]


@pytest.mark.parametrize("path", ["../x", "/x", "a/../b", "", "a\0b", "a\nb", ".git/config", "a/.GIT/x", "x" * 256])
def test_a_plugin_can_not_write_elsewhere(path: str) -> None:
    with pytest.raises(Unsuitable):
        TaskFile(path, b"")


@pytest.mark.parametrize("name", ["..", "a/b", "", ".x", "_x", "a b", "x" * 101])
def test_names_of_tasks_are_checked(name: str) -> None:
    with pytest.raises(Unsuitable):
        ImportedTask(name, (), "x")


class Fortunes:
    """A plug-in: every line of a file is an answer."""

    def recognises(self, source: Path) -> bool:
        return source.suffix == ".fortunes"

    def read(self, source: Path, options: ImportOptions) -> Benchmark:
        texts = {
            "task.toml": "",
            "instruction.md": "x",
            "environment/Dockerfile": f"FROM {options.image or 'x'}\n",
            "tests/test.sh": "",
            "solution/solve.sh": "",
        }
        files = tuple(TaskFile.of_text(path, text) for path, text in texts.items())
        return Benchmark((ImportedTask("one", files, "line 1"),), (LeftOut("two", "too short"),))


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points = "[evolve.importers]\nfortunes = tests.test_importing:Fortunes\nbroken = tests.test_importing:missing\n"
    put(
        tmp_path / "site/plugins-1.0.dist-info", {"entry_points.txt": points, "METADATA": "Name: plugins\nVersion: 1\n"}
    )
    monkeypatch.syspath_prepend(str(tmp_path / "site"))


@pytest.mark.usefixtures("plugin")
def test_an_importer_may_be_a_plugin(tmp_path: Path) -> None:
    put(tmp_path, {"x.fortunes": "", "y.odd": ""})
    with pytest.raises(BadInput, match="importer `broken`: can't be imported"):
        importer_of("broken")
    report = import_from(tmp_path / "x.fortunes", "fortunes", options=ImportOptions(image="mine:1"))
    assert (report.importer, report.left_out) == ("fortunes", (LeftOut("two", "too short"),))
    assert (tmp_path / "suite/one/environment/Dockerfile").read_text() == "FROM mine:1\n"


def test_the_example_of_an_importer_works(tmp_path: Path) -> None:
    text = (Path(__file__).parent.parent / "docs/import.md").read_text()
    example = text.partition("```python\n")[2].partition("```")[0]
    names: dict[str, Any] = {}
    exec(example, names)
    put(tmp_path, {"x.riddles": "What is it?\tA riddle\nno answer\n"})
    riddles = names["Riddles"]()
    assert riddles.recognises(tmp_path / "x.riddles")
    found = riddles.read(tmp_path / "x.riddles", ImportOptions())
    assert [task.name for task in found.tasks] == ["riddle-1"] and found.left_out == (
        LeftOut("line 2", "it has no answer"),
    )


def test_the_example_of_a_table_works(tmp_path: Path) -> None:
    text = (Path(__file__).parent.parent / "docs/import.md").read_text()
    put(tmp_path, {"x.jsonl": text.partition("```json\n")[2].partition("```")[0]})
    assert {task.name for task in import_from(tmp_path / "x.jsonl").tasks} == {"sum", "lines"}


def command(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["evolve", "import", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(str(ended.value.code))


def test_the_command_prints_counts_and_what_was_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    table(tmp_path, swe_row(), swe_row(instance_id="numpy__numpy-1", repo="numpy/numpy"))
    assert command(monkeypatch, "table.jsonl", "--to", "suite") == 0
    printed = capsys.readouterr().out
    assert "numpy__numpy-1" in printed and "how numpy/numpy runs its tests is not supported" in printed
    assert "imported 1 tasks (1 train, 0 validation, 0 holdout), left out 1" in printed
    assert "next: evolve tasks check --suite suite" in printed


def test_the_command_prints_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    table(tmp_path, *({**row, "question": row["instruction"]} for row in ROWS))
    words = ("--column", "instruction=question", "--limit", "10", "--train", "0.6", "--validation", "0.2")
    assert command(monkeypatch, "table.jsonl", "--to", "suite", *words, "--holdout", "0.2", "--json") == 0
    facts: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert facts["splits"] == {"train": 6, "validation": 2, "holdout": 2} and facts["beyond_limit"] == 2
    assert facts["tasks"][0].keys() == {"name", "origin", "split", "difficulty", "digest"}
    assert facts["source"]["sha256"] == source_digest(tmp_path / "table.jsonl")


@pytest.mark.parametrize(
    "words",
    [
        ("table.jsonl", "--to", "suite", "--from", "nonsense"),
        ("table.jsonl", "--to", "suite", "--column", "x"),
        ("table.jsonl", "--to", "suite", "--train", "0"),
        ("table.jsonl", "--to", "suite", "--image", "a b"),
        ("missing", "--to", "suite"),
        ("table.jsonl",),
    ],
)
def test_bad_input_is_one_line_and_status_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    table(tmp_path, *ROWS)
    assert command(monkeypatch, *words) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and len(printed.err.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["table.jsonl"]
