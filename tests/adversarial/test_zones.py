"""What a scaffold and its commands can reach: the key, the network, the engine, the host's files, the tests."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest
from docker.types import Mount

from evolve.sandbox.inside import ROOT
from tests.integration.egress_servers import address_of_this_machine

from . import hostile, weakened
from .conftest import Arena

pytestmark = pytest.mark.docker
GOT = "GOT IT"
SECRET = "sk-not-for-you"
TRY = """
import ctypes, glob, os, socket, subprocess
import evolve_door as door
try:
    got = bool({attack})
except Exception as error:
    got = print(type(error).__name__, error)
if got:
    print({got!r})
raise SystemExit(1)
"""


def mounted(source: str, target: str) -> Callable[[weakened.Host], None]:
    def change(host: weakened.Host) -> None:
        host["Tmpfs"].pop(target, None)
        host["Mounts"].append(Mount(target, source, type="bind"))

    return change


def powerful(kind: str) -> AbstractContextManager[None]:
    weaker = weakened.setting(
        CapDrop=[], CapAdd=["SYS_ADMIN"], SecurityOpt=["seccomp=unconfined"], ReadonlyRootfs=False
    )
    return weakened.containers(kind, weaker, user=ROOT)


@contextlib.contextmanager
def writable_scaffold(arena: Arena) -> Iterator[None]:
    def weaker(host: weakened.Host) -> None:
        for mount in host["Mounts"]:
            mount["ReadOnly"] = False
            Path(mount["Source"]).chmod(0o777)

    with weakened.containers("scaffold", weaker, user=ROOT):
        yield


@dataclass(frozen=True)
class Reach:
    """An expression that is true in the scaffold where the attack succeeds, and the hole that lets it."""

    attack: str
    hole: Callable[[Arena], AbstractContextManager[object]]


def in_task(command: str) -> str:
    return f"door.run({command!r}).exit_code == 0"


def bridged(_: Arena) -> AbstractContextManager[object]:
    return weakened.containers("scaffold", weakened.setting(NetworkMode="bridge"), network_disabled=False)


ENGINE = "/var/run/docker.sock"
REACHES = {
    "the key": Reach(
        f"any({SECRET!r}.encode() in open(p, 'rb').read() for p in ['/proc/self/environ', '/proc/1/environ'])",
        lambda arena: weakened.containers("scaffold", environment={"OPENAI_API_KEY": SECRET}),
    ),
    "the network": Reach("socket.create_connection(('HOST', PORT), timeout=3)", bridged),
    "the engine": Reach(
        f"socket.socket(socket.AF_UNIX).connect({ENGINE!r}) is None",
        lambda arena: weakened.containers("scaffold", mounted(ENGINE, ENGINE), user=ROOT),
    ),
    "its own code": Reach("open('/scaffold/main.py', 'a').write('#')", writable_scaffold),
    "the root file system": Reach("open('/etc/passwd', 'a').write('x')", lambda arena: powerful("scaffold")),
    "a mount": Reach(
        "ctypes.CDLL(None).mount(b'none', b'/tmp', b'tmpfs', 0, None) == 0", lambda arena: powerful("scaffold")
    ),
    "a namespace": Reach("ctypes.CDLL(None).unshare(0x00020000) == 0", lambda arena: powerful("scaffold")),
    "a device": Reach("os.mknod('/tmp/d', 0o20666, os.makedev(1, 5)) is None", lambda arena: powerful("scaffold")),
    "the task's name": Reach("'tiny' in str(door.task())", lambda arena: weakened.named_tasks()),
    "the tests": Reach(
        in_task("cat /tests/test_hidden.py"),
        lambda arena: weakened.containers("task", mounted(str(arena.task.folder / "tests"), "/tests")),
    ),
    "the solution": Reach(
        in_task("cat /solution/answer.py"),
        lambda arena: weakened.containers("task", mounted(str(arena.task.folder / "solution"), "/solution")),
    ),
    "the host's files": Reach(
        "'secret' in door.read('../../../../../FOLDER/secret')",
        lambda arena: weakened.commands_on_the_host(arena.folder),
    ),
    "root in the task": Reach(in_task("touch /etc/evil"), lambda arena: powerful("task")),
}


@contextlib.contextmanager
def listener() -> Iterator[tuple[str, int]]:
    """A service of the host's, at its address on the engine's bridge."""
    with socket.create_server(("0.0.0.0", 0)) as server:
        threading.Thread(target=_take_two, args=(server,), daemon=True).start()
        yield address_of_this_machine(), server.getsockname()[1]


def _take_two(server: socket.socket) -> None:
    """Two connections, or as many as come before it is closed."""
    with contextlib.suppress(OSError):
        for _ in range(2):
            server.accept()


def attack_of(reach: Reach, arena: Arena, stack: ExitStack) -> str:
    (arena.folder / "secret").write_text("secret")
    host, port = stack.enter_context(listener())
    text = reach.attack.replace("HOST", host).replace("PORT", str(port)).replace("FOLDER", str(arena.folder)[1:])
    return TRY.format(attack=text, got=GOT)


@pytest.mark.parametrize("name", REACHES)
def test_with_a_hole_it_is_reached(arena: Arena, name: str) -> None:
    with ExitStack() as stack:
        main = attack_of(REACHES[name], arena, stack)
        if name == "root in the task":
            stack.enter_context(mock.patch.object(weakened.TaskState, "user", ROOT))
        assert GOT in arena.run(main, REACHES[name].hole(arena)).detail


@pytest.mark.parametrize("name", REACHES)
def test_without_one_it_is_not(arena: Arena, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    with ExitStack() as stack:
        result = arena.run(attack_of(REACHES[name], arena, stack))
    assert result.counts and GOT not in result.detail
    assert SECRET not in result.detail


def test_what_a_trial_leaves_is_not_there_in_the_next(arena: Arena) -> None:
    first = arena.run(hostile.commands("echo x > /tmp/left; echo x > /app/left", status=1))
    second = arena.run(hostile.commands("ls /tmp/left /app/left && echo GOT IT", status=1))
    assert first.counts and second.counts and "No such file" in second.detail
