"""States that break their graders: a bad trial must not become void, which would be a gain."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from evolve.core.records import Fault, Outcome, Task
from evolve.trial.grading import MOST_TRIES

from . import hostile, weakened
from .conftest import Arena

pytestmark = pytest.mark.docker

# Gives no reward where pytest itself fails, as many graders do.
HONEST = """#!/bin/bash
cd /app && cp /tests/test_hidden.py . || exit 2
python3 -m pytest -q -p no:cacheprovider test_hidden.py
status=$?
[ $status -le 1 ] || exit $status
[ $status = 0 ] && echo 1 > /logs/verifier/reward.txt || echo 0 > /logs/verifier/reward.txt
"""
# Enough for pytest on a busy machine.
HANG_SECONDS = 8.0


@dataclass(frozen=True)
class Left:
    """What is left, by a shell script. tries: of a trial whose state is gone after a grading, which one counts."""

    script: str
    tries: int = 1
    seconds: float = 60.0


ATTACKS = {
    "conftest-that-ends-pytest": Left("echo 'import os; os._exit(99)' > conftest.py"),
    "conftest-that-ends-pytest-half-of-the-time": Left(
        "printf 'import os\\nif os.urandom(1)[0] % 2: os._exit(99)\\n' > conftest.py"
    ),
    "conftest-that-ends-pytest-after-a-failed-test": Left(
        "printf 'import os\\ndef pytest_runtest_logreport(report):\\n    report.failed and os._exit(9)\\n' >conftest.py"
    ),
    "conftest-that-hangs": Left("echo 'import time; time.sleep(90)' > conftest.py", seconds=HANG_SECONDS),
    "conftest-that-kills-the-tests": Left("echo 'import os; os.kill(os.getppid(), 9)' > conftest.py"),
    "conftest-that-kills-all": Left("echo 'import os; os.kill(-1, 9)' > conftest.py", MOST_TRIES),
    "no-memory": Left("echo 'x = bytearray(10**9)' > conftest.py"),
    "no-room": Left("head -c 100m /dev/zero > full 2>/dev/null; true"),
    "a-folder-in-the-place-of-the-tests": Left("mkdir -p test_hidden.py/test_hidden.py"),
}  # fmt: skip


def graded_honestly(arena: Arena, seconds: float = 60.0) -> Task:
    return replace(arena.judged_by(test_sh=HONEST), verifier_seconds=seconds)


@pytest.mark.parametrize("name", ATTACKS)
def test_a_bad_trial_that_breaks_its_grader_has_failed(arena: Arena, name: str) -> None:
    attack = ATTACKS[name]
    result = arena.run(
        hostile.commands(attack.script), task=graded_honestly(arena, attack.seconds), ungraded=attack.tries - 1
    )
    assert (result.outcome, result.reward, result.fault) == (Outcome.FAILED, 0.0, Fault.NONE), result.detail


@pytest.mark.parametrize("name", [name for name in ATTACKS if "half" not in name])
def test_where_each_ungraded_trial_is_void_it_is_lost(arena: Arena, name: str) -> None:
    attack = ATTACKS[name]
    task = graded_honestly(arena, attack.seconds)
    result = arena.run(hostile.commands(attack.script), weakened.ungraded_is_void(), task=task)
    assert (result.outcome, result.fault) == (Outcome.INFRA_ERROR, Fault.GRADER), result.detail


def test_the_grader_can_tell_right_from_wrong(arena: Arena) -> None:
    task = graded_honestly(arena)
    assert arena.run(hostile.writes("answer.py", hostile.SOLUTION), task=task).reward == 1.0
    assert arena.run("pass", task=task).reward == 0.0


def test_a_state_that_is_gone_is_void_only_at_first(arena: Arena) -> None:
    attack, task = ATTACKS["conftest-that-kills-all"], graded_honestly(arena)
    voided = [arena.run(hostile.commands(attack.script), task=task, ungraded=n).fault for n in range(MOST_TRIES)]
    assert voided == [Fault.GRADER] * (MOST_TRIES - 1) + [Fault.NONE]
