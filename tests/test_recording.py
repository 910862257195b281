"""The recording of a running trial: its size is that of its file, and outputs are in it byte for byte."""

from __future__ import annotations

import base64
import json
import pickle
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.core.clock import Timeline
from evolve.core.records import Usage
from evolve.trial import room, trajectory
from evolve.trial.comparison import first_difference
from evolve.trial.recording import TIME_FIELDS, Recording, encode_line, output_bytes, output_fields
from tests.fakes import completion, trial_spec
from tests.test_gateway import call, chat, serving

TEXT = st.text() | st.text('\0\x1f"\\🦊漢é\ud800', max_size=30)
EVENTS = st.lists(st.dictionaries(TEXT, TEXT | st.integers() | st.lists(TEXT, max_size=3), max_size=3), max_size=4)


@given(EVENTS)
def test_events_come_back_and_their_bytes_are_counted(events: list[dict[str, Any]]) -> None:
    recording = Recording()
    sizes = [recording.append(event) for event in events]
    assert list(recording) == events and recording == events and recording[:1] == events[:1]
    assert sum(sizes) == sum(map(len, recording.lines())) == sum(len(encode_line(event)) for event in events)
    assert pickle.loads(pickle.dumps(recording)) == events


@given(events=EVENTS)
def test_a_stored_file_holds_the_lines(tmp_path_factory: pytest.TempPathFactory, events: list[dict[str, Any]]) -> None:
    folder = tmp_path_factory.mktemp("stored")
    stored = trajectory.store(folder / "a.gz", folder, Recording(events))
    assert stored.sha256 == trajectory.store(folder / "b.gz", folder, events).sha256
    assert trajectory.load(folder / "a.gz") == events if events else True
    assert trajectory.is_intact(stored, folder)


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_any_output_comes_back(stdout: bytes, stderr: bytes) -> None:
    event = json.loads(json.dumps(output_fields(stdout, stderr)))
    assert (output_bytes(event, "stdout"), output_bytes(event, "stderr")) == (stdout, stderr)


def test_plain_text_needs_no_second_field() -> None:
    assert output_fields(b"ok \xe2\x9c\x93", b"\xef\xbf\xbd") == {"stdout": "ok ✓", "stderr": "\ufffd"}


def test_output_that_is_not_utf8_is_recorded_and_answered_as_text(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        status, answer = call(served, "/evolve/run", {"command": "printf 'a\\377b'; printf '\\300' >&2"})
    assert status == 200 and set(answer) == {"exit_code", "stdout", "stderr", "timed_out", "truncated"}
    assert (answer["stdout"], answer["stderr"]) == ("a\ufffdb", "\ufffd")
    (event,) = served.events
    assert output_bytes(event, "stdout") == b"a\xffb" and output_bytes(event, "stderr") == b"\xc0"


def run_event(stdout: bytes, **more: Any) -> dict[str, Any]:
    return {"kind": "run", "command": "c", "exit_code": 0, **output_fields(stdout, b""), **more}


def test_a_replay_compares_the_bytes() -> None:
    assert first_difference([run_event(b"a\xff")], [run_event(b"a\xff")]) is None
    assert first_difference([run_event(b"a\xff")], [run_event(b"a\xfe")]) == 1
    assert first_difference([run_event(b"\xff in 0.12s")], [run_event(b"\xff in 0.34s")]) is None
    assert first_difference([run_event(b"ok")], [run_event(b"ok\xff")]) == 1


def test_a_recording_of_an_earlier_version_is_compared_by_its_text() -> None:
    old = {key: value for key, value in run_event(b"a\xff").items() if not key.endswith("base64")}
    assert first_difference([old], [run_event(b"a\xff")]) is None
    assert first_difference([old], [run_event(b"b\xff")]) == 1


def test_a_trajectory_shows_the_text_alone() -> None:
    event = run_event(b"a\xff")
    assert base64.b64decode(event["stdout_base64"]) == b"a\xff"
    (step,) = trajectory.build(trial_spec(), [event], Usage(), "")["steps"]
    assert step["extra"]["commands"] == [{k: v for k, v in event.items() if k != "stdout_base64"}]


def chat_event(*texts: str) -> dict[str, Any]:
    return {
        "kind": "chat",
        "request": {"messages": [{"role": "user", "content": text} for text in texts]},
        "response": completion("answer " + "y" * 5000),
    }


def test_a_trajectory_is_bounded_however_the_history_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MAX_TEXT", 100_000)
    events = [chat_event(f"{number}" + "x" * 20_000, *["z"] * 50) for number in range(60)]
    events += [run_event(b"w" * 60_000) for _ in range(60)]
    document = trajectory.build(trial_spec(), events, Usage(), "")
    assert len(json.dumps(document)) < 100_000 + 120 * 4 * room.CUT_CHARS
    texts = [str(step.get("message")) for step in document["steps"]]
    assert room.LEFT_OUT in texts and sum("answer" in text for text in texts) == 60


def test_sizes_are_bytes_as_stored(tmp_path: Path) -> None:
    with serving(tmp_path, usd=100) as served:
        chat(served, messages=[{"role": "user", "content": "🦊" * 1000}])
        call(served, "/evolve/run", {"command": "head -c 1000 /dev/zero"})
    without_times = [{k: v for k, v in event.items() if k not in TIME_FIELDS} for event in served.events]
    assert served.budget.recorded == sum(len(encode_line(event)) for event in without_times) > 4000 + 6000


def test_times_are_recorded_and_take_nothing_of_what_a_trial_may_store(tmp_path: Path) -> None:
    recording, event = Recording(), run_event(b"x")
    times = [Timeline.start().at(time.monotonic() + seconds) for seconds in (0.0, 0.5)]
    assert recording.append(event, times) == len(encode_line(event)) == recording.append(event)
    assert recording[0] == {**event, **dict(zip(TIME_FIELDS, times, strict=True))} and recording[1] == event


def test_a_gateway_records_when_requests_came_and_were_answered(tmp_path: Path) -> None:
    before = datetime.now(UTC)
    with serving(tmp_path) as served:
        chat(served)
        call(served, "/evolve/run", {"command": "sleep 0.2"})
    (asked, answered), (started, ended) = (
        [datetime.fromisoformat(event[name]) for name in TIME_FIELDS] for event in served.events
    )
    assert before <= asked <= answered <= started <= datetime.now(UTC)
    assert timedelta(seconds=0.2) <= ended - started < timedelta(seconds=60)


def test_a_calendar_that_jumps_does_not_move_the_times() -> None:
    timeline = Timeline(datetime(2026, 11, 23, 21, 44, tzinfo=UTC), 100.0)
    assert [timeline.at(moment) for moment in (100.0, 160.25)] == [
        "2026-11-23T21:44:00.000000+00:00",
        "2026-11-23T21:45:00.250000+00:00",
    ]
