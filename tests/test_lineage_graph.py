"""The graph of who descends from whom."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from evolve.report.lineage_graph import lineage_lines


def row(number: int, parent: int | None, verdict: str, hypothesis: str | None = "") -> dict[str, Any]:
    given = {"round": number, "parent_round": parent, "verdict": verdict, "commit_sha": f"{number:040x}"}
    return {**given, "hypothesis": hypothesis, "reason": "the seed scaffold" if parent is None else "reason"}


RUN = [
    row(0, None, "baseline", None),
    row(1, 0, "revert", "read files first"),
    row(2, 0, "stack", "look twice"),
    row(3, 2, "revert"),
    row(4, 2, "stack", "a dead end"),
    row(5, 0, "keep", "x" * 100),
    {**row(6, 5, "refused"), "commit_sha": None},
    row(7, 5, "stack", "two\nlines \x1b[31m"),
]


def test_the_way_to_the_tip_is_on_the_left() -> None:
    assert lineage_lines(RUN, 5, 7) == [
        "* round 0 baseline  the seed scaffold",
        "|  1 reverted",
        "|- * round 2 stack  look twice",
        "|  |  1 reverted",
        "|  * round 4 stack  a dead end",
        f"* round 5 keep (champion)  {'x' * 60} ...",
        "* round 7 stack (tip)  two lines \\x1b[31m",
    ]


def test_dropped_candidates_are_drawn_on_demand() -> None:
    lines = lineage_lines(RUN, 5, 7, every=True)
    assert "|- * round 1 revert  read files first" in lines and not any("1 reverted" in line for line in lines)
    assert len(lines) == 7


def test_a_run_without_a_seed_has_no_graph() -> None:
    assert lineage_lines([], 0, 0) == []


@given(st.lists(st.tuples(st.integers(0, 10_000), st.sampled_from(["stack", "keep", "revert"])), max_size=60))
def test_every_candidate_has_one_line(drawn: list[tuple[int, str]]) -> None:
    rows = [row(0, None, "baseline")]
    rows += [row(number, parent % number, verdict) for number, (parent, verdict) in enumerate(drawn, 1)]
    lines = lineage_lines(rows, 0, len(drawn), every=True)
    numbers = sorted(int(line.split("* round ")[1].split()[0]) for line in lines)
    assert numbers == list(range(len(rows)))


def test_a_long_line_of_patches_needs_no_recursion_and_no_room() -> None:
    rows = [row(0, None, "baseline"), *(row(number, number - 1, "stack") for number in range(1, 5_000))]
    lines = lineage_lines(rows, 0, 4_999)
    assert len(lines) == 5_000 and max(map(len, lines)) < 80
