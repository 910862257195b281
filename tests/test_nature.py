"""What differs by nature is taken out, and nothing else: every other difference between two outputs is seen."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from evolve.cli.measuring import print_replayed
from evolve.runs.replay import ReplayResult
from evolve.trial.comparison import Differences, differences
from evolve.trial.nature import Window, without_nature
from tests.fakes import chat_event, completion, run_event

THEN = Window.of("2026-11-29T19:57:40+00:00", 50)
NOW = Window.of("2027-03-02T08:04:10+00:00", 70)
MOMENT, LATER = datetime(2026, 11, 29, 19, 58, 5, 123456, UTC), datetime(2027, 3, 2, 8, 4, 59, 7, UTC)
FORMATS = (
    "%a %b %d %H:%M:%S UTC %Y", "%a %b %d %I:%M:%S %p UTC %Y", "%a %b %d %H:%M:%S %Y", "%b %d %H:%M",
    "%Y-%m-%d %H:%M:%S.%f000 +0000", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S.%f+00:00", "%Y-%m-%d %H:%M", "%Y-%m-%d",
    "%Y/%m/%d %H:%M:%S", "%a, %d %b %Y %H:%M:%S +0000", "%H:%M:%S", "%H:%M", "%H:%M:%S,%f",
)  # fmt: skip
EPOCHS = ("{:.0f}", "{:.3f}", "{:.6f}")
LS = """total 12
drwxr-xr-x 3 20001 20001  100 Jan  1  1970 .
drwxr-xr-x 1 root  root  4096 {now} ..
-rw-r--r-- 1 20001 20001 {size} Jan  1  1970 main.py
"""
STAT = """  File: .
  Size: 100       \tBlocks: 0          IO Block: 4096   directory
Device: {device}\tInode: {inode}           Links: {links}
Access: (0755/drwxr-xr-x)  Uid: ({uid}/ UNKNOWN)   Gid: ({uid}/ UNKNOWN)
Access: {now}
Modify: 2020-01-01 00:00:00.000000000 +0000
Change: {now}
 Birth: -
