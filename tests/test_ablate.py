"""Leaving a kept patch out: which one, when, and that it can be told apart."""

from __future__ import annotations

from pathlib import Path

from evolve.core.gate_config import GateConfig
from evolve.core.records import Candidate, Decision, Proposal, Verdict
from evolve.loop.ablate import ablation_candidates, is_due
from evolve.loop.history import History
from evolve.store import RoundRow, RunRow, Store

WHEN = "2026-01-01T00:00:00+00:00"


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
    line = [ROWS[number] for number in (0, 1, 3, 4)]
    assert [found.number for found in ablation_candidates(line, set())] == [1, 3, 4]


def test_nobody_has_two_turns_and_an_ablation_none() -> None:
    line = [*(ROWS[number] for number in (0, 1, 3, 4)), row(5, "three", "four", ablates=1)]
    assert [found.number for found in ablation_candidates(line, {1, 3})] == [4]


def test_the_seed_scaffold_has_no_patch() -> None:
    assert ablation_candidates(ROWS[:1], set()) == []


def test_the_line_of_a_tip_and_what_was_left_out_are_read_from_the_rows(tmp_path: Path) -> None:
    rows = [*ROWS, row(5, "three", "four", ablates=1), row(6, "four", None, ablates=3)]
    with Store.open(tmp_path / "evolve.db") as store:
        store.create_run(RunRow("r", WHEN, 0, "{}", "0" * 64, "s", "s", "m", None, "{}", "0", "r", None))
        made = {one.candidate.commit: one.candidate for one in rows if one.candidate}
        for one in rows:
            above = one.candidate.parent if one.candidate else "four"
            parent = made[above] if above else None
            store.start_race("r", [one.number], parent, WHEN)
            if one.candidate:
                store.add_candidate("r", one.candidate)
            if one.proposal:
                store.add_proposal("r", one.number, one.proposal, "0" * 64, "m", WHEN)
        history = History("r", store, {})
        assert [found.number for found in history.line(Candidate("three", 4, "two", "b"))] == [0, 1, 3, 4]
        assert history.left_out() == history.left_out() == {1, 3}
