"""Leaving a kept patch out: which one, when, and that it can be told apart."""

from __future__ import annotations

from evolve.core.config import GateConfig
from evolve.core.records import Candidate, Decision, Proposal, Verdict
from evolve.loop.ablate import ablation_candidates, is_due
from evolve.store import RoundRow

LINE = ("seed", "one", "two", "three")


def row(number: int, parent: str | None, commit: str | None, ablates: int | None = None) -> RoundRow:
    made = commit and Candidate(commit, number, parent, f"evolve/r/round-{number:04d}")
    proposal = Proposal(f"idea {number}", "", (), ablates=ablates) if number else None
    decision = Decision(Verdict.STACK if number else Verdict.BASELINE, "")
    return RoundRow(number, None, "2026-01-01T00:00:00Z", made or None, proposal, decision, number)


ROWS = [
    row(0, None, "seed"),
    row(1, "seed", "one"),
    row(2, "one", "side"),
    row(3, "one", "two"),
    row(4, "two", "three"),
]


def test_only_some_rounds_are_due() -> None:
    assert [number for number in range(1, 50) if is_due(number, GateConfig())] == [16, 32, 48]
    for never in (GateConfig(ablate_every=0), GateConfig(rule="greedy")):
        assert not any(is_due(number, never) for number in range(1, 50))


def test_patches_of_the_tips_line_have_their_turn_the_oldest_first() -> None:
    tip = ROWS[4].candidate
    assert tip is not None
    assert [found.number for found in ablation_candidates(ROWS, tip)] == [1, 3, 4]


def test_nobody_has_two_turns_and_an_ablation_none() -> None:
    rows = [*ROWS, row(5, "three", "four", ablates=1), row(6, "four", None, ablates=3)]
    tip = rows[5].candidate
    assert tip is not None
    assert [found.number for found in ablation_candidates(rows, tip)] == [4]


def test_the_seed_scaffold_has_no_patch() -> None:
    assert ablation_candidates(ROWS, Candidate("seed", 0, None, "b")) == []