"""
PS = """USER         PID %CPU %MEM    VSZ   RSS TTY      STAT START   TIME COMMAND
nobody         1  0.0  0.0   2576   900 ?        Ss   {clock}   0:00 sh -c x
{uid}  {pid}  {cpu}  0.0   2576   {rss} ?        S    {clock}   0:00 {command}
"""


def texts(moment: datetime) -> list[str]:
    return [moment.strftime(form) for form in FORMATS] + [form.format(moment.timestamp()) for form in EPOCHS]


def compared(old: str, new: str) -> Differences:
    return differences([run_event("x", stdout=old)], [run_event("x", stdout=new)], THEN, NOW)


@pytest.mark.parametrize(("old", "new"), [*zip(texts(MOMENT), texts(LATER), strict=True)])
def test_the_present_time_differs_by_nature_in_every_form(old: str, new: str) -> None:
    for form in ("{}", "at {}.", "[{}] started", "a\n{}\nb", '{{"out": "x\\n{}\\n"}}', "\t{} x"):
        assert compared(form.format(old), form.format(new)) == Differences(None, ("step 1 `x`",)), form


@pytest.mark.parametrize("index", range(len(FORMATS) + len(EPOCHS)))
@given(st.integers(2 * 86400, 900 * 86400), st.booleans())
def test_another_time_is_compared(index: int, seconds: int, before: bool) -> None:
    other = MOMENT + timedelta(seconds=-seconds if before else seconds, minutes=3)
    text = texts(other)[index]
    if index not in (3, *range(11, 14)):
        assert without_nature(text, THEN) == text
    assert compared(text, texts(LATER)[index]).first == 1 or index in (3, *range(11, 14))


@given(st.integers(0, 23), st.integers(0, 59))
def test_a_clock_of_another_minute_is_compared(hour: int, minute: int) -> None:
    assume((hour, minute) not in [(19, 57), (19, 58)])
    text = f"opens at {hour:02}:{minute:02}"
    assert without_nature(text, THEN) == text


@given(st.text(alphabet=st.characters(exclude_categories=["Nd"])))
def test_a_text_without_digits_stays(text: str) -> None:
    assume("PID" not in text)
    assert without_nature(text, THEN) == text


@given(st.integers(0, 999_999_999), st.integers(0, 999_999_999), st.sampled_from(["", "took {}", "{} passed", "-{}.5"]))
def test_numbers_are_compared(one: int, other: int, form: str) -> None:
    old, new = ((form or "{}").format(number) for number in (one, other))
    assert (compared(old, new).first == 1) is (one != other)


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_what_stands_beside_a_time_is_compared(before: str, one: str, other: str) -> None:
    assume(without_nature(one, THEN) != without_nature(other, NOW) and one.split() != other.split())
    now, later = "2026-11-29T19:58:05Z", "2027-03-02T08:04:59Z"
    assert compared(f"{before} {now} {one}", f"{before} {later} {other}").first == 1


def listing(now: str, size: int = 90) -> str:
    return LS.format(now=now, size=size)


def state(now: str, **changes: Any) -> str:
    return STAT.format(**{"now": now, "device": "0,57", "inode": 1, "links": 3, "uid": 20001} | changes)


def processes(clock: str, **changes: Any) -> str:
    return PS.format(**{"clock": clock, "pid": 41, "cpu": 0.1, "rss": 900, "uid": 20001, "command": "ps aux"} | changes)


STATED, RESTATED = "2026-11-29 19:57:59.123456789 +0000", "2027-03-02 08:04:20.000000001 +0000"
PAIRS = [
    (listing("Nov 29 19:57"), listing("Mar  2 08:04")),
    (listing("Nov 29 19:57"), listing("Mar  2 08:04").replace("20001", "31007")),
    (state(STATED), state(RESTATED, device="4bh/75d", inode=7, uid=31007)),
    (processes("19:57"), processes("08:04", pid=7, cpu=12.5, rss=1016, uid=31007)),
    (processes("19:57", command="/tmp/.c0941c14ab90e990/sh"), processes("08:04", command="/tmp/.a71f4f9b3c19b859/sh")),
    ("real\t0m0.005s", "real\t0m0.171s"),
    ("[1] 57", "[1] 8"),
    ("done in 12 ms", "done in 7 ms"),
    ("1234 -rw-r--r-- 1 root root 5 Jan  1  1970 x", "77 -rw-r--r-- 1 root root 5 Jan  1  1970 x"),
]


@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_listings_tables_and_durations_differ_by_nature(old: str, new: str) -> None:
    assert compared(old, new) == Differences(None, ("step 1 `x`",))
    assert compared(json.dumps(old), json.dumps(new)).first is None
    assert compared(old, old.replace(old, new)).by_nature


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (listing("Nov 29 19:57"), listing("Mar  2 08:04", size=91)),
        (listing("Nov 29 19:57"), listing("Mar  2 09:04")),
        (listing("Nov 29 19:57"), listing("Mar  2 08:04").replace("Jan  1  1970 main", "Jan  2  1970 main")),
        (listing("Nov 29 19:57"), listing("Mar  2 08:04").replace("main.py", "main.rb")),
        (listing("Nov 29 19:57"), listing("Mar  2 08:04").replace("-rw-r--r--", "-rwxr--r--")),
        (state(STATED), state(RESTATED, links=4)),
        (state(STATED), state(RESTATED).replace("0755/drwxr-xr-x", "0700/drwx------")),
        (state(STATED), state(RESTATED).replace("2020-01-01", "2020-01-02")),
        (processes("19:57"), processes("08:04", command="ps au")),
        (processes("19:57"), processes("08:04").replace("nobody", "daemon")),
        (processes("19:57"), processes("08:04").replace(" S ", " Z ")),
        (processes("19:57"), processes("08:04") + "20001 50 0.0 0.0 1 1 ? S 08:04 0:00 sleep 9\n"),
        (processes("19:57"), processes("08:04") + "\n41 42\n"),
        ("3 passed in 12 ms", "2 passed in 12 ms"),
        ("pid 41", "pid 42"),
        ("exit 137", "exit 0"),
        ("1970-01-01", "1970-01-02"),
        ("2026-11-29T19:58:05Z", "2026-11-29T19:58:05Z and more"),
    ],
)
def test_other_differences_beside_them_are_seen(old: str, new: str) -> None:
    assert compared(old, new).first == 1


def test_a_recording_names_the_commands_whose_output_differs_by_nature() -> None:
    def events(when: str, answer: str = "ok") -> list[dict[str, Any]]:
        return [
            chat_event([{"role": "user", "content": "go"}], completion("date")),
            run_event("date  -u", stdout=f"{when}\n"),
            chat_event([{"role": "tool", "content": f"<out>{when}</out>"}], completion("done")),
            run_event("true", stdout=answer),
        ]

    old, new = events("Sun Nov 29 19:57:59 UTC 2026"), events("Tue Mar  2 08:04:30 UTC 2027")
    assert differences(old, new, THEN, NOW) == Differences(None, ("step 2 `date -u`",))
    assert differences(old, old, THEN, THEN) == Differences(None)
    assert differences(old, events("Tue Mar  2 08:04:30 UTC 2027", "no"), THEN, NOW) == Differences(
        4, ("step 2 `date -u`",)
    )
    assert differences(old[2:3], new[2:3], THEN, NOW) == Differences(None, ("step 1 chat",))
    assert differences(old, new[:3], THEN, NOW).first == 4 and differences(old[:3], new, THEN, NOW).first == 4


def test_the_command_line_names_what_differs_by_nature(capsys: pytest.CaptureFixture[str]) -> None:
    same = ReplayResult("a", 0, 1.0, 1.0, "", ("step 2 `date -u`", "step 4 `ps`"))
    assert print_replayed([same], as_json=False) == 0
    assert capsys.readouterr().out.splitlines() == [
        "a, attempt 0: differs by nature: step 2 `date -u`, step 4 `ps`",
        "1 of 1 trials identical",
    ]
    assert print_replayed([replace(same, divergence="step 5 differs: run: stdout")], as_json=True) == 1
    [row] = json.loads(capsys.readouterr().out)
    assert row["by_nature"] == ["step 2 `date -u`", "step 4 `ps`"] and row["identical"] is False
