"""What is read out of trajectories, and what the proposer is told."""

from __future__ import annotations

from typing import Any

import pytest

from evolve.analysis import (
    AnalysedTrial,
    Group,
    Shelf,
    Subject,
    TaskChanges,
    analyse_trials,
    features,
    groups,
    task_changes,
    task_labels,
)
from evolve.analysis import digest as digest_of
from evolve.analysis.digest import DIGEST_CHARS, EXAMPLE_CHARS, excerpt
from evolve.analysis.groups import FailureKind, ending
from evolve.core.records import Cause, Outcome, TrialResult, Usage
from evolve.trial import trajectory
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


def read(*trials: tuple[TrialResult, dict[str, Any]]) -> list[AnalysedTrial]:
    return analyse_trials(trials, task_labels(trial.task for trial, _ in trials))


def digest(trials: list[tuple[TrialResult, dict[str, Any]]], calls: int, change: TaskChanges | None = None) -> str:
    seen = read(*trials)
    return digest_of(Subject(seen, groups(seen, calls), change or TaskChanges()))


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


def test_tool_problems_are_counted() -> None:
    first = completion(None, tool_call("edit", "{oops", "1"), edit(2))
    answers = [
        {"role": "tool", "tool_call_id": "1", "content": "the text was NOT FOUND in a.py"},
        {"role": "tool", "tool_call_id": "call_2", "content": "Traceback ... [output truncated]"},
    ]
    history = [START, first["choices"][0]["message"], *answers]
    seen = features(document(chat_event([START], first), chat_event(history, completion("I give up"))))
    assert (seen.malformed_calls, seen.not_found, seen.cut_outputs, seen.plain_answers) == (1, 1, 1, 1)


def test_api_error_codes_are_listed() -> None:
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
        (result("c", 0.0, outcome=Outcome.BUDGET, detail="the budget of calls was spent"), document()),
        (result("d", 0.0, outcome=Outcome.BUDGET, detail="the budget of calls was spent"), document()),
    ]
    lines = digest(trials, 60).splitlines()
    assert lines[0] == "- 1 of 4 trials passed; 3 failed."
    spent = "ran out of budget of calls"
    assert f"- G1: 2 of 3 failed trials {spent} [tasks train-03 train-04; clearest train-03.0]" in lines
    assert "- G2: 1 of 3 failed trials ran out of time [tasks train-02; clearest train-02.0]" in lines


def test_the_digest_puts_the_commonest_weakness_first() -> None:
    guilty = document(asked(edit(1)), write_event("a.py"), run_event(TESTS, 1), *[asked(edit(9))] * 58)
    text = digest([(result("a", 0.0), guilty), (result("b", 0.0), guilty), (result("c", 0.0), document())], 60)
    patterns = text.partition("Patterns in the failed trials:")[2].splitlines()
    counts = [int(line.split()[2]) for line in patterns if "of 3 failed trials" in line]
    assert len(counts) > 2
    assert counts == sorted(counts, reverse=True)
    assert "2 of 3 failed trials spent the whole budget of model calls" in text
    assert "G1: 2 of 3 failed trials submitted although the tests failed" in text


def test_the_digest_only_counts_passed_trials() -> None:
    text = digest([(result("a", 1.0), document(asked(content="SECRET OF SUCCESS")))], 60)
    assert "SECRET" not in text
    assert "G1" not in text and "End of" not in text


def test_a_digest_of_no_trials() -> None:
    assert digest([], 60).startswith("- 0 of 0 trials passed; 0 failed.")


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
    lines = excerpt(read((result(), document(*events)))[0]).splitlines()
    assert [line[:7] for line in lines] == ["[user] ", "[agent]", "  -> ed", "  <- oo", "[agent]"]
    assert max(map(len, lines)) < EXAMPLE_CHARS + 40
    assert "START" in lines[1]
    assert "END" in lines[1]


