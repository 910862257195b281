"""A trial for people, step by step."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.core.records import Cause, Outcome, Split, TrialResult, Usage
from evolve.report.outcomes import outcome_rows
from evolve.report.trial_steps import document_lines, trial_lines
from tests.forked import forked
from tests.played import RUN, RUNS


def result(outcome: Outcome = Outcome.FAILED, **changes: Any) -> TrialResult:
    reward = None if outcome is Outcome.INFRA_ERROR else float(outcome is Outcome.PASSED)
    known = (outcome, reward, Usage(2, 1_000, 20, 0.5, 3), "2026-01-01T00:00:00+00:00", 1.25)
    return TrialResult(changes.pop("candidate", "c"), "a-task", Split.TRAIN, 1, 7, *known, **changes)


def command(**changes: Any) -> dict[str, Any]:
    ends = {"started_at": "2026-01-01T00:00:01+00:00", "ended_at": "2026-01-01T00:00:01.5+00:00"}
    return {"kind": "run", "command": "ls -la", "stdout": "a\nb\n", "stderr": "", "exit_code": 0, **ends, **changes}


def document(*commands: dict[str, Any], **changes: Any) -> dict[str, Any]:
    step = {
        "step_id": 2,
        "source": "agent",
        "message": "",
        "timestamp": "2026-01-01T00:00:01+00:00",
        "metrics": {"prompt_tokens": 1_544, "completion_tokens": 8},
        "tool_calls": [{"tool_call_id": "1", "function_name": "shell", "arguments": {"command": "ls -la"}}],
        "extra": {"commands": list(commands)},
        **changes,
    }
    first = {"step_id": 1, "source": "user", "message": "Do it.", "timestamp": "2026-01-01T00:00:00+00:00"}
    return {"steps": [first, step], "extra": {"log": "said\n"}}


def test_the_head_says_how_it_ended_and_what_it_took() -> None:
    assert trial_lines(result(cause=Cause.OOM, detail="killed\nat once\n"), 3) == [
        "round 3, a-task (train), attempt 1: failed, reward 0",
        "1.2 s; 2 calls, 1,000 + 20 tokens, $0.5000; 3 commands; started 2026-01-01T00:00:00+00:00",
        "limit: oom",
        "detail: killed\n    at once",
    ]
    assert "reward" not in trial_lines(result(Outcome.INFRA_ERROR), 3)[0]


def test_a_step_has_its_call_its_command_with_output_and_their_times() -> None:
    assert list(document_lines(document(command(stderr="oh", timed_out=True)))) == [
        "",
        "[1] user  0.0 s",
        "  Do it.",
        "",
        "[2] agent  1.0 s  1,544 + 8 tokens",
        '  -> shell {"command": "ls -la"}',
        "  $ ls -la  (exit 0, timed out, 0.50 s)",
        "    a\n    b",
        "    stderr: oh",
        "\nlog of the scaffold:\n  said",
    ]


@pytest.mark.parametrize(
    ("event", "line"),
    [
        ({"kind": "read", "path": "a.py", "found": True, "bytes": 1_200}, "  $ read a.py  (1,200 bytes)"),
        ({"kind": "read", "path": "b", "found": False}, "  $ read b  (not found)"),
        ({"kind": "read", "path": "b", "error": "not UTF-8"}, "  $ read b  (not UTF-8)"),
        ({"kind": "write", "path": "b", "text": "xyz", "exit_code": 0}, "  $ write b  (3 characters)"),
        ({"kind": "replace", "path": "b", "problem": "not_found", "exit_code": 1}, "  $ replace b  (not_found)"),
        ({"kind": "replace", "path": "b", "exit_code": 0}, "  $ replace b  (done)"),
    ],
)
def test_an_access_to_a_file_is_one_line(event: dict[str, Any], line: str) -> None:
    assert line in list(document_lines(document(event)))


def test_a_result_that_repeats_an_output_is_not_printed_twice() -> None:
    seen = {"observation": {"results": [{"content": "a\nb"}, {"content": "other"}]}}
    lines = list(document_lines(document(command(), **seen)))
    assert "  <- the output above" in lines and "  <- other" in lines


def test_long_texts_lose_their_middle_but_on_demand() -> None:
    long = document(command(stdout="x" * 5_000 + "end"))
    assert any("[... 3,003 characters, see --full ...]" in line for line in document_lines(long))
    assert any("x" * 5_000 + "end" in line for line in document_lines(long, None))


@given(st.text(), st.text())
def test_no_text_passes_for_a_step(text: str, output: str) -> None:
    seen = {"message": text, "observation": {"results": [{"content": output}]}}
    lines = "\n".join(document_lines(document(command(stdout=output), **seen))).split("\n")
    assert [line for line in lines if line.startswith("[")] == ["[1] user  0.0 s", "[2] agent  1.0 s  1,544 + 8 tokens"]


def test_outcomes_are_counted_by_candidate_and_in_all() -> None:
    trials = [result(), result(cause=Cause.PIDS), result(Outcome.PASSED, candidate="d")]
    assert outcome_rows(trials, {"c": 0, "d": 4}) == [
        {"round": 0, "trials": 2, "passed": 0, "failed": 2, "pids": 1, "seconds": 1.25},
        {"round": 4, "trials": 1, "passed": 1, "failed": 0, "pids": 0, "seconds": 1.25},
        {"round": "all", "trials": 3, "passed": 1, "failed": 2, "pids": 1, "seconds": 1.25},
    ]
    assert outcome_rows([], {}) == []


def test_the_commands_show_a_stored_run(played_home: Path) -> None:
    shown = forked(played_home, "trial", "1", "train-0")
    assert shown.returncode == 0 and shown.stdout.startswith("round 1, train-0 (train), attempt ")
    assert shown.stdout.endswith("\n[1] agent\n  done\n")
    facts = json.loads(forked(played_home, "trial", "1", "train-0", "--json").stdout)
    assert facts["trial"]["task"] == "train-0" and facts["trajectory"]["steps"]
    (played_home / RUNS / facts["trial"]["trajectory"]["path"]).unlink()
    assert forked(played_home, "trial", "1", "train-0").stdout.endswith("its trajectory was not kept\n")
    rows = json.loads(forked(played_home, "outcomes", "--json").stdout)
    assert rows[-1]["round"] == "all" and rows[-1]["trials"] == sum(row["trials"] for row in rows[:-1])
    compared = forked(played_home, "compare", RUN, RUN).stdout
    assert "champion on train" in compared and "differ" not in compared


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("9", "train-0"), "round 9: "),
        (("1", "train-99"), "task train-99: round 1 has no trial of it; use one of: train-"),
        (("1", "train-0", "77"), "attempt 77: round 1 has no such trial of train-0; use one of: "),
    ],
)
def test_a_trial_that_is_not_there_is_one_line(played_home: Path, words: tuple[str, ...], problem: str) -> None:
    shown = forked(played_home, "trial", *words)
    assert shown.returncode == 2 and shown.stderr.startswith(f"error: {problem}") and shown.stderr.count("\n") == 1
