"""Trajectories in ATIF, and the recordings behind them."""

from __future__ import annotations

import gzip
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolve.analysis import Shelf, Subject, analyse_trials, digest, groups, task_labels
from evolve.analysis.features import features
from evolve.core.errors import InfraError
from evolve.core.records import ModelSpec, StoredFile, Usage
from evolve.llm.usage import usage_of
from evolve.trial.comparison import first_difference, normalise
from evolve.trial.recording import TIME_FIELDS
from evolve.trial.trajectory import NO_REQUEST, build, is_intact, load, store
from tests import fakes
from tests.atif import check_trajectory
from tests.fakes import chat_event, completion, run_event, tool_call, trial_spec, write_event
from tests.test_gateway_limits import HOSTILE_MESSAGE, JSON

SYSTEM = {"role": "system", "content": "You mend."}
USER = {"role": "user", "content": "Mend it."}
SHELL_TOOL = {"type": "function", "function": {"name": "shell", "parameters": {"type": "object"}}}
PRICED = ModelSpec("scripted", prompt_price=1.0, completion_price=2.0)


def message_of(answer: dict[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = answer["choices"][0]["message"]
    return message


def with_tools(event: dict[str, Any], tools: object) -> dict[str, Any]:
    return {**event, "request": {**event["request"], "tools": tools}}


def timed(event: dict[str, Any], second: int, seconds: int = 1) -> dict[str, Any]:
    """The event as a recording of this version has it."""
    times = [f"2026-11-23T21:44:{at:02}.000000+00:00" for at in (second, second + seconds)]
    return {**event, **dict(zip(TIME_FIELDS, times, strict=True))}


def tool_answer(call_id: str, content: str = "done") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": content}


def steps_of(*events: dict[str, Any]) -> list[dict[str, Any]]:
    document = build(trial_spec(), events, Usage(2, 30, 12, 0.5, 1), "log")
    check_trajectory(document)
    steps: list[dict[str, Any]] = document["steps"]
    return steps


def test_a_conversation_becomes_steps() -> None:
    first = completion(None, tool_call("run_tests", {"quiet": True}))
    history = [SYSTEM, USER, message_of(first), tool_answer("call_1", "1 failed")]
    steps = steps_of(chat_event([SYSTEM, USER], first), chat_event(history, completion("Done.")))
    assert [step["source"] for step in steps] == ["system", "user", "agent", "agent"]
    call = {"tool_call_id": "call_1", "function_name": "run_tests", "arguments": {"quiet": True}}
    assert steps[2]["tool_calls"] == [call]
    assert steps[2]["observation"] == {"results": [{"source_call_id": "call_1", "content": "1 failed"}]}
    assert steps[2]["metrics"] == {"prompt_tokens": 10, "completion_tokens": 10}
    assert steps[3]["message"] == "Done."
    assert [step.get("llm_call_count", 0) for step in steps] == [0, 0, 1, 1]


def test_the_document_says_what_was_run_and_spent() -> None:
    document = build(trial_spec(), [], Usage(2, 30, 12, 0.5, 1), "the log")
    check_trajectory(document)
    assert document["session_id"] == "20261123-2144-quiet-otter/cccccccccccc-alpha-0"
    assert document["final_metrics"]["total_prompt_tokens"] == 30
    assert document["final_metrics"]["total_cost_usd"] == 0.5
    assert (document["extra"]["task"], document["extra"]["log"]) == ("alpha", "the log")


def test_a_trial_without_a_request_is_one_step_that_says_so() -> None:
    assert steps_of() == [{"step_id": 1, "source": "system", "message": NO_REQUEST}]


def test_steps_have_the_times_at_which_messages_came_and_answers_went() -> None:
    answer = completion("Done.")
    first, second = timed(chat_event([SYSTEM, USER], answer), 1), timed(chat_event([USER], error={"code": "c"}), 5)
    steps = steps_of(timed(run_event("ls"), 0), first, second)
    seconds = [step["timestamp"][17:19] for step in steps]
    assert list(zip([step["source"] for step in steps], seconds, strict=True)) == [
        ("system", "00"), ("system", "01"), ("user", "01"), ("agent", "02"), ("user", "05"), ("system", "06"),
    ]  # fmt: skip


def test_recordings_of_earlier_versions_have_no_times() -> None:
    assert not any("timestamp" in step for step in steps_of(run_event("ls"), chat_event([USER], completion())))


def test_times_are_no_difference_between_a_recording_and_its_replay() -> None:
    events = [chat_event([USER], completion()), run_event("ls"), write_event("a")]
    later, earlier = ([timed(event, at) for event in events] for at in (9, 1))
    assert first_difference(events, later) is None and first_difference(later, events) is None
    assert first_difference(earlier, later) is None
    overlapping = [[{**event, "arrival": n} for n, event in enumerate(side)] for side in (later, events[::-1])]
    assert first_difference(*overlapping) is None


@pytest.mark.parametrize(
    ("model", "usage", "costs", "total"),
    [
        (PRICED, {}, [3e-5, 3e-5], 6e-5),
        (replace(PRICED, prompt_price=0.0, completion_price=0.0), {}, [0.0, 0.0], 0.0),
        (ModelSpec("scripted"), {}, [None, None], None),
        (replace(PRICED, prompt_price=None), {}, [None, None], None),
        (ModelSpec("scripted"), {"cost": 0.25}, [0.25, None], None),
        (PRICED, {"cost": 0.25}, [0.25, 3e-5], 0.25003),
    ],
    ids=["prices", "free", "no prices", "half a price", "one reported", "one reported, prices"],
)
def test_an_unknown_cost_is_left_out(
    model: ModelSpec, usage: dict[str, float], costs: list[float | None], total: float | None
) -> None:
    first = completion("a")
    first["usage"] |= usage
    events = [chat_event([USER], first), chat_event([USER], completion("b"))]
    spent = sum((usage_of(event["response"], model, event["request"]) for event in events), Usage())
    document = build(trial_spec(model=model), events, spent, "")
    check_trajectory(document)
    found = [step["metrics"].get("cost_usd") for step in document["steps"] if step["source"] == "agent"]
    assert found == [cost if cost is None else pytest.approx(cost) for cost in costs]
    assert document["final_metrics"].get("total_cost_usd") == (total if total is None else pytest.approx(total))


def test_costs_and_cached_tokens_leave_the_digest_of_failures_alone() -> None:
    answer = completion("a")
    answer["usage"] |= {"prompt_tokens_details": {"cached_tokens": 4}}
    document = build(trial_spec(model=PRICED), [timed(chat_event([USER], answer), 1)], Usage(1, 10, 10), "")
    assert {"cost_usd", "cached_tokens"} <= set(document["steps"][1]["metrics"])
    assert features(document).tokens == 20


def test_every_offered_tool_is_defined_once() -> None:
    other = {"type": "function", "function": {"name": "edit"}}
    events = [with_tools(chat_event([USER], completion()), tools) for tools in ([SHELL_TOOL], [other, SHELL_TOOL], [])]
    events[2]["request"]["functions"] = [{"name": "old"}, "junk"]
    agent = build(trial_spec(), events, Usage(), "")["agent"]
    assert agent["tool_definitions"] == [SHELL_TOOL, other, {"type": "function", "function": {"name": "old"}}]
    assert "tool_definitions" not in build(trial_spec(), [chat_event([USER], completion())], Usage(), "")["agent"]


def test_commands_stand_with_the_step_that_they_followed() -> None:
    steps = steps_of(run_event("ls"), chat_event([USER], completion()), write_event("a"), run_event("pwd"))
    assert [step["source"] for step in steps] == ["system", "user", "agent"]
    commands = [[event["kind"] for event in step.get("extra", {}).get("commands", [])] for step in steps]
    assert commands == [["run"], [], ["write", "run"]]


def test_fields_that_a_client_adds_or_drops_do_not_repeat_a_message() -> None:
    first = completion("hello")
    echoed: dict[str, Any] = {"role": "assistant", "content": "hello", "refusal": None, "tool_calls": []}
    steps = steps_of(chat_event([USER], first), chat_event([USER, echoed, USER], completion("again")))
    assert [step["message"] for step in steps] == ["Mend it.", "hello", "Mend it.", "again"]


def test_a_rewritten_history_is_marked_as_copied() -> None:
    summary = {"role": "user", "content": "So far: nothing."}
    claimed = {"role": "assistant", "content": "I see."}
    steps = steps_of(chat_event([USER], completion()), chat_event([summary, claimed], completion("on")))
    assert [step.get("is_copied_context", False) for step in steps] == [False, False, False, True, False]


def test_an_answer_to_no_call_stands_as_a_users_message() -> None:
    assert [step["source"] for step in steps_of(chat_event([tool_answer("ghost")], completion()))] == [
        "user",
        "agent",
    ]


def test_call_ids_used_twice_belong_to_the_later_step() -> None:
    one, two = completion(None, tool_call("a", {})), completion(None, tool_call("b", {}))
    history = [USER, message_of(one), tool_answer("call_1", "first")]
    longer = [*history, message_of(two), tool_answer("call_1", "second")]
    steps = steps_of(chat_event([USER], one), chat_event(history, two), chat_event(longer, completion()))
    assert [step["observation"]["results"][0]["content"] for step in steps[1:3]] == ["first", "second"]


def test_a_refused_request_is_a_step_of_the_system() -> None:
    error = {"status": 400, "code": "context_length_exceeded", "message": "too long"}
    steps = steps_of(chat_event([USER], error=error), chat_event([USER], completion()))
    assert [step["source"] for step in steps] == ["user", "system", "agent"]
    assert steps[1]["extra"]["error"] == error


@pytest.mark.parametrize("text", ['{"a": NaN}', '{"a": [-1e999]}', "{oops", "[1]", "", "null", "[" * 100_000])
def test_arguments_that_are_no_object_are_kept_as_text(text: str) -> None:
    steps = steps_of(chat_event([USER], completion(None, tool_call("edit", text))))
    assert steps[1]["tool_calls"][0]["arguments"] == {"malformed": text}


def test_deep_arguments_are_kept_as_text_and_can_be_stored(tmp_path: Path) -> None:
    text = '{"a": ' + "[" * 900 + "]" * 900 + "}"
    steps = steps_of(chat_event([USER], completion(None, tool_call("edit", text))))
    assert steps[1]["tool_calls"][0]["arguments"] == {"malformed": text}
    store(tmp_path / "a.gz", tmp_path, steps)


def test_many_answers_to_no_call_are_read_in_little_time() -> None:
    calls = [tool_call("a", {}, f"c{number}") for number in range(1000)]
    flood = [tool_answer(f"ghost{number}") for number in range(30_000)]
    started = time.monotonic()
    document = build(
        trial_spec(), [chat_event([USER], completion(None, *calls)), chat_event(flood, completion())], Usage(), ""
    )
    assert len(document["steps"]) > 30_000
    assert time.monotonic() - started < 5


@settings(max_examples=80, deadline=None)
@given(st.lists(st.lists(HOSTILE_MESSAGE | JSON, max_size=4), max_size=3))
def test_no_request_breaks_the_trajectory_or_its_digest(requests: list[list[Any]]) -> None:
    events = [chat_event(messages, completion(None, tool_call("edit", "{}"))) for messages in requests]
    document = build(trial_spec(), events, Usage(), "Traceback\n\x1b[31m")
    check_trajectory(document)
    read = analyse_trials([(fakes.result(reward=0.0), document)] * 3, task_labels(["alpha"]))
    digest(Subject(read, groups(read, 80)))
    Shelf(read).search("e") and Shelf(read).steps("train-01.0")


def test_odd_messages_do_no_harm() -> None:
    parts = [{"type": "text", "text": "hé"}]
    steps = steps_of(chat_event(["junk", {"role": "user", "content": parts}, {}], completion(None)))  # type: ignore[list-item]
    assert [step["message"] for step in steps] == [json.dumps(parts, ensure_ascii=False), "", ""]


TEXTS = st.none() | st.text(max_size=5) | st.just([{"type": "text", "text": "x"}])
CALLS = st.lists(
    st.builds(tool_call, st.sampled_from("ab"), st.text("{}1", max_size=3), st.sampled_from("xyz")),
    max_size=2,
)
MESSAGES = st.one_of(
    st.fixed_dictionaries({"role": st.sampled_from(["system", "developer", "user", "assistant"]), "content": TEXTS}),
    st.builds(tool_answer, st.sampled_from("xyz"), st.text(max_size=3)),
)
ERRORS = st.just({"status": 400, "code": "c", "message": "m"})
TIMES = st.just({}) | st.fixed_dictionaries(
    {name: st.datetimes().map(lambda at: f"{at.isoformat(timespec='microseconds')}+00:00") for name in TIME_FIELDS}
)
TOOLS = st.sampled_from([None, [], [SHELL_TOOL, 3], "junk", [SHELL_TOOL, {"type": "function"}]])
CHATS = st.one_of(
    st.builds(
        lambda messages, content, calls, times, tools: with_tools(
            chat_event(messages, completion(content, *calls), **times), tools
        ),
        st.lists(MESSAGES, max_size=4), TEXTS, CALLS, TIMES, TOOLS,
    ),
    st.builds(lambda messages, error: chat_event(messages, error=error), st.lists(MESSAGES), ERRORS),
)  # fmt: skip
EVENTS = st.lists(st.one_of(CHATS, st.just(run_event("ls")), st.just(write_event("a"))), max_size=6)


@settings(max_examples=60, deadline=None)
@given(EVENTS)
def test_any_recording_becomes_valid_atif(events: list[dict[str, Any]]) -> None:
    steps = [step for step in steps_of(*events) if step["message"] != NO_REQUEST]
    chats = [event for event in events if event["kind"] == "chat" and "response" in event]
    assert sum(step.get("llm_call_count", 0) for step in steps) == len(chats)
    commands = [c for step in steps for c in step.get("extra", {}).get("commands", [])]
    assert commands == [event for event in events if event["kind"] != "chat"]


@settings(max_examples=40, deadline=None)
@given(EVENTS, st.integers(0, 5))
def test_the_first_difference_is_found(events: list[dict[str, Any]], at: int) -> None:
    assert first_difference(events, json.loads(json.dumps(events))) is None
    other = [*events[:at], {"kind": "other"}, *events[at:]]
    assert first_difference(events, other) == min(at, len(events)) + 1
    assert first_difference(other, events) == min(at, len(events)) + 1


def test_durations_and_addresses_are_no_difference() -> None:
    one = run_event("t", stdout="Ran 3 tests in 0.012s\n<Fox at 0x7f65a7187f10>")
    same = run_event("t", stdout="Ran 3 tests in 1.500s\n<Fox at 0x7f65a0000000>")
    other = run_event("t", stdout="Ran 4 tests in 0.012s\n<Fox at 0x7f65a7187f10>")
    assert first_difference([one], [same]) is None
    assert first_difference([one, one], [one, other]) == 2


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("took 1.25 s", "took <seconds>"),
        ("2.0 seconds and 3.5sec", "<seconds> and <seconds>"),
        ("version 1.2", "version 1.2"),
        ("0x1f", "0x1f"),
        ("at 0xdeadbeef.", "at <address>."),
        ("Chunk ID: 1979d9\nWall time: 0.0120 seconds\n", "Chunk ID: <id>\nWall time: <seconds>\n"),
        ("Signal: (none)\nProcess Group PGID: 76", "Signal: (none)\nProcess Group PGID: <id>"),
        ("Chunk ID: 1979d9ff", "Chunk ID: 1979d9ff"),
        ("uid=31234 gid=31234 groups=31234", "uid=<id> gid=<id> groups=<id>"),
        ("total 4\n-rw-r--r-- 1 31234 31234 12 Nov", "total 4\n-rw-r--r-- 1 <id> <id> 12 Nov"),
        ("drwxr-xr-x 2 root root 40 Nov", "drwxr-xr-x 2 root root 40 Nov"),
        ("31234 lines", "31234 lines"),
    ],
)
def test_what_is_normalised(text: str, left: str) -> None:
    assert normalise({"a": [text, (1, None)]}) == {"a": [left, [1, None]]}
    assert normalise(left) == left


