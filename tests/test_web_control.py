"""Pause, stop and resume from the pages: with a process that holds a run's lock, and with one that is only started."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from evolve.core.caps import Caps
from evolve.core.errors import BadInput
from evolve.host import platform
from evolve.host.holders import Holder, holder_of
from evolve.runs import control
from evolve.runs.control import Action, Resumption, RunState, Situation, StopRequest
from evolve.store import EndRow, SessionRow, Store
from tests.paged import RUN, store_paged
from tests.webbed import BASE, KEYS, client

HERE = os.uname().nodename
SECONDS = 60
# Holds a run's lock as a run does, says each signal that it gets, and ends with its input.
WORKER = """
import signal, sys
from filelock import FileLock
signal.signal(signal.SIGINT, lambda *_: print("interrupted", flush=True))
if "ignoring" in sys.argv: signal.signal(signal.SIGINT, signal.SIG_IGN)
lock = FileLock(sys.argv[1])
lock.acquire()
print("ready", flush=True)
sys.stdin.read()
"""
EVOLVE = "import json, os, sys; print(json.dumps([sys.argv[1:], os.getcwd(), os.getsid(0) == os.getpid()]), flush=True)"


@contextmanager
def working(lock: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    lock.parent.mkdir(exist_ok=True)
    command = [sys.executable, "-c", WORKER, str(lock), *words]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.communicate(timeout=SECONDS)


def heard(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    store_paged(folder)
    (folder / RUN).mkdir(exist_ok=True)
    return folder


@pytest.fixture
def pages(runs: Path) -> TestClient:
    return client(runs)


def begin_session(runs: Path, pid: int, host: str = HERE) -> None:
    caps = json.dumps(asdict(Caps(usd=2.5, trials=40)))
    row = SessionRow("2027-01-01T00:00:00+00:00", "0.1", host, pid, caps)
    with Store.open(runs / "evolve.db") as store:
        store.start_session(RUN, row)


def act(pages: TestClient, action: str, **values: str) -> tuple[int, str]:
    form = {"form_token": KEYS.form, **values}
    answer = pages.post(f"/runs/{RUN}/control/{action}", data=form, headers={"origin": BASE})
    return answer.status_code, answer.text


def test_the_holder_of_a_lock_is_found_without_trying_it(tmp_path: Path) -> None:
    lock = tmp_path / "run" / "lock"
    assert holder_of(lock) is None
    with working(lock) as process:
        assert holder_of(lock) == Holder(process.pid, platform.process_start(process.pid) or 0)
        assert holder_of(tmp_path) is None
    assert lock.exists() and holder_of(lock) is None


def test_a_file_that_is_only_open_has_no_holder(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()
    with (tmp_path / "lock").open():
        assert holder_of(tmp_path / "lock") is None


def test_pausing_interrupts_the_process_once_and_is_remembered(runs: Path, pages: TestClient) -> None:
    with working(runs / RUN / "lock", "--rounds", "12") as process:
        begin_session(runs, process.pid)
        assert "running" in pages.get(f"/runs/{RUN}").text
        assert act(pages, "pause")[0] == 303 and heard(process) == "interrupted\n"
        page = pages.get(f"/runs/{RUN}").text
        assert "pausing" in page and "control/drop" in page and "control/pause" not in page
        status, text = act(pages, "pause")
        assert status == 409 and "can&#39;t pause a run that is pausing" in text
    page = pages.get(f"/runs/{RUN}").text
    assert "paused" in page and "control/resume" in page and 'value="12"' in page and 'value="2.5"' in page


def test_a_second_interrupt_is_only_sent_when_it_is_asked_for(runs: Path, pages: TestClient) -> None:
    with working(runs / RUN / "lock") as process:
        begin_session(runs, process.pid)
        assert act(pages, "drop")[0] == 409
        assert act(pages, "stop")[0] == 303 and heard(process) == "interrupted\n"
        assert "stopping" in pages.get(f"/runs/{RUN}").text
        assert act(pages, "drop")[0] == 303 and heard(process) == "interrupted\n"
    assert "paused" not in pages.get(f"/runs/{RUN}").text


def test_another_process_than_that_of_the_session_is_never_interrupted(runs: Path, pages: TestClient) -> None:
    with working(runs / RUN / "lock") as process:
        begin_session(runs, os.getpid())
        for action in ("pause", "stop", "drop", "resume"):
            assert act(pages, action)[0] == 409, action
        begin_session(runs, process.pid, host="another-machine")
        assert act(pages, "stop")[0] == 409
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None
        assert heard(process) == ""


def test_a_process_with_the_id_of_a_dead_one_is_not_interrupted(tmp_path: Path) -> None:
    with working(tmp_path / "run" / "lock") as process:
        held = holder_of(tmp_path / "run" / "lock")
        assert held is not None
        session = SessionRow("2027-01-01T00:00:00+00:00", "0.1", HERE, process.pid, "{}")
        other = Situation(replace(held, started=held.started - 1), None, session, None)
        with pytest.raises(BadInput, match="can't be interrupted"):
            control.interrupt(tmp_path / "run", other, Action.STOP)
        assert control.read_request(tmp_path / "run") is None


def test_a_process_that_ignores_interrupts_is_named_with_what_stops_it(runs: Path, pages: TestClient) -> None:
    with working(runs / RUN / "lock", "ignoring") as process:
        begin_session(runs, process.pid)
        status, text = act(pages, "stop")
        assert status == 409 and f"kill {process.pid}" in text and "running" in pages.get(f"/runs/{RUN}").text


def test_resuming_starts_the_same_command_with_the_given_caps_in_a_session_of_its_own(
    runs: Path, pages: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "python"
    fake.write_text(f"#!/bin/sh\nexec {sys.executable} -c '{EVOLVE}' \"$@\"\n")
    fake.chmod(0o755)
    monkeypatch.setattr(control.sys, "executable", str(fake))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    request = StopRequest(Action.PAUSE, 1, 1, "boot", "2027-01-01T00:00:00+00:00", 12, str(elsewhere))
    (runs / RUN / control.FILE).write_text(json.dumps(asdict(request)))
    assert act(pages, "resume", rounds="7", usd="1.5", tokens="", trials="9")[0] == 303
    controls = pages.app.app.state.site.controls  # type: ignore[attr-defined]
    assert controls._started[RUN].wait(SECONDS) == 0
    lines = (runs / RUN / control.LOG).read_text().splitlines()
    words, folder, leads = json.loads(lines[-1])
    wanted = ["-m", "evolve", "run", "--run", RUN, "--runs", str(runs)]
    assert words == [*wanted, "--rounds", "7", "--budget-usd", "1.5", "--budget-trials", "9"]
    assert (folder, leads) == (str(elsewhere), True)
    answer = pages.get(f"/runs/{RUN}/log")
    assert answer.headers["content-type"].startswith("text/plain") and "resumed from the page" in answer.text
    assert "Output since it was resumed here" in pages.get(f"/runs/{RUN}").text


def test_a_run_that_is_worked_on_is_not_started_again(runs: Path, pages: TestClient) -> None:
    with working(runs / RUN / "lock") as process:
        begin_session(runs, process.pid)
        assert act(pages, "resume")[0] == 409
    assert not (runs / RUN / control.LOG).exists()


def test_what_is_no_action_or_no_run_is_refused(pages: TestClient) -> None:
    assert act(pages, "delete")[0] == 404
    form = {"form_token": KEYS.form}
    for run in ("none", "..", "a%2fb"):
        answer = pages.post(f"/runs/{run}/control/resume", data=form, headers={"origin": BASE})
        assert answer.status_code in (404, 405), run


HOLDER, REQUEST = Holder(7, 100), StopRequest(Action.PAUSE, 7, 100, platform.boot_id(), "t")
SESSION, END = SessionRow("2027-01-01", "0.1", HERE, 7, "{}"), EndRow("done", "2027-01-02")


@pytest.mark.parametrize(
    ("situation", "state"),
    [
        (Situation(None, None, None, None), RunState.STOPPED),
        (Situation(None, None, SESSION, None), RunState.STOPPED),
        (Situation(None, None, SESSION, END), RunState.ENDED),
        (Situation(None, None, SESSION, EndRow("done", "2026-01-01")), RunState.STOPPED),
        (Situation(None, REQUEST, SESSION, None), RunState.PAUSED),
        (Situation(None, REQUEST, replace(SESSION, pid=8), None), RunState.STOPPED),
        (Situation(None, REQUEST, SESSION, END), RunState.ENDED),
        (Situation(None, REQUEST, SESSION, None, is_starting=True), RunState.STARTING),
        (Situation(None, None, replace(SESSION, host="x"), None), RunState.ELSEWHERE),
        (Situation(HOLDER, None, SESSION, None), RunState.RUNNING),
        (Situation(HOLDER, None, replace(SESSION, pid=8), None), RunState.STARTING),
        (Situation(HOLDER, REQUEST, SESSION, None), RunState.PAUSING),
        (Situation(HOLDER, replace(REQUEST, action=Action.STOP), SESSION, None), RunState.STOPPING),
        (Situation(HOLDER, replace(REQUEST, started=1), SESSION, None), RunState.RUNNING),
        (Situation(HOLDER, replace(REQUEST, boot="other"), SESSION, None), RunState.RUNNING),
    ],
)
def test_the_state_of_a_run_follows_from_what_is_known_of_it(situation: Situation, state: RunState) -> None:
    assert situation.state is state


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"action": "fly"}', '{"action": "pause", "more": 1}'])
def test_a_request_that_cant_be_read_counts_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / control.FILE).write_text(text)
    assert control.read_request(tmp_path) is None


@pytest.mark.parametrize("caps", ["", "null", "[]", '{"usd": -1}', '{"usd": "x"}'])
def test_caps_that_cant_be_read_count_as_none(caps: str) -> None:
    assert control.proposed_resumption(Situation(None, None, replace(SESSION, caps=caps), None)) == Resumption()


def test_the_number_of_rounds_is_read_from_the_command_or_its_variable() -> None:
    held = [sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()"]
    for words, variables, rounds in (
        (["--rounds", "5"], {"EVOLVE_ROUNDS": "6"}, 5),
        (["--rounds=8"], {}, 8),
        ([], {"EVOLVE_ROUNDS": "6"}, 6),
        (["--rounds", "x"], {}, None),
    ):
        process = subprocess.Popen(
            [*held, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, **variables}
        )
        assert process.stdout is not None and process.stdout.readline()
        assert control.rounds_of(process.pid) == rounds
        process.communicate(timeout=SECONDS)


def test_interrupts_reach_no_process_that_is_not_confirmed() -> None:
    process = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    assert platform.send_interrupt(process.pid, lambda: False) is False
    process.communicate(timeout=SECONDS)
    assert process.returncode == 0 and platform.send_interrupt(process.pid, lambda: True) is False
    assert signal.SIGINT not in (process.returncode, -process.returncode)
