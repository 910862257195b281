"""The words of single tasks, as read from a suite's files."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from evolve.core.records import Split, Task
from evolve.guard import leaks
from evolve.suite.tasks import load_suite
from evolve.suite.vocabulary import vocabulary_of
from tests.fakes import task
from tests.guard_corpus import ROOT, vocabulary


def made(folder: Path, name: str, files: dict[str, str], instruction: str = "Mend it.") -> Task:
    for path, text in files.items():
        file = folder / name / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return replace(task(name, Split.TRAIN), folder=folder / name, instruction=instruction)


def test_the_bundled_suite_is_read_quickly() -> None:
    suite = load_suite(ROOT / "tasks" / "bugfix")
    began = time.process_time()
    vocabulary_of(suite.tasks)
    assert time.process_time() - began < 2


def test_a_string_in_many_tasks_identifies_none(tmp_path: Path) -> None:
    shared = {"environment/app/zorkmid.py": "class ZorkmidPurse:\n    pass\n"}
    few = [made(tmp_path, f"quux-{n}", shared) for n in range(2)]
    assert "ZorkmidPurse" in vocabulary_of(few).identifiers
    many = few + [made(tmp_path, f"quux-{n}", shared) for n in range(2, 4)]
    assert "ZorkmidPurse" not in vocabulary_of(many).identifiers


def test_shared_verifier_files_and_binary_files_are_skipped(tmp_path: Path) -> None:
    tasks = [made(tmp_path, f"task-{n}", {"tests/judge.py": "def weigh_zorkmid():\n    pass\n"}) for n in range(6)]
    (tmp_path / "task-0" / "tests" / "image.bin").write_bytes(b"\0\xff" * 10)
    found = vocabulary_of(tasks)
    assert "weigh_zorkmid" not in found.identifiers and not found.runs


def test_general_words_are_not_signs() -> None:
    found = vocabulary()
    for word in ("matrix", "queue", "parse", "node", "interval", "tests", "value", "list"):
        assert word not in found.words and word not in found.identifiers


def test_signs_of_every_split_have_the_same_weight() -> None:
    suite = load_suite(ROOT / "tasks" / "bugfix")
    for split in Split:
        name = suite.split(split)[0].name.replace("-", " ")
        reason = leaks.problem(f"For the {name} task look at the end.", "", (), vocabulary())
        assert reason == f"leak: `{name}`: words of single tasks; the scaffold must stay general, so remove them"


def test_two_weak_signs_of_two_tasks_are_not_enough() -> None:
    text = "Use round robin over a ring buffer."
    assert leaks.problem(text, "", (), vocabulary()) is None


def test_without_tasks_the_vocabulary_is_empty() -> None:
    assert vocabulary_of([]).names == {}


def test_numbers_too_long_to_parse_are_literals(tmp_path: Path) -> None:
    number = "1234567890" * 500
    found = vocabulary_of([made(tmp_path, "long-number", {"tests/test_it.py": f"N = {number}\nM = 1048576\n"})])
    assert number in found.literals and "1048576" not in found.literals


def test_files_of_steps_are_read_and_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "outside.py").write_text("class GrimoireShelf:\n    pass\n")
    one = made(tmp_path, "one", {"steps/first/tests/check.py": "class ZorkmidPurse:\n    pass\n", "environment/x": ""})
    (one.folder / "environment" / "link.py").symlink_to(tmp_path / "outside.py")
    found = vocabulary_of([one])
    assert "ZorkmidPurse" in found.identifiers and "GrimoireShelf" not in found.identifiers
