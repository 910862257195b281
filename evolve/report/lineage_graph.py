"""Draw which candidate descends from which, as `git log --graph` draws commits. Decisions only; no scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from evolve.core.ends import Ends
from evolve.core.escaping import plain
from evolve.core.records import Decision, StackFate, Verdict
from evolve.report.tables import Row

TAKEN = ("baseline", "stack", "keep")
MOST_TEXT = 60


def lineage_lines(history: Sequence[Row], champion: int, tip: int, every: bool = False) -> list[str]:
    """One line for each candidate that was built upon, children below their parent; the path to the tip on the left.

    Args:
        history: Rows of the view `history`.
        champion, tip: Their rounds.
        every: Also draw those that were dropped, instead of counting them.
    """
    rows = {row["round"]: row for row in history if row["commit_sha"]}
    children = _children(rows)
    dropped = {parent: Counter(row["verdict"] or "undecided" for row in kids) for parent, kids in children.items()}
    path = _path(rows, tip)
    lines: list[str] = []
    # Each entry is a node with what stands to its left, for its own line and for those below it.
    stack = [(0, "", "")] if 0 in rows else []
    while stack:
        number, own, below = stack.pop()
        lines.append(f"{own}{_label(rows[number], champion, tip)}")
        drawn = [row["round"] for row in children.get(number, ()) if every or row["verdict"] in TAKEN]
        taken = [child for child in drawn if rows[child]["verdict"] in TAKEN]
        following = next((child for child in taken if child in path), taken[-1] if taken else None)
        if not every and (text := _folded(dropped.get(number, Counter()))):
            lines.append(f"{below}{'|  ' if taken else '   '}{text}")
        if following is not None:
            stack.append((following, below, below))
        branches = [child for child in drawn if child != following]
        stack += [(child, f"{below}|- ", f"{below}|  ") for child in reversed(branches)]
    return lines


def _children(rows: Mapping[int, Row]) -> dict[int, list[Row]]:
    found: dict[int, list[Row]] = {}
    for row in rows.values():
        if row["parent_round"] is not None:
            found.setdefault(row["parent_round"], []).append(row)
    return found


def _path(rows: Mapping[int, Row], tip: int) -> set[int]:
    return set(_ancestors(rows, tip))


def _ancestors(rows: Mapping[int, Row], number: int | None) -> Iterator[int]:
    while number is not None and number in rows:
        yield number
        number = rows[number]["parent_round"]


def _label(row: Row, champion: int, tip: int) -> str:
    marks = [name for name, place in (("champion", champion), ("tip", tip)) if place == row["round"]]
    names = f" ({', '.join(marks)})" if marks else ""
    text = plain(" ".join((row["hypothesis"] or row["reason"] or "").split()))
    short = text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT].rstrip()} ..."
    return f"* round {row['round']} {row['verdict'] or 'undecided'}{names}  {short}".rstrip()


def _folded(counts: Counter[str]) -> str:
    left = {"revert": "reverted"}
    kinds = [f"{count} {left.get(kind, kind)}" for kind, count in sorted(counts.items()) if kind not in TAKEN]
    return ", ".join(kinds)


def tip_round(history: Sequence[Row]) -> int:
    """The round whose candidate the next round would patch."""
    ends = Ends()
    for row in history:
        if row["verdict"]:
            fate = StackFate(row["fate"])
            ends = ends.after(row["round"], Decision(Verdict(row["verdict"]), "", fate, back_to=row["back_to"]))
    return ends.tip
