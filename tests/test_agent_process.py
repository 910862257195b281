"""The end of an agent in the task's container, as the engine's stream and the engine itself report it."""

from __future__ import annotations

import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from evolve.sandbox.agent_process import WRAPPER, AgentCommand, AgentProcess
from evolve.sandbox.exit_cause import KILLED
from evolve.sandbox.streams import STDERR


@dataclass
class FakeEngine:
    """An engine whose command has ended, and whose stream the test writes to."""

    exit_code: int = 0
    ends: tuple[socket.socket, socket.socket] = field(default_factory=socket.socketpair)

    def exec_create(self, *words: Any, **options: Any) -> dict[str, str]:
        return {"Id": "1"}

    def exec_start(self, *words: Any, **options: Any) -> socket.socket:
        return self.ends[0]

    def exec_inspect(self, identifier: str) -> dict[str, Any]:
        return {"Running": False, "ExitCode": self.exit_code}

    def started(self) -> bool:
        """Whether the host has told the command that it listens."""
        self.ends[1].settimeout(5)
        return self.ends[1].recv(9) == b"\n"

    def report(self, text: bytes) -> None:
        self.ends[1].sendall(struct.pack(">BxxxL", STDERR, len(text)) + text)


def process_of(engine: FakeEngine) -> AgentProcess:
    container: Any = SimpleNamespace(id="c", client=SimpleNamespace(api=engine), is_running=lambda: True)
    return AgentProcess(container, AgentCommand(("x",), "1", "/", {}), set())


@pytest.mark.parametrize("status", [0, 3])
def test_a_report_that_is_late_on_a_busy_machine_counts(status: int) -> None:
    engine = FakeEngine()
    process = process_of(engine)
    engine.report(b"7\n")
    threading.Timer(0.5, engine.report, [b"%d\n" % status]).start()
    assert process.wait(0.01) and process.status() == status
    process.close()


def test_the_command_starts_when_the_host_listens() -> None:
    engine = FakeEngine()
    process = process_of(engine)
    assert WRAPPER.startswith("read -r _; ") and engine.started()
    process.close()


def test_a_report_that_was_killed_is_not_waited_for() -> None:
    engine = FakeEngine(exit_code=KILLED)
    process, since = process_of(engine), time.monotonic()
    engine.report(b"7\n")
    assert process.wait(0.01) and process.status() == KILLED
    assert time.monotonic() - since < 5
    process.close()