FAILED_TEST = 'Traceback\n  File "/app/shop.py", line 3, in total\n  File "/usr/lib/python3.11/ast.py", line 5\n'
EDITED = (asked(edit(1)), write_event("a.py"))
ENDS = {
    FailureKind.CRASHED: (result("a", 0.0, outcome=Outcome.SCAFFOLD_ERROR), document(log="Traceback\nKeyError: 1")),
    FailureKind.CONTEXT: (
        result("a", 0.0),
        document(*EDITED, chat_event([START], error={"code": "context_length_exceeded", "status": 400, "message": ""})),
    ),
    FailureKind.RESOURCES: (result("a", 0.0, cause=Cause.OOM), document(*EDITED)),
    FailureKind.TIMEOUT: (result("a", 0.0, outcome=Outcome.TIMEOUT), document(*EDITED)),
    FailureKind.BUDGET: (result("a", 0.0, outcome=Outcome.BUDGET), document(*EDITED)),
    FailureKind.ERROR: (result("a", 0.0, outcome=Outcome.SCAFFOLD_ERROR), document(*EDITED)),
    FailureKind.NO_EDIT: (result("a", 0.0), document(run_event(TESTS, 1))),
    FailureKind.UNTESTED: (result("a", 0.0), document(*EDITED)),
    FailureKind.EDITED_LAST: (result("a", 0.0), document(run_event(TESTS, 0), *EDITED)),
    FailureKind.TESTS_FAILED: (result("a", 0.0), document(*EDITED, run_event(TESTS, 1))),
    FailureKind.WRONG: (result("a", 0.0), document(*EDITED, run_event(TESTS, 0))),
}


@pytest.mark.parametrize("kind", list(FailureKind))
def test_each_failed_trial_ends_in_one_way(kind: FailureKind) -> None:
    assert ending(read(ENDS[kind])[0]) is kind


def test_each_failed_trial_is_in_one_ending() -> None:
    trials = [
        (result(f"t{n}", 0.0, outcome=trial.outcome, cause=trial.cause), d)
        for n, (trial, d) in enumerate(ENDS.values())
    ]
    found = groups(read(*trials, (result("good"), document())), 60)
    assert sum(len(group.members) for group in found if group.exclusive) == len(ENDS)
    assert [group.id for group in found] == [f"G{n}" for n in range(1, len(found) + 1)]


@pytest.mark.parametrize(
    ("command", "edits"),
    [
        ("sed -i s/a/b/ x.py", 1),
        ("cat > x.py <<'E'\n1\nE", 1),
        ("echo 1 >> notes.txt", 1),
        ("git apply fix.patch", 1),
        ("python3 -m unittest 2>&1", 0),
        ("grep -rn total . 2>/dev/null", 0),
        ("ls >/dev/null", 0),
        ("sed -n 1,5p x.py", 0),
    ],
)
def test_commands_may_edit_files_too(command: str, edits: int) -> None:
    assert features(document(asked(), run_event(command))).edits == edits


@pytest.mark.parametrize("command", ["pytest -q", "python3 -m pytest", "make test", "cargo test", "npm run test"])
def test_test_runs_are_recognised(command: str) -> None:
    assert features(document(asked(), run_event(command))).test_runs == 1


@pytest.mark.parametrize(("path", "off"), [("shop.py", False), ("src/shop.py", False), ("other.py", True)])
def test_edits_of_files_that_no_traceback_names_are_seen(path: str, off: bool) -> None:
    seen = features(document(asked(edit(1)), run_event(TESTS, 1, FAILED_TEST), write_event(path)))
    assert seen.off_traceback is off


def test_an_edited_test_is_seen() -> None:
    assert features(document(asked(edit(1)), write_event("tests/test_shop.py"))).edited_tests
    assert not features(document(asked(edit(1)), write_event("latest.py"))).edited_tests


def rewards(task: str, *values: float) -> list[TrialResult]:
    return [result(task, value, attempt) for attempt, value in enumerate(values)]


