"""The labels of containers, and which engine is brought up: a fake one on a Unix socket answers."""

from __future__ import annotations

import json
import shutil
import socketserver
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from evolve.core.errors import BadInput, EngineError
from evolve.core.records import SuiteProfile
from evolve.sandbox import engine, limits
from tests.test_endpoint import add_context, use_context
from tests.test_engine_features import DOCKER_VERSION, PODMAN_VERSION

VERSIONS = {"ApiVersion": "1.41", "MinAPIVersion": "1.24", "Version": "20.10.24"}
INFO = {"MemoryLimit": True, "PidsLimit": True, "NCPU": 2, "SecurityOptions": ["name=seccomp,profile=default"]}


class FakeEngine(socketserver.ThreadingUnixStreamServer):
    """Answers /_ping, /version and /info."""

    daemon_threads = True

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), Answer)
        self.url = f"unix://{path}"
        self.version: dict[str, Any] = {**VERSIONS, **DOCKER_VERSION}
        self.info: dict[str, Any] = dict(INFO)
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()


class Answer(BaseHTTPRequestHandler):
    server: FakeEngine

    def do_GET(self) -> None:
        name = self.path.rpartition("/")[2]
        body = json.dumps({"version": self.server.version, "info": self.server.info}.get(name, "OK")).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is printed."""


@pytest.fixture
def docker_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Docker's settings are empty, and no engine can be installed or started."""

    def refuse(*command: object, **_: object) -> None:
        raise AssertionError(f"an engine was started: {command}")

    for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setattr(subprocess, "run", refuse)
    monkeypatch.setattr(subprocess, "Popen", refuse)
    engine.reset_connection()
    yield tmp_path
    engine.reset_connection()


@pytest.fixture
def fake(docker_folder: Path) -> Iterator[FakeEngine]:
    # The path of a socket is short.
    folder = Path(tempfile.mkdtemp(prefix="fake-"))
    server = FakeEngine(folder / "e.sock")
    yield server
    server.shutdown()
    server.server_close()
    shutil.rmtree(folder)


def test_the_contexts_engine_is_used_and_named_once(fake: FakeEngine, docker_folder: Path) -> None:
    add_context(docker_folder, "rootless", fake.url)
    use_context(docker_folder, "rootless")
    lines: list[str] = []
    client = engine.bring_up(lines.append)
    assert engine.bring_up(lines.append) is client and engine.answers()
    assert lines == [f"using the container engine at {fake.url} (context rootless)"]


def test_a_context_whose_engine_is_silent_starts_no_other(docker_folder: Path) -> None:
    add_context(docker_folder, "colima", "unix:///nowhere.sock")
    use_context(docker_folder, "colima")
    with pytest.raises(BadInput, match=r"^context colima: no container engine answers at unix:///nowhere"):
        engine.bring_up(print)
    assert isinstance(engine.connection_problem(), EngineError) and not engine.answers()


def test_a_missing_context_starts_no_engine(docker_folder: Path) -> None:
    use_context(docker_folder, "gone")
    with pytest.raises(BadInput, match=r"^context gone: "):
        engine.bring_up(print)
    assert not engine.answers()


def test_a_silent_engine_by_docker_host_starts_no_other(docker_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    with pytest.raises(BadInput, match=r"^DOCKER_HOST: no container engine answers at unix:///nowhere"):
        engine.bring_up(print)


def test_podman_is_refused(fake: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.version |= PODMAN_VERSION
    monkeypatch.setenv("DOCKER_HOST", fake.url)
    with pytest.raises(BadInput, match=r"^container engine unix://.* \(DOCKER_HOST\): Podman 4\.3\.1 answers"):
        engine.bring_up(print)
    assert not engine.answers() and "Podman" in str(engine.connection_problem())


def test_an_engine_that_cannot_limit_is_refused(fake: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.info["MemoryLimit"] = False
    monkeypatch.setenv("DOCKER_HOST", fake.url)
    with pytest.raises(BadInput, match=r"it can't limit memory; give it the cgroup controllers"):
        engine.bring_up(print)


def test_selinux_disables_the_labels_of_containers(fake: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", fake.url)
    assert "label=disable" not in limits.security_options(SuiteProfile.STRICT)
    engine.reset_connection()
    fake.info["SecurityOptions"] = ["name=seccomp,profile=default", "name=selinux"]
    lines: list[str] = []
    engine.bring_up(lines.append)
    assert [line for line in lines if line.startswith("SELinux is on: ")]
    for profile in SuiteProfile:
        assert limits.security_options(profile)[-1] == "label=disable"


def until(ttl: int) -> str:
    return engine.container_labels("run", ttl)[engine.UNTIL]


def test_a_container_is_over_when_its_time_and_some_more_are() -> None:
    assert not engine.is_overdue(until(60), 0.0)
    assert not engine.is_overdue(until(-60), 600.0)
    assert engine.is_overdue(until(-700), 600.0)


def test_a_jump_of_the_calendars_clock_makes_none_overdue() -> None:
    _, monotonic, boot = until(60).split()
    assert not engine.is_overdue(f"0 {monotonic} {boot}", 0.0)


def test_after_another_boot_the_calendar_decides() -> None:
    assert engine.is_overdue(f"{time.time() - 700:.0f} 999999999 another-boot", 600.0)
    assert not engine.is_overdue(f"{time.time():.0f} 0 another-boot", 600.0)


def test_older_labels_are_understood() -> None:
    assert engine.is_overdue(str(int(time.time()) - 700), 600.0) and not engine.is_overdue(str(int(time.time())), 600.0)


def test_what_a_process_makes_carries_its_id() -> None:
    assert engine.owner_labels("run").keys() == {engine.LABEL, engine.WORKER}
