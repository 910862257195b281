"""What is read out of trajectories, and what the proposer is told."""

from __future__ import annotations

from typing import Any

import pytest

from evolve import trajectory
from evolve.analyse import DIGEST_CHARS, EXAMPLE_CHARS, digest, excerpt, features
from evolve.records import Outcome, Usage
from tests.fakes import (
    chat_event,
    completion,
    result,
    run_event,
    tool_call,
    trial_spec,
    write_event,
)

TESTS = "python3 -m unittest -q"
START = {"role": "user", "content": "Mend it."}


def document(*events: dict[str, Any], log: str = "") -> dict[str, Any]:
    return trajectory.build(trial_spec(), events, Usage(), log)


def asked(*calls: dict[str, Any], content: str | None = None) -> dict[str, Any]:
    return chat_event([START], completion(content, *calls))


def edit(number: int, text: str = "x") -> dict[str, Any]:
    return tool_call("edit", {"path": "a.py", "new": text}, f"call_{number}")


def test_an_empty_trajectory_has_no_features() -> None:
    seen = features(document())
    assert (seen.model_calls, seen.commands, seen.tool_calls, seen.edits) == (0, 0, 0, 0)
    assert seen.tests_passed_at_end is None
    assert not seen.ended_after_edit
    assert seen.crash == ""


def test_calls_commands_and_tests_are_counted() -> None:
    seen = features(
        document(
            asked(tool_call("run_tests", {})), run_event(TESTS, 1), run_event("ls"),
            asked(edit(2)), write_event("a.py"), run_event(TESTS, 0),
        )
    )  # fmt: skip
    assert (seen.model_calls, seen.tool_calls, seen.commands) == (2, 2, 4)
    assert (seen.test_runs, seen.edits) == (2, 1)
    assert seen.tests_passed_at_end is True
    assert not seen.ended_after_edit


def test_an_edit_after_the_last_tests_is_seen() -> None:
    ended = document(asked(edit(1)), run_event(TESTS, 1), write_event("a.py"))
    assert features(ended).ended_after_edit
    assert features(ended).tests_passed_at_end is False
    assert features(document(asked(edit(1)), write_event("a.py"))).ended_after_edit


def test_repetitions_are_counted_but_not_of_the_tests() -> None:
    calls = [
        edit(1),
        edit(2),
        edit(3),
        edit(4, "y"),
        tool_call("run_tests", {}, "5"),
        tool_call("run_tests", {}, "6"),
    ]
    assert features(document(asked(*calls))).repeated_calls == 2


def test_trouble_with_tools_is_counted() -> None:
    first = completion(None, tool_call("edit", "{oops", "1"), edit(2))
    answers = [
        {"role": "tool", "tool_call_id": "1", "content": "the text was NOT FOUND in a.py"},
        {"role": "tool", "tool_call_id": "call_2", "content": "Traceback ... [output truncated]"},
    ]
    history = [START, first["choices"][0]["message"], *answers]
    seen = features(document(chat_event([START], first), chat_event(history, completion("I give up"))))
    assert (seen.malformed_calls, seen.not_found, seen.cut_outputs, seen.plain_answers) == (1, 1, 1, 1)


def test_the_apis_errors_are_named() -> None:
    error = {"status": 400, "code": "context_length_exceeded", "message": "too long"}
    assert features(document(chat_event([START], error=error))).error_codes == ("context_length_exceeded",)


@pytest.mark.parametrize(
    ("log", "crash"),
    [
        ("Traceback (most recent call last):\n  File x\nKeyError: 'tool'\n\n", "KeyError: 'tool'"),
        ("all is well\n", ""),
        ("", ""),
    ],
)
def test_a_crash_is_its_last_line(log: str, crash: str) -> None:
    assert features(document(log=log)).crash == crash


def test_the_digest_counts_trials_and_endings() -> None:
    trials = [
        (result("a", 1.0), document()),
        (result("b", 0.0, outcome=Outcome.TIMEOUT), document()),
        (result("c", 0.0, outcome=Outcome.BUDGET), document()),
        (result("d", 0.0, outcome=Outcome.BUDGET), document()),
    ]
    lines = digest(trials, 60).splitlines()
    assert lines[0] == "- 1 of 4 trials passed; 3 failed."
    assert lines[1:3] == [
        "- 2 of the failed trials ended as budget",
        "- 1 of the failed trials ended as timeout",
    ]
    assert "- 3 of 3 failed trials never ran the tests" in lines


def test_the_digest_puts_the_commonest_weakness_first() -> None:
    guilty = document(asked(edit(1)), write_event("a.py"), run_event(TESTS, 1), *[asked(edit(9))] * 58)
    text = digest([(result("a", 0.0), guilty), (result("b", 0.0), guilty), (result("c", 0.0), document())], 60)
    counts = [int(line.split()[1]) for line in text.splitlines()[2:] if "of 3 failed trials" in line]
    assert counts == sorted(counts, reverse=True)
    assert "2 of 3 failed trials spent the whole budget of model calls" in text
    assert "2 of 3 failed trials submitted although the tests failed" in text


def test_passed_trials_say_nothing_but_their_number() -> None:
    text = digest([(result("a", 1.0), document(asked(content="SECRET OF SUCCESS")))], 60)
    assert text == "- 1 of 1 trials passed; 0 failed."


def test_a_digest_of_nothing_is_possible() -> None:
    assert digest([], 60) == "- 0 of 0 trials passed; 0 failed."


@pytest.mark.parametrize("outcome", [o for o in Outcome if o not in (Outcome.INFRA_ERROR, Outcome.PASSED)])
def test_nothing_of_the_verifier_gets_into_the_digest(outcome: Outcome) -> None:
    """The detail of a trial may quote the hidden tests."""
    secret = "HIDDEN-TEST-MARKER"
    trial = result("task-name-marker", 0.0, outcome=outcome, detail=f"FAIL: test_x\n{secret}\n")
    text = digest([(trial, document(asked(edit(1)), run_event(TESTS, 1), log="fine"))], 60)
    assert secret not in text
    assert "task-name-marker" not in text


def test_the_digest_is_bounded() -> None:
    long = document(*[asked(edit(n), content="w" * 5000) for n in range(50)])
    assert len(digest([(result(f"t{n}", 0.0), long) for n in range(3)], 60)) <= DIGEST_CHARS


def test_an_excerpt_shows_the_end_and_shortens_it() -> None:
    first = completion("START " + "m" * 1000 + " END", edit(1, "z" * 1000))
    answer = {"role": "tool", "tool_call_id": "call_1", "content": "o" * 1000}
    events = [
        chat_event([START], first),
        chat_event([START, first["choices"][0]["message"], answer], completion("bye")),
    ]
    lines = excerpt(document(*events)).splitlines()
    assert [line[:7] for line in lines] == ["[user] ", "[agent]", "  -> ed", "  <- oo", "[agent]"]
    assert max(map(len, lines)) < EXAMPLE_CHARS + 40
    assert "START" in lines[1]
    assert "END" in lines[1]
