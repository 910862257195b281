"""Attacks of agents by way of the services that a task has beside their container."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from unittest import mock

import pytest

from evolve.sandbox import services
from evolve.sandbox.container import Container
from tests.integration.conftest import OWNER, base, swept
from tests.integration.harbor_tasks import Small, solved

pytestmark = pytest.mark.docker
FIXTURES = (base, swept)
COMPOSE = "environment/docker-compose.yaml"
# Asks an address for a port that nobody has: who refuses was reached. 172.17.0.1 is the host in the engine's network.
KNOCK = """
import errno, socket
def is_reached(address):
    try:
        socket.create_connection((address, 9), 2).close()
    except OSError as error:
        return error.errno == errno.ECONNREFUSED
    return True
"""
HOST_OF_NETWORK = (
    KNOCK
    + """
own = socket.gethostbyname(socket.gethostname()).split(".")
print("reached" if is_reached(".".join([*own[:3], "1"])) else "not")
"""
)
RELAY = (
    KNOCK
    + """
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        answer = b"reached" if is_reached("172.17.0.1") else b"not"
        self.send_response(200)
        self.end_headers()
        self.wfile.write(answer)
http.server.HTTPServer(("0.0.0.0", 8000), Handler).serve_forever()
"""
)
SIDE = "services:\n  side:\n    image: evolve/base:python3\n    volumes: ['./relay.py:/relay.py:ro']\n    command: {}\n"
ASK = "import urllib.request as u; print(u.urlopen('http://side:8000/', timeout=9).read().decode())"
Attack = tuple[Small, Callable[[], AbstractContextManager[object]]]


def with_side(command: str, toml: str, program: str, solve: str) -> Small:
    more = {COMPOSE: SIDE.format(command), "environment/relay.py": program, "environment/attack.py": solve}
    dockerfile = "ARG BASE=python:3.11-slim\nFROM ${BASE}\nWORKDIR /app\nCOPY attack.py /attack.py\n"
    run = "for try in 1 2 3; do python3 /attack.py > /app/out && break; sleep 1; done"
    return Small(test="grep -q ^reached /app/out", solve=run, toml=toml, dockerfile=dockerfile, more=more)


ATTACKS: dict[str, Attack] = {
    "services of the host, in the network of the trial": (
        with_side("sleep infinity", "[environment]\nnetwork_mode = 'no-network'\n", "", HOST_OF_NETWORK),
        lambda: mock.patch.object(services, "NO_HOST", {}),
    ),
    "a service as the way out of a phase without a network": (
        with_side("python3 /relay.py", "[agent]\nnetwork_mode = 'no-network'\n", RELAY, ASK),
        lambda: mock.patch.object(services.ServiceContainer, "connect", lambda one, _: Container.connect(one, True)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", list(ATTACKS))
@pytest.mark.parametrize("weakened", [True, False])
def test_services_open_no_way_out(tmp_path: Path, base: str, swept: str, name: str, weakened: bool) -> None:
    small, hole = ATTACKS[name]
    with hole() if weakened else nullcontext():
        judgement = solved(small.spec(tmp_path / "task", base, OWNER))
    assert judgement.reward == float(weakened), judgement
