"""The table of `docs/design.md` that follows one round: its functions exist, and control goes down."""

from __future__ import annotations

import re
from functools import reduce
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import pytest

DESIGN = Path(__file__).parent.parent / "docs" / "design.md"
TITLE = "One round, from the command line to the database row"
ROW = re.compile(r"^\| ((?:> )*)`([\w/]+)` \| `([\w.]+)` \|", re.MULTILINE)


def rows() -> list[tuple[int, str, str]]:
    """(depth, module, function) of each row."""
    section = re.split(r"^## ", DESIGN.read_text(encoding="utf-8").partition(TITLE)[2], flags=re.MULTILINE)[0]
    return [(len(depth) // 2, module, function) for depth, module, function in ROW.findall(section)]


def test_the_table_has_a_row_for_each_step() -> None:
    assert len(rows()) >= 15


@pytest.mark.parametrize(("module", "function"), [row[1:] for row in rows()])
def test_every_function_in_the_table_exists(module: str, function: str) -> None:
    start: object = import_module(f"evolve.{module.replace('/', '.')}")
    assert callable(reduce(getattr, function.split("."), start))


def test_a_row_is_at_most_one_level_below_the_one_before() -> None:
    depths = [depth for depth, _, _ in rows()]
    assert depths[0] == 0
    assert all(below - above <= 1 for above, below in pairwise(depths))


def test_a_module_is_called_again_only_from_where_it_was_called_before() -> None:
    callers: dict[str, set[str]] = {}
    path: list[str] = []
    for depth, module, _ in rows():
        path[depth:] = [module]
        assert module not in path[:depth], "control does not climb back up"
        callers.setdefault(module, set()).add(path[depth - 1] if depth else "")
    assert all(len(modules) == 1 for modules in callers.values())
