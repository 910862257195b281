"""The summary at a run's end."""

from __future__ import annotations

from typing import Any

from evolve.report.final_lines import certainty_lines, summary_lines, waste_lines


def row(
    number: int,
    verdict: str | None,
    champion: int | None,
    fate: str = "open",
    doubt: float | None = None,
    reason: str = "",
) -> Any:
    decision = {"verdict": verdict, "fate": fate, "doubt": doubt, "reason": reason}
    return {"round": number, "champion_round": champion, "back_to": None, **decision}


LINEAGE = [{"round": number, "depth": depth} for number, depth in ((0, 0), (1, 1), (2, 2), (3, 3), (5, 3))]


def test_patches_and_doubts_of_champions_are_counted() -> None:
    rows = [
        row(0, "baseline", 0),
        row(1, "stack", 0, doubt=0.2),
        row(2, "keep", 2, doubt=0.015),
        row(3, "revert", 2, doubt=0.0),
        row(4, "refused", 2),
        row(5, "stack", 2, doubt=0.3),
        row(6, None, None),
    ]
    assert summary_lines("r", rows, LINEAGE) == [
        "run r: 5 rounds, champion of round 2 with 2 patches; 1 reverted, 1 refused",
        "  patches stacked on it, not yet proven better: 1",
        "  new champions: 1; expected number of false ones: 0.01",
    ]


def test_rounds_that_the_endpoint_refused_are_named() -> None:
    reasons = ("the model refused: no such parameter", "the model proposed nothing", "the model refused: no")
    rows = [row(0, "baseline", 0), *(row(n, "refused", 0, reason=text) for n, text in enumerate(reasons, start=1))]
    assert summary_lines("r", rows, LINEAGE) == [
        "run r: 3 rounds, champion of round 0 with 0 patches; 0 reverted, 3 refused",
        "  requests for proposals that the model's API refused: 2; see `evolve history`",
    ]


def test_null_copies_are_no_reverted_patches() -> None:
    rows = [row(0, "baseline", 0), row(1, "revert", 0), row(2, "revert", 0)]
    assert summary_lines("r", rows, LINEAGE, copies=1)[0].endswith(
        "2 rounds, champion of round 0 with 0 patches; 1 reverted, 0 refused"
    )


def test_a_stack_that_was_given_up_is_not_counted() -> None:
    rows = [row(0, "baseline", 0), row(1, "stack", 0, doubt=0.2), row(2, "revert", 0, "given_up", 0.9)]
    assert summary_lines("r", rows, LINEAGE) == [
        "run r: 2 rounds, champion of round 0 with 0 patches; 1 reverted, 0 refused"
    ]


def test_a_stack_may_be_promoted_by_a_later_round() -> None:
    rows = [row(0, "baseline", 0), row(1, "stack", 0, doubt=0.2), row(2, "revert", 1, "promoted", 0.019)]
    assert "new champions: 1" in summary_lines("r", rows, LINEAGE)[1]


def test_the_end_says_what_is_certain_and_names_the_report_and_the_next_command() -> None:
    rows = [row(0, "baseline", 0), row(1, "keep", 1, doubt=0.012)]
    assert certainty_lines("r", rows, 0.02, played=1) == [
        "certain: the champion of round 1 is better than what it replaced, doubt 1.2 %",
        "report: evolve report r",
        "next: evolve adopt r",
    ]


def test_a_gain_that_is_held_back_is_named_with_the_tip() -> None:
    rows = [row(0, "baseline", 0), row(1, "stack", 0, doubt=0.2), row(2, "revert", 0, doubt=0.04)]
    lines = certainty_lines("r", rows, 0.02, ["tip (round 1): train 97.2 %; evolve adopt r --tip"], played=2)
    assert lines == [
        "certain: no patch is proven better than the seed scaffold",
        "not certain: the gain of the tip, which is held back until it is proven (doubt 4 %, at most 2 % is allowed)",
        "tip (round 1): train 97.2 %; evolve adopt r --tip",
        "report: evolve report r",
        "next: evolve run --run r --rounds 4",
    ]


def test_a_run_without_a_gain_says_what_came_closest() -> None:
    measured = {"effect": 0.1, "error": 0.05, "parent_round": 0}
    rows = [row(0, "baseline", 0), row(1, "revert", 0), {**row(2, "revert", 0), **measured}, row(3, "refused", 0)]
    assert certainty_lines("r", rows, 0.02, played=3)[1] == (
        "learned: none of 1 measured patches helped; the best, of round 2, had +10.0 ± 9.8 points against round 0; "
        "more rounds may find a better patch"
    )
    refused = certainty_lines("r", [row(0, "baseline", 0), row(1, "refused", 0)], 0.02, played=1)
    assert refused[1].startswith("learned: no patch could be measured: all were refused")


def spent(purpose: str, retries: int = 0, seconds: float = 0.0, usd: float = 0.0) -> Any:
    amounts = {"prompt_tokens": 900, "completion_tokens": 100, "cost_usd": usd}
    return {"purpose": purpose, "retries": retries, "lost_seconds": seconds, **amounts}


def test_wasted_spending_is_reported_if_there_is_some() -> None:
    assert waste_lines([spent("trials"), spent("proposal")]) == []
    assert waste_lines([spent("trials", 3, 10.4), spent("lesson", 1, 2.0), spent("lost"), spent("lost", usd=0.5)]) == [
        "4 failed calls of the model's API were retried: 12 s lost",
        "lost when the run was interrupted: 2k tokens, $0.50",
    ]
