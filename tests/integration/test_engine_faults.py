"""An engine that dies, or stops answering, in the middle of a trial: never evidence, and never without an end."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from evolve.core.records import Limits, Outcome
from evolve.sandbox import engine
from evolve.trial.run import run_trial

from .conftest import OWNER, Trials

pytestmark = pytest.mark.docker
SLEEPS = "import time\ntime.sleep(6)\n"
RUNS = "import evolve_door as door\ndoor.run('sleep 6')\ndoor.run('sleep 6')\n"


class Between:
    """A socket that leads to the engine's, until the engine seems to die, or to hang."""

    def __init__(self, path: Path, target: str) -> None:
        self.target, self.hangs = target, threading.Event()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(64)
        self._ends: list[socket.socket] = [self._listener]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                onward = socket.socket(socket.AF_UNIX)
                onward.connect(self.target)
                self._ends += [client, onward]
                for pair in ((client, onward), (onward, client)):
                    threading.Thread(target=self._pump, args=pair, daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if not self.hangs.is_set():
                    target.sendall(data)
            if not self.hangs.is_set():
                target.shutdown(socket.SHUT_WR)

    def die(self) -> None:
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@pytest.fixture
def between(trials: Trials, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Between]:
    """`trials` comes first: its images are built through the engine itself."""
    given = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if not given.startswith("unix://"):
        pytest.skip("the engine has no Unix socket")
    made = Between(tmp_path / "engine.sock", given.removeprefix("unix://"))
    with monkeypatch.context() as patch:
        patch.setenv("DOCKER_HOST", f"unix://{tmp_path}/engine.sock")
        patch.setattr(engine, "CALL_SECONDS", 2)
        engine.connect.cache_clear()
        yield made
    made.die()
    engine.connect.cache_clear()
    engine.sweep(OWNER)


@pytest.mark.parametrize("hangs", [False, True])
@pytest.mark.parametrize("main", [SLEEPS, RUNS])
def test_it_is_an_infrastructure_error(between: Between, trials: Trials, main: str, hangs: bool) -> None:
    threading.Timer(2.0, between.hangs.set if hangs else between.die).start()
    began = time.monotonic()
    result = run_trial(trials.spec(main, Limits(calls=5, seconds=8)))
    assert (result.outcome, result.reward) == (Outcome.INFRA_ERROR, None), result.detail
    assert "engine" in result.detail and time.monotonic() - began < 60