def test_tasks_are_fixed_broken_or_unstable_by_shared_attempts() -> None:
    old = [*rewards("a", 0, 0), *rewards("b", 1, 1), *rewards("c", 1), *rewards("gone", 1), result("d", None)]
    new = [*rewards("a", 0, 1), *rewards("b", 0), *rewards("c", 1, 0), *rewards("d", 1)]
    assert task_changes(old, new) == TaskChanges(fixed=("a",), broken=("b",), unstable=("a", "c"))


def test_the_digest_reports_changes_and_token_use() -> None:
    text = digest([(result("a", 0.0), document(asked(edit(1))))], 60, TaskChanges(("train-01",), ("train-02",), ()))
    assert "- fixed: train-01" in text and "- broken: train-02" in text
    assert "failed trials took 100 % of 20 tokens" in text


def test_labels_are_stable_and_do_not_reveal_names() -> None:
    assert task_labels(["b", "a"]) == {"a": "train-01", "b": "train-02"}


def test_trials_can_be_read_from_any_step_on() -> None:
    shelf = Shelf(
        read((result("a", 0.0, 3), document(*[asked(edit(n), content=f"turn {n} {'x' * 1500}") for n in range(20)])))
    )
    text = shelf.steps("train-01.3")
    assert text.startswith("trial train-01.3, failed, ")
    assert "turn 0" in text and "(more from step " in text
    assert "turn 0" not in shelf.steps("train-01.3", 5) and "turn 5" in shelf.steps("train-01.3", 5)
    assert shelf.steps("train-09.0").startswith("error: there is no trial train-09.0; there are: train-01.3")


def test_search_covers_all_trials() -> None:
    said = {name: document(asked(edit(1), content=f"So I think about {name}")) for name in ("one", "two")}
    shelf = Shelf(read(*[(result(name, 0.0), seen) for name, seen in said.items()]))
    found = shelf.search("i THINK").splitlines()
    assert [line.partition(":")[0] for line in found] == ["train-01.0 step 2", "train-02.0 step 2"]
    assert "I think about one" in found[0]
    assert shelf.search("nowhere") == "no match in 2 trials"
    assert shelf.search("  ").startswith("error")


def test_a_group_points_to_its_clearest_trial() -> None:
    long, short = (document(*[asked(edit(n)) for n in range(count)]) for count in (9, 2))
    group = Group("G1", "words", tuple(read((result("a", 0.0), long), (result("b", 0.0), short))), True)
    assert group.clearest.reference == "train-02.0"
    assert group.tasks == ("train-01", "train-02")


def test_a_digest_says_what_trials_earned_where_that_is_more_than_all_or_nothing() -> None:
    failed = document(asked(content="Done."))
    text = digest([(result("far", 0.1), failed), (result("near", 0.8), failed), (result("done", 1.0), failed)], 10)
    assert "a trial earns a reward from 0 to 1, and their mean decides: 0.63; lowest: " in text
    assert text.index("0.10") < text.index("0.80") < text.index("1.00")
    assert "(failed, reward 0.10):" in text
    plain = digest([(result("far", 0.0), failed), (result("done", 1.0), failed)], 10)
    assert "reward" not in plain


def test_an_agent_that_runs_its_commands_itself_is_read_by_its_calls() -> None:
    calls = [
        tool_call("bash", {"command": "sed -i s/a/b/ code.py"}, "1"),
        tool_call("bash", {"command": TESTS}, "2"),
    ]
    first = chat_event([START], completion("", *calls))
    answer = first["response"]["choices"][0]["message"]
    results = [
        {"role": "tool", "tool_call_id": "1", "content": "<returncode>0</returncode>"},
        {"role": "tool", "tool_call_id": "2", "content": "FAILED\n<returncode>1</returncode>"},
    ]
    second = chat_event([START, answer, *results], completion("done"))
    state = {"kind": "state", "changes": [{"path": "code.py", "change": "modified", "text": "b"}]}
    found = features(document(first, second, state))
    assert (found.commands, found.test_runs, found.edits) == (2, 1, 1)
    assert found.tests_passed_at_end is False and not found.ended_after_edit
    assert features(document(first, second)).commands == 0
