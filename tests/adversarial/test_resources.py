"""Scaffolds and commands that use up what there is: the host and the next trial don't notice."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from unittest import mock

import pytest

from evolve.core.records import Cause, Limits, Outcome
from evolve.sandbox import shell

from . import hostile, weakened
from .conftest import Arena

pytestmark = pytest.mark.docker
DONE = "ALL DONE"
ORDINARY_SECONDS = 20.0
LONGEST_PAUSE = 5.0

PROCESSES = "import subprocess\nfor _ in range(400): subprocess.Popen(['sleep', '20'])\n"
MEMORY = "data = b'x' * (220 << 20)\n"
IN_SHELL = f"python3 -c \"$(cat <<'END'\n%s\nEND\n)\" && echo {DONE}"


@dataclass(frozen=True)
class Glutton:
    """What is done, as a command in the task's container or as a scaffold; `hole`: without which limit it succeeds."""

    main: str
    hole: Callable[[], AbstractContextManager[object]]
    cause: Cause = Cause.NONE


def command(text: str, timeout: float = 20.0) -> str:
    return hostile.commands(text, timeout=timeout, status=1)


def scaffold(code: str) -> str:
    return f"{code}\nprint({DONE!r}, flush=True)\nraise SystemExit(1)\n"


def roomy(kind: str) -> Callable[[], AbstractContextManager[object]]:
    more = weakened.setting(PidsLimit=1000, Memory=512 << 20, MemorySwap=512 << 20)
    return lambda: weakened.containers(kind, more)


@contextlib.contextmanager
def unlimited() -> Iterator[None]:
    """Both that mount the state: the first to be created makes the volume, with its limits."""

    def change(host: weakened.Host) -> None:
        weakened.setting(Memory=512 << 20, MemorySwap=512 << 20)(host)
        weakened.unlimited_files(host)

    with weakened.containers("task", change), weakened.containers("verifier", change):
        yield


GLUTTONS = {
    "processes in the task": Glutton(command(IN_SHELL % PROCESSES), roomy("task"), Cause.PIDS),
    "processes in the scaffold": Glutton(scaffold(PROCESSES), roomy("scaffold"), Cause.PIDS),
    "memory in the task": Glutton(command(IN_SHELL % MEMORY), roomy("task"), Cause.OOM),
    "memory in the scaffold": Glutton(scaffold(MEMORY), roomy("scaffold"), Cause.OOM),
    "the disk": Glutton(
        command(f"for n in 1 2 3 4; do head -c 30000000 /dev/zero > f$n || exit 1; done; echo {DONE}"), unlimited
    ),
    "inodes": Glutton(
        command(f"python3 -c \"[open(f'n{{i}}', 'w').close() for i in range(25000)]\" && echo {DONE}"), unlimited
    ),
    "a sparse file": Glutton(command(f"truncate -s 100G sparse && echo {DONE}"), unlimited),
    "output": Glutton(
        command(f"yes | head -c 60000000; echo {DONE}"), lambda: mock.patch.object(shell, "FLOOD_BYTES", 10**9)
    ),
    "one line": Glutton(
        command(f"head -c 60000000 /dev/zero; echo {DONE}"), lambda: mock.patch.object(shell, "FLOOD_BYTES", 10**9)
    ),
    "children that stay": Glutton(
        "import evolve_door as door\n"
        f"door.run(\"setsid sh -c 'sleep 2; echo {DONE} > late' & sleep 20\", 1.0)\n"
        "print(door.run('sleep 2; cat late').stdout, flush=True)\nraise SystemExit(1)\n",
        weakened.children_survive,
    ),
}

# Without an end or a bound: tried on the real sandbox only. Those that only time ends get little of it.
ENDLESS = {
    "a fork bomb in the task": (command("f() { f | f & }; f; sleep 60", 2), Outcome.SCAFFOLD_ERROR),
    "a fork bomb in the scaffold": ("import os\nwhile True:\n    os.fork()\n", None),
    "output of a command": (command("yes", 2), Outcome.SCAFFOLD_ERROR),
    "output of the scaffold": ("while True:\n    print('y' * 10000)\n", Outcome.TIMEOUT),
    "sleep": ("import time\ntime.sleep(1000)\n", Outcome.TIMEOUT),
    "its own shell killed": (command("kill -9 $PPID; kill -9 -1"), Outcome.SCAFFOLD_ERROR),
    "connections": (
        "import socket\nkept = []\nwhile True:\n    one = socket.socket(socket.AF_UNIX)\n"
        "    try: one.connect('/run/evolve/gateway.sock')\n    except OSError: pass\n    kept.append(one)\n",
        Outcome.SCAFFOLD_ERROR,
    ),
}


@contextlib.contextmanager
def responsive() -> Iterator[None]:
    """The host gives this process its turns: no pause of a thread that sleeps a little is long."""
    over, pauses = threading.Event(), [0.0]

    def watch() -> None:
        while not over.is_set():
            before = time.monotonic()
            time.sleep(0.05)
            pauses.append(time.monotonic() - before)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    assert max(pauses) < LONGEST_PAUSE


@pytest.mark.parametrize("name", GLUTTONS)
def test_without_its_limit_it_gets_what_it_wants(arena: Arena, name: str) -> None:
    assert DONE in arena.run(GLUTTONS[name].main, GLUTTONS[name].hole()).detail


@pytest.mark.parametrize("name", GLUTTONS)
def test_with_its_limit_it_does_not(arena: Arena, name: str) -> None:
    with responsive():
        result = arena.run(GLUTTONS[name].main)
    assert result.outcome is Outcome.SCAFFOLD_ERROR and DONE not in result.detail, result.detail
    assert result.cause is GLUTTONS[name].cause
    assert_the_next_is_unaffected(arena)


@pytest.mark.parametrize("name", ENDLESS)
def test_what_has_no_end_is_ended(arena: Arena, name: str) -> None:
    main, outcome = ENDLESS[name]
    with responsive():
        result = arena.run(main, limits=Limits(calls=5, seconds=3 if outcome is Outcome.TIMEOUT else 8))
    assert result.counts and result.outcome in (outcome or result.outcome, Outcome.BUDGET), result.detail
    assert_the_next_is_unaffected(arena)


def assert_the_next_is_unaffected(arena: Arena) -> None:
    started = time.monotonic()
    result = arena.run(hostile.writes("answer.py", hostile.SOLUTION))
    assert result.reward == 1.0, result.detail
    assert time.monotonic() - started < ORDINARY_SECONDS
