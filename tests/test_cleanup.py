"""Background starts and removals of a trial."""

from __future__ import annotations

import threading
from concurrent.futures import Future

import pytest

from evolve.core.errors import InfraError
from evolve.sandbox.cleanup import Crew, LateShell, Reaper, reaper
from evolve.sandbox.shell import CommandResult

SECONDS = 10


class Thing:
    """Notes in a list that it was killed."""

    def __init__(self, name: str, killed: list[str]) -> None:
        self.name, self.killed = name, killed

    def kill(self) -> None:
        self.killed.append(self.name)


def fail() -> None:
    raise InfraError("the engine is gone")


def test_removals_happen_in_order_and_beside() -> None:
    done: list[int] = []
    gate = threading.Event()
    one = Reaper()
    one.schedule(lambda: gate.wait(SECONDS) and done.append(1))
    one.schedule(lambda: done.append(2))
    assert done == []
    gate.set()
    one.wait()
    assert done == [1, 2]


def test_a_failed_removal_is_told_once_and_the_others_happen() -> None:
    done: list[int] = []
    one = Reaper()
    one.schedule(fail)
    one.schedule(lambda: done.append(2))
    with pytest.raises(InfraError, match="engine is gone"):
        one.wait()
    assert done == [2]
    one.wait()


def test_what_was_started_is_killed_at_the_end_also_what_starts_late() -> None:
    killed: list[str] = []
    gate = threading.Event()

    def late() -> Thing:
        gate.wait(SECONDS)
        return Thing("late", killed)

    with Crew() as crew:
        crew.start(Thing, "early", killed)
        crew.start(late)
    gate.set()
    reaper().wait()
    assert killed == ["early", "late"]


def test_what_could_not_be_made_needs_no_kill_and_its_error_is_the_callers() -> None:
    killed: list[str] = []

    def broken() -> Thing:
        raise InfraError("no container")

    with Crew() as crew:
        crew.start(Thing, "other", killed)
        made = crew.start(broken)
        with pytest.raises(InfraError, match="no container"):
            made.result()
    reaper().wait()
    assert killed == ["other"]


class Echo:
    def run(self, command: str, timeout: float = 30.0, stdin: bytes = b"") -> CommandResult:
        return CommandResult(0, command.encode() + stdin, b"")


def test_a_command_waits_for_the_shell_to_open() -> None:
    opening: Future[Echo] = Future()
    results: list[CommandResult] = []
    shell = LateShell(opening)  # type: ignore[arg-type]
    asking = threading.Thread(target=lambda: results.append(shell.run("say ", stdin=b"it")))
    asking.start()
    assert results == []
    opening.set_result(Echo())
    asking.join(SECONDS)
    assert results[0].stdout == b"say it"


def test_a_shell_that_can_not_open_is_the_commands_error() -> None:
    opening: Future[Echo] = Future()
    opening.set_exception(InfraError("no shell"))
    with pytest.raises(InfraError, match="no shell"):
        LateShell(opening).run("true")  # type: ignore[arg-type]
