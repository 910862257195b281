"""A small suite in which every place of every task holds a word of its own, so that a text shows where it came from."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
VERIFIER = ROOT / "tasks" / "bugfix" / "_verifier"
# Tasks by split; of those named odd the hidden tests want what no visible test tells.
SPLITS = {"train": ("plain", "odd", "other-odd"), "validation": ("plain", "odd"), "holdout": ("plain",)}
# What a trial may show to the model that it runs with.
SHOWN = ("instruction", "environment")
_WORD = re.compile(r"mk[a-z]{14}", re.IGNORECASE)

MODULE = '''"""{environment_doc}"""


def {environment_function}(numbers):
    # {environment_comment}
    total = 0
    for index in range(len(numbers) - 1):
        total += numbers[index]
    return total
'''
VISIBLE = """import unittest

from {environment_module} import {environment_function}


class {environment_class}(unittest.TestCase):
    def test_{environment_method}(self):
        self.assertEqual({environment_function}([1, 2, 4]), 7, "{environment_message}")
"""
HIDDEN = """import unittest

from {environment_module} import {environment_function}


class {tests_class}(unittest.TestCase):
    def test_{tests_method}(self):
        self.assertEqual({environment_function}([3, 5]), 8, "{tests_message}")

    def test_{tests_other}(self):
        self.assertEqual({environment_function}([]), {empty}, "{tests_reason}")
"""
SOLUTION = '''"""{solution_doc}"""


def {environment_function}(numbers):
    return sum(numbers) or {empty}
'''
SETTINGS = """schema_version = "1.4"

[task]
name = "evolve/{settings_name}"
description = "{settings_description}"
keywords = ["{settings_keyword}"]

[metadata]
difficulty = "{settings_difficulty}"
category = "{settings_category}"

[environment]
cpus = 1
memory_mb = 128
storage_mb = 32

[agent]
timeout_sec = 30

[verifier]
timeout_sec = 20
"""
FILES = {
    "instruction.md": "{instruction_what}: `{environment_function}` adds up numbers, and its tests fail.\n",
    "task.toml": SETTINGS,
    "environment/Dockerfile": (
        "# {environment_image}\nARG BASE=python:3.11-slim\nFROM ${{BASE}}\nWORKDIR /app\nCOPY project/ /app/\n"
    ),
    "environment/project/{environment_module}.py": MODULE,
    "environment/project/{environment_file}.txt": "{environment_text}\n",
    "environment/project/tests/__init__.py": "",
    "environment/project/tests/test_{environment_tests}.py": VISIBLE,
    "tests/test_hidden.py": HIDDEN,
    "tests/{tests_file}.txt": "{tests_text}\n",
    "tests/test.sh": (
        '#!/bin/sh\n# {tests_comment}\necho {tests_said}\nls "$(dirname "$0")"\n'
        'cat "$(dirname "$0")/{tests_file}.txt"\nexec python3 -I "$(dirname "$0")/judge.py"\n'
    ),
    "solution/solve.sh": (
        '#!/bin/sh\n# {solution_comment}\ncp "$(dirname "$0")/{solution_file}.py" {environment_module}.py\n'
    ),
    "solution/{solution_file}.py": SOLUTION,
}


@dataclass(frozen=True)
class Marker:
    """A word of one place. part: `instruction`, `environment`, `tests`, `solution`, `settings` or `name`."""

    split: str
    task: str
    part: str
    place: str

    @property
    def word(self) -> str:
        """Sixteen small letters, the same each time."""
        digest = hashlib.sha256("/".join(("marker", self.split, self.task, self.part, self.place)).encode()).digest()
        return "mk" + "".join(chr(ord("a") + byte % 26) for byte in digest[:14])

    @property
    def shown(self) -> bool:
        """Whether a proposer may know it: a train task's instruction, or its files."""
        return self.split == "train" and self.part in SHOWN


class _Planted(dict[str, str]):
    """Marker words by place, `{part_place}`, made as they are asked for."""

    def __init__(self, split: str, task: str) -> None:
        super().__init__(empty='"unheard of"' if "odd" in task else "0")
        self.split, self.task = split, task
        self.markers: list[Marker] = []

    def __missing__(self, key: str) -> str:
        part, _, place = key.partition("_")
        self.markers.append(Marker(self.split, self.task, part, place))
        self[key] = self.markers[-1].word
        return self[key]


def plant(suite: Path) -> dict[str, Marker]:
    """Write the suite. -> all markers, by word"""
    known: dict[str, Marker] = {}
    splits: dict[str, list[str]] = {split: [] for split in SPLITS}
    for split, tasks in SPLITS.items():
        for task in tasks:
            planted = _Planted(split, task)
            splits[split].append(planted["name_folder"])
            _write(suite / planted["name_folder"], planted)
            known |= {marker.word: marker for marker in planted.markers}
    lines = [f"{split} = {json.dumps(names)}" for split, names in splits.items()]
    (suite / "suite.toml").write_text("[splits]\n" + "\n".join(lines) + "\n")
    return known


def _write(folder: Path, planted: _Planted) -> None:
    for path, text in FILES.items():
        file = folder / path.format_map(planted)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.format_map(planted))
        file.chmod(0o755 if file.suffix == ".sh" else 0o644)
    for file in VERIFIER.glob("judge*.py"):
        shutil.copy(file, folder / "tests" / file.name)


def found(text: str, known: dict[str, Marker]) -> set[Marker]:
    """The markers in a text, whatever their case."""
    words = {word.lower() for word in _WORD.findall(text)}
    return {known[word] for word in words & known.keys()}


def repository(folder: Path) -> dict[str, Marker]:
    """A git repository with the seed scaffold and, not committed, the suite. -> all markers, by word"""
    shutil.copytree(ROOT / "scaffolds" / "single", folder / "scaffolds" / "single")
    (folder / ".gitignore").write_text("runs*/\ntasks/\n")
    for words in (["init", "-q"], ["add", "-A"], ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "x"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    for above in (folder, folder.parent, folder.parent.parent):
        above.chmod(0o755)
    return plant(folder / "tasks")
