"""A champion without one of its patches: those on its line, what can be taken out, and what can't."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from evolve.core.errors import BadInput
from evolve.core.records import Candidate, FileEdit, Proposal
from evolve.repo import Author, Lineage
from evolve.runs.leaving_out import champions_line, patches_left_out
from evolve.store import RoundRow, RunRow

AT = "2026-11-23T21:44:00+00:00"
ROW = RunRow("run", AT, 0, "{}", "0" * 64, "s", "s", "m", None, "{}", "0", "/r/.git", None)
LINES = "\n".join(f"line_{number} = 0" for number in range(20))


def lineage_of(folder: Path) -> Lineage:
    (folder / "s").mkdir()
    (folder / "s" / "main.py").write_text(LINES + "\n")
    for words in (["init", "-q"], ["add", "-A"], ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "x"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    return Lineage.open(folder / "s", folder / "own.git")


def grown(lineage: Lineage, texts: Sequence[str]) -> list[RoundRow]:
    """A line of candidates with these texts, one patch each."""
    parent = Candidate(lineage.seed("run", AT), 0, None, "evolve/run/round-0000")
    rows = [RoundRow(0, None, AT, parent, None, None, 0)]
    for number, text in enumerate(texts, 1):
        edits = (FileEdit("main.py", text + "\n"),)
        commit = lineage.commit_candidate("run", number, parent.commit, edits, "x", Author("m", "m@m"), AT)
        mine = Candidate(commit, number, parent.commit, f"evolve/run/round-{number:04}")
        rows.append(RoundRow(number, parent, AT, mine, Proposal(f"idea {number}", "", edits), None, number))
        parent = mine
    return rows


def test_a_patch_is_taken_out_where_nothing_builds_on_it(tmp_path: Path) -> None:
    lineage = lineage_of(tmp_path)
    first = LINES.replace("line_2 = 0", "line_2 = 1")
    second = first.replace("line_15 = 0", "line_15 = 1")
    third = second.replace("line_2 = 1", "line_2 = 12")
    rows = grown(lineage, (first, second, third))
    champion = rows[-1].candidate
    assert champion
    assert [row.number for row in champions_line(rows, champion.commit)] == [1, 2, 3]
    found = patches_left_out(ROW, rows, champion.commit, lineage)
    assert [(patch.number, patch.arm is None) for patch in found] == [(1, True), (2, False), (3, False)]
    assert found[0].why == "later patches build on it" and found[1].hypothesis == "idea 2"
    assert found[1].arm and found[1].arm.name == "without round 2"
    assert lineage.files(found[1].arm.commit)["main.py"] == third.replace("line_15 = 1", "line_15 = 0") + "\n"
    assert patches_left_out(ROW, rows, champion.commit, lineage) == found, "the same commits each time"


def test_the_seed_scaffold_has_no_patches(tmp_path: Path) -> None:
    lineage = lineage_of(tmp_path)
    rows = grown(lineage, ())
    with pytest.raises(BadInput, match="still the seed"):
        patches_left_out(ROW, rows, lineage.seed("run", AT), lineage)
