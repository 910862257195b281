"""Scaffolds that try to void their bad trials, to end the run, or to work for longer than they may."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from evolve.core.errors import InfraError
from evolve.core.records import Fault, Limits, Outcome, Split, Task, TaskImage
from evolve.llm.retries import VARIABLE
from evolve.trial.self_work import SelfWork, SelfWorkResult, run_self_work
from tests.faults.endpoint import FaultyEndpoint
from tests.faults.faulty_server import Plan
from tests.upstream import Upstream, refuses, says

from . import weakened
from .conftest import Arena

pytestmark = pytest.mark.docker

# The scaffold is gone before the seconds are over that the endpoint asks to wait.
WAIT = "4"
BURST = """
import os, threading, time
import evolve_door as door
def ask():
    try:
        door.chat([{"role": "user", "content": "hi"}])
    except door.DoorError:
        pass
for _ in range(6):
    threading.Thread(target=ask, daemon=True).start()
    time.sleep(0.15)
time.sleep(0.5)
os._exit(STATUS)
"""
SENDS = """
import json, os, socket
body = BODY
with socket.socket(socket.AF_UNIX) as door:
    door.connect(os.environ["EVOLVE_SOCKET"])
    head = f"POST ROUTE HTTP/1.1\\r\\nHost: HOST\\r\\nConnection: close\\r\\nContent-Length: {len(body)}\\r\\n\\r\\n"
    door.sendall(head.encode() + body)
    print(door.makefile("rb").read())
raise SystemExit(1)
"""
CHAT = b'{"messages": [{"role": "user", "content": "\xed\xa0\x80"}]}'
TEXT = b'{"path": "a.txt", "text": "\xed\xa0\x80"}'


def sends(body: bytes, route: str = "/v1/chat/completions", host: str = "x") -> str:
    return SENDS.replace("BODY", repr(body)).replace("ROUTE", route).replace("HOST", host)


@pytest.mark.parametrize("status", [0, 1])
def test_a_scaffold_voids_its_trial_where_giving_up_is_never_its_fault(
    arena: Arena, upstream: Upstream, status: int
) -> None:
    upstream.script(*[refuses(429, retry_after=WAIT)] * 2, says(), refuses(429, retry_after=WAIT))
    changes = {"model": upstream.spec(), "limits": Limits(calls=20, seconds=30)}
    main = BURST.replace("STATUS", str(status))
    result = arena.run(main, weakened.giving_up_is_the_endpoints(), **changes)
    assert (result.outcome, result.fault) == (Outcome.INFRA_ERROR, Fault.ENDPOINT), result.detail
    upstream.script(*[refuses(429, retry_after=WAIT)] * 2, says(), refuses(429, retry_after=WAIT))
    result = arena.run(main, **changes)
    assert result.outcome is (Outcome.SCAFFOLD_ERROR if status else Outcome.FAILED), result.detail


def test_a_real_outage_still_counts_for_nothing(arena: Arena, upstream: Upstream) -> None:
    upstream.script(refuses(503, retry_after=WAIT))
    result = arena.run(BURST.replace("STATUS", "1"), model=upstream.spec(), limits=Limits(calls=20, seconds=30))
    assert (result.outcome, result.fault, result.outage) == (Outcome.INFRA_ERROR, Fault.ENDPOINT, True)


@dataclass(frozen=True)
class Malformed:
    """A request, and the hole through which it is a fault of the host's."""

    main: str
    hole: Callable[[], AbstractContextManager[object]]