def test_a_stored_file_comes_back_and_its_bytes_are_told(tmp_path: Path) -> None:
    lines: list[dict[str, Any]] = [{"text": "é\n\u2028 \ud800"}, {}, {"n": [1, None]}]
    file = store(tmp_path / "run" / "trials" / "a.jsonl.gz", tmp_path, lines)
    assert file.path == "run/trials/a.jsonl.gz"
    assert load(tmp_path / file.path) == lines
    assert is_intact(file, tmp_path)
    assert store(tmp_path / "b.gz", tmp_path, lines).sha256 == file.sha256
    assert [path.name for path in (tmp_path / "run" / "trials").iterdir()] == ["a.jsonl.gz"]


def test_a_file_that_was_changed_or_lost_is_not_intact(tmp_path: Path) -> None:
    file = store(tmp_path / "a.gz", tmp_path, [{"a": 1}])
    assert not is_intact(StoredFile("gone.gz", file.sha256), tmp_path)
    (tmp_path / "a.gz").write_bytes((tmp_path / "a.gz").read_bytes() + b"\0")
    assert not is_intact(file, tmp_path)


@pytest.mark.parametrize(
    "data",
    [
        None,
        b"",
        b"not compressed",
        gzip.compress(b"{oops"),
        gzip.compress(b"\xff\xfe"),
        gzip.compress(b'{"a": 1}')[:-9],
    ],
    ids=["missing", "empty", "not compressed", "not JSON", "not UTF-8", "cut off"],
)
def test_a_file_that_cannot_be_read_is_a_fault_of_the_machine(tmp_path: Path, data: bytes | None) -> None:
    file = tmp_path / "a.gz"
    if data is not None:
        file.write_bytes(data)
    with pytest.raises(InfraError, match=r"a\.gz"):
        load(file)


@pytest.mark.parametrize(
    "change",
    [
        {"reasoning_content": None},
        {"content": [{"type": "text", "text": "Look.", "cache_control": {"type": "ephemeral"}}]},
        {"tool_calls": [tool_call("look", '{ "at":1 }')]},
    ],
)
def test_an_answer_that_comes_back_spelt_anew_is_no_new_step(change: dict[str, Any]) -> None:
    answer = completion("Look.", tool_call("look", '{"at": 1}'))
    answer["choices"][0]["message"]["reasoning_content"] = "hm"
    again = [USER, {**answer["choices"][0]["message"], **change}, tool_answer("call_1")]
    document = build(trial_spec(), [chat_event([USER], answer), chat_event(again, completion())], Usage(), "")
    assert [step["source"] for step in document["steps"]] == ["user", "agent", "agent"]
    other = [USER, {**answer["choices"][0]["message"], "content": "Else."}, tool_answer("call_1")]
    document = build(trial_spec(), [chat_event([USER], answer), chat_event(other, completion())], Usage(), "")
    assert [step.get("is_copied_context", False) for step in document["steps"]] == [False, False, True, False]
