"""Attacks of agents that run in the task's container: other trials, the host, the verifier, and their own record."""

from __future__ import annotations

import contextlib
import socketserver
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from docker.types import Mount

from evolve.core.launch import Launch, Place
from evolve.core.records import Limits, Outcome, SandboxSpec, ScaffoldSource, TaskImage, TrialResult, TrialSpec
from evolve.sandbox import agent_process
from evolve.sandbox.forwarder import start_forwarder
from evolve.sandbox.inside import DOOR_HOME, ROOT
from evolve.sandbox.resources import acquire_resources
from evolve.sandbox.task_containers import task_container
from evolve.sandbox.task_state import TaskState
from evolve.trial import run, trajectory
from evolve.trial.changes import STATE

from . import weakened
from .conftest import OWNER, Arena
from .hostile import SOLUTION
from .test_processes import SLOW
from .test_shared import Attack, written

pytestmark = pytest.mark.docker
GOT = "GOT IT"
SECRET = "sk-not-for-you"
TRY = """
import glob, os, socket
def door_of(path):
    door = socket.socket(socket.AF_UNIX)
    try:
        door.connect(path)
        door.sendall(b"GET /evolve/task HTTP/1.0\\r\\n\\r\\n")
        return b"instruction" in door.makefile("rb").read()
    except OSError:
        return False
try:
    got = bool({attack})
except Exception as error:
    got = print(type(error).__name__, error)
if got:
    print({got!r})
raise SystemExit(1)
"""


def in_task(spec: TrialSpec, *command: str) -> TrialSpec:
    """The trial with its agent in the task's container."""
    launch = Launch(Place.TASK, command or ("python3", "/scaffold/main.py"))
    return replace(spec, scaffold=ScaffoldSource(spec.scaffold.folder, "", spec.scaffold.image, launch))


def with_mount(source: str, target: str) -> AbstractContextManager[None]:
    def change(host: weakened.Host) -> None:
        host["Mounts"].append(Mount(target, source, type="bind"))

    return weakened.containers("scaffold", change)


def writable_files() -> AbstractContextManager[None]:
    def change(host: weakened.Host) -> None:
        for mount in host["Mounts"]:
            if mount["Target"] in ("/scaffold", DOOR_HOME):
                mount["ReadOnly"] = False
                Path(mount["Source"]).chmod(0o777)
                for file in Path(mount["Source"]).iterdir():
                    file.chmod(0o666)

    return weakened.containers("scaffold", change)


@dataclass(frozen=True)
class Reach:
    """An expression that is true for the agent where the attack succeeds, and the hole that lets it."""

    attack: str
    hole: Callable[[Arena], AbstractContextManager[object]]


ENGINE = "/var/run/docker.sock"
REACHES = {
    "a gateway's socket": Reach(
        "any(door_of(path) for top in ('/run', '/tmp', '/host') for path in glob.glob(top + '/*/door/gateway.sock'))",
        lambda arena: with_mount(tempfile.gettempdir(), "/host"),
    ),
    "the engine": Reach(
        f"socket.socket(socket.AF_UNIX).connect({ENGINE!r}) is None", lambda arena: with_mount(ENGINE, ENGINE)
    ),
    "its own code": Reach("open('/scaffold/main.py', 'a').write('#')", lambda arena: writable_files()),
    "its instruction": Reach("open('/opt/evolve/instruction.md', 'a').write('x')", lambda arena: writable_files()),
    "the tests": Reach(
        "open('/tests/test_hidden.py').read()", lambda arena: with_mount(str(arena.task.folder / "tests"), "/tests")
    ),
    "the key": Reach(
        f"any({SECRET!r} in value for value in os.environ.values())",
        lambda arena: weakened.containers("scaffold", environment={"MY_KEY": SECRET}),
    ),
}