MALFORMED = {
    "half characters in UTF-8": Malformed(sends(TEXT, "/evolve/write"), weakened.any_bytes),
    "half characters in UTF-16": Malformed(
        sends(TEXT.decode("utf-8", "surrogatepass").encode("utf-16", "surrogatepass"), "/evolve/write"),
        weakened.any_bytes,
    ),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_request_voids_the_trial_where_it_is_let_in(arena: Arena, name: str) -> None:
    result = arena.run(MALFORMED[name].main, MALFORMED[name].hole())
    assert (result.outcome, result.fault) == (Outcome.INFRA_ERROR, Fault.OTHER), result.detail


@pytest.mark.parametrize("main", [*(one.main for one in MALFORMED.values()), sends(CHAT), sends(b"\xff\xfe\0\xd8")])
def test_a_malformed_request_is_the_scaffolds_own_failure(arena: Arena, main: str) -> None:
    result = arena.run(main)
    assert result.outcome is Outcome.SCAFFOLD_ERROR, result.detail
    assert "HTTP/1.1 40" in result.detail


@pytest.mark.parametrize("is_weak", [True, False])
def test_an_error_names_a_path_of_the_host_where_it_is_made_from_the_address(arena: Arena, is_weak: bool) -> None:
    result = arena.run(sends(b"{}", "/none", host="["), weakened.any_host() if is_weak else nullcontext())
    assert result.counts and ("gateway.sock" in result.detail) is is_weak, result.detail


# A call hangs, and the scaffold goes on with commands meanwhile.
WORKS_ON = """
import threading, time
import evolve_door as door
def ask():
    door.chat([{"role": "user", "content": "hi"}])
threading.Thread(target=ask, daemon=True).start()
began = time.monotonic()
while time.monotonic() < began + 40:
    try:
        door.run("sleep 0.2")
    except door.DoorError:
        break
time.sleep(1)
raise SystemExit(1)
"""


@pytest.mark.parametrize("is_weak", [True, False])
def test_a_scaffold_works_for_longer_where_lost_time_is_given_back_whatever_it_does(
    arena: Arena, failing: FaultyEndpoint, monkeypatch: pytest.MonkeyPatch, is_weak: bool
) -> None:
    monkeypatch.setenv(VARIABLE, "1.5")
    hole = weakened.all_lost_time_is_given_back() if is_weak else nullcontext()
    failing.begin(Plan(share=1, kinds=("hang",), until=3))
    result = arena.run(WORKS_ON, hole, model=failing.spec(), limits=Limits(seconds=4))
    assert result.counts, result.detail
    # Of a fifth of a second each, in four seconds.
    assert (result.usage.commands > 24) is is_weak, result.usage


UNREADABLE = ("chmod 000 /app", "chmod 000 /app; kill -9 -1", "chmod 000 scaffold .")


def left_after(arena: Arena, command: str) -> SelfWorkResult:
    """What is read from a scaffold that works on itself, and ends with this command."""
    spec = arena.spec(f"import evolve_door as door\ndoor.run({command!r})\n")
    task = Task("self", Path(), Split.TRAIN, "", "", "", 30.0, 0.0, spec.task.sandbox)
    files = {"scaffold/main.py": "old\n", "proposal.json": "{}\n"}
    work = SelfWork(replace(spec, task=task, image=TaskImage(arena.base, "/app")), files, ("scaffold", "proposal.json"))
    return run_self_work(work)


@pytest.mark.parametrize("command", UNREADABLE)
def test_an_unreadable_folder_ends_the_run_where_its_owner_is_trusted(arena: Arena, command: str) -> None:
    with weakened.folders_are_readable(), pytest.raises(InfraError, match="can't read the files"):
        left_after(arena, command)


@pytest.mark.parametrize("command", UNREADABLE)
def test_an_unreadable_folder_is_made_readable(arena: Arena, command: str) -> None:
    left = left_after(arena, command).left
    assert left.files["scaffold/main.py"] == b"old\n" and not left.problem


@pytest.mark.parametrize("command", ["chmod 000 /app", "chmod 000 /app; kill -9 -1", "chmod 000 /app; kill -9 $PPID"])
def test_an_unreadable_working_directory_is_evidence(arena: Arena, command: str) -> None:
    main = f"import evolve_door as door\ndoor.run({command!r})\nprint(door.run('true'))\n"
    result = arena.run(main)
    assert (result.outcome, result.reward) == (Outcome.FAILED, 0.0), result.detail
