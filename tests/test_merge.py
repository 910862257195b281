"""From where on two lines differ."""

from __future__ import annotations

import pytest

from evolve.core.records import Candidate
from evolve.loop.merge import common_ancestor

PARENTS = {"seed": None, "one": "seed", "two": "one", "side": "one", "far": "seed"}
CANDIDATES = [Candidate(commit, n, parent, "b") for n, (commit, parent) in enumerate(PARENTS.items())]


@pytest.mark.parametrize(
    ("one", "other", "base"),
    [("two", "side", "one"), ("two", "far", "seed"), ("one", "two", "one"), ("two", "two", "two")],
)
def test_the_latest_that_both_descend_from(one: str, other: str, base: str) -> None:
    assert common_ancestor(CANDIDATES, one, other) == common_ancestor(CANDIDATES, other, one) == base
