"""A forwarder: from the loopback of a container without a network, or with one, to one socket of the host."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest

from evolve.core.errors import BadInput, InfraError
from evolve.core.records import SandboxSpec, TaskImage
from evolve.sandbox import engine, images
from evolve.sandbox.container import Container
from evolve.sandbox.forwarder import PORTS, Forwarder, refuse_own_kernels, start_forwarder
from evolve.sandbox.resources import TrialResources, acquire_resources
from evolve.sandbox.task_containers import task_container
from evolve.sandbox.task_state import TaskState

from .conftest import OWNER

pytestmark = pytest.mark.docker
SPEC = SandboxSpec(memory_mb=128, disk_mb=32)
ASK = "import socket; s = socket.create_connection(('127.0.0.1', {}), 5); s.sendall(b'hi'); print(s.recv(99).decode())"
MANY = (
    "import socket\nheld = [socket.create_connection(('127.0.0.1', {0}), 5) for _ in range(400)]\n"
    "for one in held: one.close()\n"
)
LISTENERS = (
    "for line in [*open('/proc/net/tcp')][1:]:\n    if line.split()[3] == '0A': print(line.split()[1])\n"
    "print(*[line.split()[7] for line in [*open('/proc/net/unix')][1:] if len(line.split()) > 7])"
)
TAKE = "import socket, time; s = socket.create_server(('127.0.0.1', 8111)); print('taken', flush=True); time.sleep(60)"


class Greeting(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        if said := self.request.recv(99):
            self.request.sendall(b"hello, " + said)


class Place:
    """A trial's folder with a server at the socket, and containers of that trial."""

    def __init__(self, base: str, resources: TrialResources, stack: ExitStack) -> None:
        self.base, self.resources, self.stack = base, resources, stack

    def neighbour(self, network: bool = False) -> tuple[TaskState, Container]:
        state = TaskState(OWNER, TaskImage(self.base, "/tmp"), replace(SPEC, network=network), resources=self.resources)
        container = task_container(state, 60)
        self.stack.callback(state.remove)
        self.stack.callback(container.kill)
        return state, container

    def forwarder(self, neighbour: Container) -> Forwarder:
        made = start_forwarder(OWNER, self.base, neighbour, self.resources.door / "gateway.sock", 60, self.resources)
        self.stack.callback(made.kill)
        return made


@pytest.fixture
def place(swept: str) -> Iterator[Place]:
    with ExitStack() as stack:
        resources = acquire_resources(OWNER, f"forwarder {threading.get_ident()}")
        server = stack.enter_context(
            socketserver.ThreadingUnixStreamServer(str(resources.door / "gateway.sock"), Greeting)
        )
        (resources.door / "gateway.sock").chmod(0o666)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        stack.callback(server.shutdown)
        yield Place(images.base_image(print), resources, stack)
    resources.remove()


def python(state: TaskState, container: Container, code: str) -> str:
    shell = container.shell(state.user, "/")
    try:
        done = shell.run("python3 -", stdin=code.encode())
        return (done.stdout + done.stderr).decode()
    finally:
        shell.close()


@pytest.mark.parametrize("network", [False, True])
def test_the_loopback_leads_to_the_socket(place: Place, network: bool) -> None:
    state, container = place.neighbour(network)
    forwarder = place.forwarder(container)
    assert forwarder.url == f"http://127.0.0.1:{PORTS[0]}"
    assert python(state, container, ASK.format(forwarder.port)) == "hello, hi\n"
    container.connect(False)
    assert python(state, container, ASK.format(forwarder.port)) == "hello, hi\n"


def test_nothing_else_becomes_reachable(place: Place) -> None:
    state, container = place.neighbour()
    before = python(state, container, LISTENERS)
    forwarder = place.forwarder(container)
    assert before == "\n" and python(state, container, LISTENERS) == f"0100007F:{forwarder.port:04X}\n\n"
    shell = container.shell(state.user, "/")
    assert (
        shell.run("ls -d /run/evolve /opt/evolve; ip route; cat /proc/net/route; ps ax").stdout.count(b"forward") == 0
    )
    shell.close()
    facts = container.client.api.inspect_container(forwarder.container.id)
    config = facts["HostConfig"]
    assert (config["CapDrop"], config["ReadonlyRootfs"], facts["Config"]["User"]) == (["ALL"], True, "65534:65534")
    assert config["Memory"] == 64 << 20 and config["PidsLimit"] == 256 and not config["Privileged"]
    assert {mount["Destination"]: mount["RW"] for mount in facts["Mounts"]} == {
        "/opt/evolve": False,
        "/run/evolve": False,
    }


def test_a_flood_of_connections_ends_with_itself(place: Place) -> None:
    state, container = place.neighbour()
    forwarder = place.forwarder(container)
    python(state, container, MANY.format(forwarder.port))
    assert python(state, container, ASK.format(forwarder.port)) == "hello, hi\n"


def test_a_port_in_use_is_avoided(place: Place) -> None:
    state, container = place.neighbour()
    shell = container.shell(state.user, "/")
    shell.run(f'nohup python3 -c "{TAKE}" >/tmp/out 2>&1 & until grep -q taken /tmp/out; do sleep 0.05; done')
    forwarder = place.forwarder(container)
    assert forwarder.port != PORTS[0]
    assert python(state, container, ASK.format(forwarder.port)) == "hello, hi\n"
    shell.close()


def test_a_sweep_finds_it(place: Place) -> None:
    _, container = place.neighbour()
    forwarder = place.forwarder(container)
    assert engine.sweep(OWNER) >= 2
    assert forwarder.container.id not in {row["Id"] for row in container.client.api.containers(all=True)}


def test_without_its_neighbour_nothing_is_left(place: Place) -> None:
    _, container = place.neighbour()
    container.kill()
    with pytest.raises(InfraError):
        place.forwarder(container)


def test_a_runtime_with_kernels_of_its_own_is_refused() -> None:
    refuse_own_kernels(None)
    refuse_own_kernels("crun")
    with pytest.raises(BadInput, match="runsc"):
        refuse_own_kernels("runsc")
