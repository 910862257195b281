"""The table of rounds and the page of one round, in lines that fit a width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from evolve.analysis import TaskChanges
from evolve.core.records import Outcome, Proposal, Usage
from evolve.report.history_table import LEAST_WIDTH, history_text, notes
from evolve.report.round_page import RoundPage, round_text
from tests.fakes import result

HOSTILE = "\x1b[31m 漢字\u202e\u200b\r\nround 9: keep [bold red]x[/] " * 5


def row(number: int, **facts: Any) -> dict[str, Any]:
    empty = dict.fromkeys(
        ("hypothesis", "reason", "effect", "error", "parent_round", "predicted", "fixed", "feared", "broken", "voided",
         "train_score", "validation_score", "train_gain", "validation_gain", "gap_widened", "commit_sha")
    )  # fmt: skip
    return {**empty, "round": number, "verdict": "revert", "trials": 0, "graded": 0, "attempts": 0, **facts}


ROUND = row(
    3, verdict="stack", train_score=0.611, validation_score=0.5, effect=0.139, error=0.046, parent_round=1, trials=44,
    graded=44, attempts=44, fixed=3, predicted=10, commit_sha="c" * 40, hypothesis="Run the tests first.",
    reason="+13.9 ± 9.0 points against round 1 after 44 trials: likely to be worth it; 1 stacked, doubt 12 %",
)  # fmt: skip


def texts(lines: Sequence[Text]) -> list[str]:
    return [line.plain.rstrip() for line in lines]


def test_all_columns_fit_80_cells_and_the_effect_names_its_reference() -> None:
    seed = row(0, verdict="baseline", train_score=0.472, validation_score=0.44, reason="the seed scaffold")
    assert texts(history_text([seed, ROUND], 80)) == [
        "round verdict    train validation  effect in points           trials  fixed",
        "    0 baseline  47.2 %    44.0 %                                   0",
        "  why | the seed scaffold",
        "    3 stack     61.1 %    50.0 %   +13.9 ± 9.0 vs round 1         44  3/10",
        " idea | Run the tests first.",
        "  why | likely to be worth it; 1 stacked, doubt 12 %",
    ]


def test_scores_have_no_gain_of_others_and_what_is_not_measured_is_no_zero() -> None:
    shown = texts(history_text([row(2, train_score=0.5, train_gain=0.194, validation_gain=0.194)], 80))[1]
    assert "19" not in shown and shown.split() == ["2", "revert", "50.0", "%", "-", "0"]


def test_an_effect_of_an_earlier_version_claims_no_reference() -> None:
    earlier = row(3, effect=0.194, error=0.01, parent_round=2, reason="+19.4 ± 2.0 points after 44 trials: no")
    shown = texts(history_text([earlier], 80))
    assert "vs round" not in shown[1] and "+19.4 ± 2.0" in shown[1]
    assert "effects without a reference" in shown[-2]


def test_marks_are_explained_and_scores_drawn() -> None:
    rows = [
        row(0, train_score=0.0, validation_score=1.0),
        row(1, train_score=1.0, train_gain=0.2, validation_gain=0.0, gap_widened=True, voided=2),
    ]
    assert notes(rows, 80) == [
        "scores by round: train      ▁█",
        "scores by round: validation █ ",
        "! round 1 gained clearly more on train than on validation over the seed: train +20.0, validation +0.0 points",
        "* faults of the model's API or the grader voided 2 attempts",
    ]


@given(st.text(max_size=200), st.integers(1, 200))
def test_no_line_of_the_table_is_wider_than_the_console(text: str, width: int) -> None:
    rows = [replace_text(ROUND, text), row(10**6, hypothesis=text, reason=text, effect=-1.0, error=1.0)]
    for line in history_text(rows, width):
        assert line.cell_len <= max(width, LEAST_WIDTH)
        assert all(character.isprintable() for character in line.plain)


def replace_text(known: dict[str, Any], text: str) -> dict[str, Any]:
    return {**known, "hypothesis": text + HOSTILE, "reason": known["reason"] + text}


def page(text: str = "") -> RoundPage:
    after = [
        replace(result(f"t{n}", float(n < 3)), usage=Usage(calls=4, prompt_tokens=1000, commands=2)) for n in range(4)
    ]
    before = [replace(result(f"t{n}", float(n < 1)), usage=Usage(calls=2, prompt_tokens=500)) for n in range(4)]
    return RoundPage(
        run=f"r{text}",
        row={**ROUND, "hypothesis": text},
        proposal=Proposal(f"Run the tests first.{text}", "More pass.", ()),
        trials=[replace(trial, outcome=Outcome.PASSED if trial.reward else Outcome.TIMEOUT) for trial in after],
        before=before,
        changes=TaskChanges(("t1", "t2"), (f"t0{text}",)),
        patch=f"--- a/main.py\n+++ b/main.py\n@@ -1 +1 @@\n-old{text}\n+new\n",
        lesson="It helped.",
    )


def test_a_round_has_idea_patch_evidence_tasks_mechanism_trials_and_lesson() -> None:
    assert texts(round_text(page(), 80)) == [
        f"round 3 of run r: stack (parent: round 1, commit {'c' * 12})",
        "hypothesis",
        " | Run the tests first.",
        "prediction",
        " | More pass.",
        " | predicted to be fixed: 3 of 10 tasks went better",
        "patch  +1 -1 lines",
        "  --- a/main.py",
        "  +++ b/main.py",
        "  @@ -1 +1 @@",
        "  -old",
        "  +new",
        "evidence",
        " | +13.9 ± 9.0 points against round 1 after 44 trials: likely to be worth it; 1",
        " | stacked, doubt 12 %",
        " | scores of these trials: train 61.1 %, validation 50.0 %",
        "tasks",
        " | fixed (2): t1, t2",
        " | broken (1): t0",
        "mechanism",
        " | a trial takes 4.0 calls (2.0), 2.0 commands (0.0), 1.0 k tokens (0.5), 1.5",
        " | seconds (1.5); of the parent's in brackets",
        "trials",
        " | 4: 3 passed, 1 timeout",
        "  ■■■t",
        " | --trials lists them; evolve trial 3 TASK shows one step by step",
        "lesson",
        " | It helped.",
    ]


def test_a_patch_is_coloured_and_a_long_one_is_cut() -> None:
    long = replace(page(), patch="@@ -1 +1 @@\n" + "+x\n" * 500)
    lines = round_text(long, 80)
    assert "  381 more lines: evolve diff 3" in texts(lines)
    styles = {line.plain: str(line.style) for line in round_text(page(), 80)}
    assert (styles["  @@ -1 +1 @@"], styles["  +new"], styles["  -old"]) == ("cyan", "green", "red")


def test_a_patch_that_cannot_be_read_says_why() -> None:
    shown = texts(round_text(replace(page(), patch=None, no_patch="not available: the repository is missing"), 80))
    assert " | not available: the repository is missing" in shown


@given(st.text(max_size=200), st.integers(1, 200))
def test_no_line_of_a_round_is_wider_than_the_console(text: str, width: int) -> None:
    for line in round_text(page(text + HOSTILE), width):
        assert line.cell_len <= max(width, 20)
        assert all(character.isprintable() for character in line.plain)
