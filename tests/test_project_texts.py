"""The configuration files that are written parse, and say what the program's defaults are."""

from __future__ import annotations

import re
import tomllib
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.core.config import TrialLimits
from evolve.core.gate_config import GateConfig
from evolve.core.records import SandboxSpec, Split
from evolve.project.starts import python_start
from evolve.project.texts import add_to_split, evolve_toml, scaffold_toml, suite_toml
from evolve.suite.scaffold import read

BUGFIX = Path(__file__).parent.parent / "tasks" / "bugfix" / "suite.toml"


def test_the_folders_are_set_and_nothing_else() -> None:
    assert tomllib.loads(evolve_toml(".", 'a "b"')) == {"scaffold": ".", "suite": 'a "b"'}


def test_what_is_commented_out_are_the_defaults() -> None:
    text = re.sub(r"^# (?=\w+ = |\[)", "", evolve_toml(".", "tasks"), flags=re.M)
    values = tomllib.loads(text)
    assert {"model", "base_url", "rounds", "seed", "jobs", "budget_usd"} <= set(values)
    assert values["limits"] == TrialLimits(seconds=900, commands=200).model_dump()
    assert values["sandbox"].items() <= asdict(SandboxSpec()).items()
    assert values["gate"].items() <= GateConfig().model_dump().items()


def test_a_scaffold_with_an_entry_is_whole() -> None:
    text = scaffold_toml("mine", python_start("agent.py", {"agent.py": ""}, ()), ["*.py", "*.md"])
    spec = read("x", {"scaffold.toml": text, "agent.py": ""})
    assert (spec.name, spec.entry, spec.evolvable, spec.image) == ("mine", "agent.py", ("*.py", "*.md"), None)


def test_without_an_entry_its_line_is_a_comment() -> None:
    text = scaffold_toml("mine", None, ["*.py"])
    assert tomllib.loads(text) == {"name": "mine", "evolvable": ["*.py"]}
    assert tomllib.loads(text.replace("# entry", "entry"))["entry"] == "main.py"


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), unique=True))
def test_any_name_can_be_in_a_suite(names: list[str]) -> None:
    suite = tomllib.loads(suite_toml("x", {Split.TRAIN: names}, seed=3))
    assert suite["splits"] == {"train": sorted(names), "validation": [], "holdout": []}


@pytest.mark.parametrize(
    "text",
    [
        '[splits]\ntrain = ["a"]\n',
        "[splits]\ntrain = []\n",
        "[splits]\ntrain = [ ]\nvalidation = []",
        '[splits]  # by hand\n  train = [\n    "a",  # first\n    "b"\n]\n',
        '[splits]\nvalidation = ["a"]\n',
        '[suite]\nname = "train = ["\n[splits]\ntrain = ["a"]\n',
        "[splits]\n",
        BUGFIX.read_text(),
    ],
)
def test_a_task_is_added_and_the_rest_stays(text: str) -> None:
    old, edited = tomllib.loads(text), add_to_split(text, Split.TRAIN, "new")
    assert edited is not None
    new = tomllib.loads(edited)
    assert new["splits"]["train"] == ["new", *old["splits"].get("train", [])]
    assert {**new["splits"], "train": 0} == {**old["splits"], "train": 0}
    assert len(edited.splitlines()) <= len(text.splitlines()) + 1 and new.get("suite") == old.get("suite")


@pytest.mark.parametrize(
    "text", ["", "splits = { train = ['a'] }", "[splits]\ntrain = 3", "[splits\n", "[splits]\ntrain.x = 1"]
)
def test_a_suite_that_cannot_be_edited_is_left(text: str) -> None:
    assert add_to_split(text, Split.TRAIN, "new") is None