@pytest.mark.parametrize("is_weakened", [True, False])
@pytest.mark.parametrize("name", REACHES)
def test_what_it_reaches(arena: Arena, name: str, is_weakened: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    reach = REACHES[name]
    with ExitStack() as stack:
        if is_weakened:
            stack.enter_context(reach.hole(arena))
            if name in ("the engine", "the tests", "its instruction"):
                stack.enter_context(mock.patch.object(TaskState, "user", ROOT))
                stack.enter_context(weakened.containers("scaffold", weakened.setting(CapDrop=[]), user=ROOT))
        result = run.run_trial(in_task(arena.spec(TRY.format(attack=reach.attack, got=GOT))))
    assert result.outcome is Outcome.SCAFFOLD_ERROR, result.detail
    assert (GOT in result.detail) is is_weakened, result.detail


class Answering(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        self.request.sendall(b"the other trial's")


@contextlib.contextmanager
def neighbours(arena: Arena, address: str) -> Iterator[tuple[str, Any]]:
    """The network address of one trial's container with a way to its gateway, and a shell in another's."""
    with ExitStack() as stack:
        spec, containers = SandboxSpec(memory_mb=128, disk_mb=32, network=True), []
        for name in ("one", "other"):
            resources = acquire_resources(OWNER, f"{name} {threading.get_ident()}")
            stack.callback(resources.remove)
            state = TaskState(OWNER, TaskImage(arena.base, "/tmp"), spec, resources=resources)
            containers.append((task_container(state, 60), state))
            stack.callback(state.remove)
            stack.callback(containers[-1][0].kill)
        resources = containers[0][1].resources
        assert resources is not None
        script = resources.files / "forward.py"
        script.write_text(script.read_text().replace("127.0.0.1", address))
        socket_path = resources.door / "gateway.sock"
        server = stack.enter_context(socketserver.ThreadingUnixStreamServer(str(socket_path), Answering))
        socket_path.chmod(0o666)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        stack.callback(server.shutdown)
        forwarder = start_forwarder(OWNER, arena.base, containers[0][0], socket_path, 60, resources)
        stack.callback(forwarder.kill)
        one, (other, state) = containers[0][0], containers[1]
        networks = one.client.api.inspect_container(one.id)["NetworkSettings"]["Networks"]
        shell = other.shell(state.user, "/")
        stack.callback(shell.close)
        yield f"{networks['bridge']['IPAddress']}:{forwarder.port}", shell


@pytest.mark.parametrize("is_weakened", [True, False])
def test_another_trials_gateway_is_not_on_the_network(arena: Arena, is_weakened: bool) -> None:
    with neighbours(arena, "0.0.0.0" if is_weakened else "127.0.0.1") as (address, shell):
        host, _, port = address.partition(":")
        code = f"import socket; print(socket.create_connection(({host!r}, {port}), 3).recv(99))"
        seen = shell.run(f'python3 -c "{code}"').stdout
    assert (b"the other trial's" in seen) is is_weakened


# Waits until the agent has ended, and then puts the right answer in place again and again.
LATE = "(setsid sh -c 'sleep 2; while true; do cp /tmp/right /app/answer.py; sleep 0.1; done' >/dev/null 2>&1 &)"
PATIENT = SLOW.replace("sleep 1", "sleep 5")


@pytest.mark.parametrize("is_weakened", [True, False])
def test_its_processes_are_dead_before_the_tests(arena: Arena, is_weakened: bool) -> None:
    spec = arena.spec("", task=arena.judged_by(test_sh=PATIENT))
    command = f"printf '%s' '{SOLUTION}' > /tmp/right; {LATE}; true"
    with weakened.agent_lives_on() if is_weakened else contextlib.nullcontext():
        result = run.run_trial(in_task(spec, "sh", "-c", command))
    assert (result.outcome is Outcome.PASSED) is is_weakened, result.detail


@pytest.mark.parametrize("is_weakened", [True, False])
def test_in_a_shared_container_it_does_not_work_on(arena: Arena, tmp_path: Path, is_weakened: bool) -> None:
    attack = Attack("", "sleep 6; grep -q ok /app/out", contextlib.nullcontext())
    spec = replace(arena.spec(""), task=written(tmp_path / "task", attack), limits=Limits(calls=5, seconds=3))
    command = "(sleep 5; echo ok > /app/out) >/dev/null 2>&1 & sleep 60"
    with ExitStack() as stack:
        if is_weakened:
            stack.enter_context(mock.patch.object(run, "end_sessions"))
            stack.enter_context(mock.patch.object(agent_process, "end_sessions"))
        result = run.run_trial(in_task(spec, "sh", "-c", command))
    assert (result.reward == 1.0) is is_weakened, result.detail
    assert is_weakened or result.outcome is Outcome.TIMEOUT


@pytest.mark.parametrize("is_weakened", [True, False])
def test_a_flood_of_output_is_cut(arena: Arena, is_weakened: bool) -> None:
    spec = in_task(arena.spec(""), "sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x; exit 1")
    with mock.patch.object(agent_process, "LOG_BYTES", 10**9) if is_weakened else contextlib.nullcontext():
        result = run.run_trial(spec)
    assert result.outcome is Outcome.SCAFFOLD_ERROR and result.trajectory
    log = trajectory.load(arena.folder / result.trajectory.path)[0]["extra"]["log"]
    assert (len(log) > 1_000_000) is is_weakened


FLOOD = """
import os, threading, urllib.error, urllib.request
def ask():
    while True:
        try:
            urllib.request.urlopen(os.environ["OPENAI_BASE_URL"] + "/models", timeout=5).read()
        except OSError:
            pass
for _ in range(30):
    threading.Thread(target=ask, daemon=True).start()
import time; time.sleep(4)
raise SystemExit(1)
"""


def test_a_flood_of_requests_is_its_own_and_the_next_trial_runs(arena: Arena) -> None:
    first = run.run_trial(in_task(arena.spec(FLOOD)))
    assert first.counts and first.outcome is Outcome.SCAFFOLD_ERROR, first.detail
    second = run.run_trial(in_task(arena.spec("print('fine')\nraise SystemExit(1)")))
    assert "fine" in second.detail and second.seconds < 20


FORGE = """
import os
for number in (1, 2):
    for place in (f"/proc/{os.getppid()}/fd/{number}", "/proc/1/fd/1"):
        try:
            os.write(os.open(place, os.O_WRONLY), b"0\\n" * 40)
        except OSError:
            pass
open("answer.py", "w").write("changed = 1\\n")
try:
    open("/.evolve/workdir/answer.py", "w").write("changed = 1\\n")
except OSError:
    pass
raise SystemExit(1)
"""


def changes_of(arena: Arena, result: TrialResult) -> list[Any]:
    assert result.recording
    (event,) = (e for e in trajectory.load(arena.folder / result.recording.path) if e["kind"] == STATE)
    return list(event["changes"])


def test_a_forged_end_is_no_better_than_an_end_and_changes_are_seen(arena: Arena) -> None:
    """What it writes to whoever waits for its end can only say that it ended; what it changed, the engine reads."""
    result = run.run_trial(in_task(arena.spec(FORGE)))
    assert result.counts and result.reward == 0.0
    assert [row["path"] for row in changes_of(arena, result)] == ["answer.py"]
