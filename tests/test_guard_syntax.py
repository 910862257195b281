"""Which texts of each kind parse, and which mean the same."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from evolve.core.records import FileEdit, Proposal
from evolve.guard import refusal
from evolve.guard.syntax import means_the_same, problem

SKILL = "---\nname: tests\ndescription: Run the tests first.\n---\n# Tests\n"
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
BOMB = "a: &a [x, x]\n" + "".join(
    f"{new}: &{new} [*{old}, *{old}]\n"
    for old, new in zip("abcdefghijklmnopqrstuvw", "bcdefghijklmnopqrstuvwx", strict=True)
)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.py", "x = 1"),
        ("a.toml", "x = 1"),
        ("a.json", '{"x": [1, 2.5, null]}'),
        ("a.yaml", "x: [1, 2]\n"),
        ("a.yml", "a: &one {b: !custom 1}\nc: *one\n---\nsecond: document\n"),
        ("bomb.yaml", BOMB),
        ("a.md", "# no front matter\n\n---\nx: [\n---\n"),
        ("a.md", "---\nallowed-tools: [Read]\n---\ntext"),
        ("skills/tests/SKILL.md", SKILL),
        ("skills/tests/SKILL.md", SKILL.replace("\n", "\r\n")),
        ("a.ts", "const f = <T>(x: T): T => x;"),
        ("a.sh", 'echo "it\'s $(date)"'),
        ("noext", "def ("),
        ("a.txt", "def ("),
        (".env.json5", "{x: 1,}"),
    ],
)
def test_it_parses(path: str, text: str) -> None:
    assert problem(path, text) is None


@pytest.mark.parametrize(
    ("path", "text", "reason"),
    [
        ("a.py", "def (", "invalid syntax"),
        ("a.toml", "x = ", "Invalid value"),
        ("a.json", '{"x": 1,}', "double quotes"),
        ("a.json", "[NaN]", "`NaN` is not valid JSON"),
        ("a.json", "[" * 100_000, "recursion"),
        ("a.yaml", "x: [1,\ny: 2", "line"),
        ("a.yaml", "x: *gone", "no anchor `gone`"),
        ("a.yaml", "x: 1\n\tx: 2", "line 2"),
        ("a.yaml", "[" * 100_000, "nest"),
        ("a.yaml", "".join(f"{' ' * depth}- a:\n" for depth in range(0, 400, 2)), "too deeply nested"),
        ("commands/a.md", "---\nx: [\n---\ntext", "line"),
        ("SKILL.md", "# Tests\n", "begins with a front matter"),
        ("x/SKILL.md", SKILL.replace("description", "about"), "needs a text `description`"),
        ("x/SKILL.md", SKILL.replace("tests\n", "\n", 1), "needs a text `name`"),
        ("x/SKILL.md", SKILL.replace("tests\n", "[tests]\n", 1), "needs a text `name`"),
        ("x/SKILL.md", "---\n- name\n- description\n---\n", "needs a text `name`"),
        ("a.tsx", "const a = [1, 2;", "`[` is not closed"),
        ("a.sh", 'echo "open', '`"` is not closed (line 1)'),
        ("any.bin", "a\0b", "NUL"),
    ],
)
def test_it_does_not_parse(path: str, text: str, reason: str) -> None:
    found = problem(path, text)
    assert found is not None and reason in found and "\n" not in found


@given(VALUES)
def test_what_libraries_write_parses(value: object) -> None:
    assert problem("a.json", json.dumps(value)) is None
    assert problem("a.yaml", yaml.safe_dump(value, allow_unicode=False)) is None


@given(st.text(max_size=60))
def test_any_text_gets_one_line_or_none(text: str) -> None:
    for path in ("a.json", "a.yaml", "SKILL.md", "a.md", "a.js", "a.sh", "a.toml", "a.py"):
        found = problem(path, text)
        assert found is None or (found and "\n" not in found)


@pytest.mark.parametrize(
    ("path", "old", "new", "same"),
    [
        ("a.json", '{"a": 1}', '{ "a":1 }', True),
        ("a.json", '{"a": 1}', '{"a": 2}', False),
        ("a.json", "{", "{ ", False),
        ("a.yaml", "a: 1 # one", "a:   1", True),
        ("a.yaml", "a: 1", 'a: "1"', False),
        ("a.md", "a b", "a\nb", True),
        ("a.sh", "a b", "a  b", False),
    ],
)
def test_meaning(path: str, old: str, new: str, same: bool) -> None:
    assert means_the_same(path, old, new) is same


def test_a_file_in_a_dialect_of_its_own_may_change() -> None:
    files = {"opencode.json": '{"a": 1} // ours', "good.json": "{}"}

    def refused(path: str, text: str) -> str | None:
        return refusal(Proposal("h", "p", (FileEdit(path, text),)), files, ["*.json"])

    assert refused("opencode.json", '{"a": 2} // ours') is None
    assert (refused("good.json", "{} // ours") or "").startswith("does not parse: good.json: ")
    assert (refused("new.json", "{} // ours") or "").startswith("does not parse: new.json: ")
