"""Scaffolds that would rather have no verdict, or more than their share, in whole trials."""

from __future__ import annotations

import pytest

from evolve.core.records import Limits, Outcome
from evolve.trial.gateway import budget
from evolve.trial.run import run_trial

from .conftest import Trials

pytestmark = pytest.mark.docker


def test_killing_the_shell_is_no_fault_of_the_machine(trials: Trials) -> None:
    main = (
        "import evolve_door as door\n"
        "for command in ('kill -9 $PPID; sleep 1', 'kill -9 -1', 'echo fine'):\n"
        "    result = door.run(command, timeout=5)\n"
        "print('LAST', result.exit_code, result.stdout)\n"
        "raise SystemExit(4)\n"
    )
    result = run_trial(trials.spec(main))
    assert result.outcome is Outcome.SCAFFOLD_ERROR and "LAST 0 fine" in result.detail, result.detail


def test_threads_at_once_stay_within_the_budget(trials: Trials) -> None:
    main = (
        "import threading, evolve_door as door\n"
        "def spend():\n"
        "    try:\n"
        "        while True: door.chat([{'role': 'user', 'content': 'x' * 400}], reasoning_effort='high', n=9)\n"
        "    except door.DoorError as error:\n"
        "        assert error.code == 'budget', error.code\n"
        "threads = [threading.Thread(target=spend) for _ in range(20)]\n"
        "for one in threads: one.start()\n"
        "for one in threads: one.join()\n"
    )
    result = run_trial(trials.spec(main, Limits(calls=1000, tokens=3000, max_tokens=200, seconds=60)))
    assert result.outcome is Outcome.BUDGET and "tokens" in result.detail, result.detail
    assert 2500 < result.usage.prompt_tokens + result.usage.completion_tokens <= 3000


def test_a_flood_of_commands_ends_as_a_budget(trials: Trials, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "MAX_EVENTS", 20)
    main = "import evolve_door as door\nwhile True: door.run('true')"
    result = run_trial(trials.spec(main, Limits(seconds=60)))
    assert result.outcome is Outcome.BUDGET and "record" in result.detail, result.detail
    assert result.usage.commands == 20


def test_a_host_of_connections_and_slow_requests_harms_nobody(trials: Trials) -> None:
    main = (
        "import os, socket, evolve_door as door\n"
        "held = []\n"
        "for number in range(900):\n"
        "    one = socket.socket(socket.AF_UNIX); one.settimeout(2)\n"
        "    try:\n"
        "        one.connect(os.environ['EVOLVE_SOCKET']); one.sendall(b'POST /evolve/run HTTP/1.1\\r\\n')\n"
        "    except OSError:\n"
        "        pass\n"
        "    held.append(one)\n"
        "for one in held: one.close()\n"
        "import time; time.sleep(1)\n"
        "print('BUDGET', door.budget()['calls'])\n"
        "raise SystemExit(4)\n"
    )
    result = run_trial(trials.spec(main))
    assert result.outcome is Outcome.SCAFFOLD_ERROR and "BUDGET 5" in result.detail, result.detail
