"""Servers in containers, for tests of allowlists: plain and TLS, and one that speaks first."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from evolve.core.records import SandboxSpec
from evolve.sandbox import egress, engine

OWNER = f"evolve-servers-{os.getpid()}"
HTTP, TLS, BANNER, ODD = 80, 443, 2222, 8123
SERVER = """
import http.server, socket, socketserver, ssl, threading
heard = open("/tmp/heard", "a", buffering=1)
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = f"{NAME} {self.headers.get('Host')}".encode()
        print(self.path, file=heard)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *parts): pass
class Banner(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(b"SSH-2.0-" + NAME.encode() + b"\\r\\n")
        while data := self.request.recv(99):
            self.request.sendall(data.upper())
def names(packet, address): print("dns", packet, file=heard)
def dns():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
        end.bind(("", 53))
        while True: names(*end.recvfrom(999))
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/certificate.pem")
secure = http.server.ThreadingHTTPServer(("", 443), Handler)
secure.socket = context.wrap_socket(secure.socket, server_side=True)
servers = [http.server.ThreadingHTTPServer(("", port), Handler) for port in (80, 8123)]
for server in (*servers, secure, socketserver.ThreadingTCPServer(("", 2222), Banner)):
    threading.Thread(target=server.serve_forever).start()
dns()
"""


@dataclass(frozen=True)
class Server:
    """A running server and its address in the engine's network."""

    id: str
    address: str

    def heard(self) -> str:
        """The paths that it was asked for, and packets to its port 53."""
        return docker("exec", self.id, "cat", "/tmp/heard")


def docker(*words: str) -> str:
    return subprocess.run(["docker", *words], check=True, capture_output=True, text=True).stdout.strip()


def address_of_this_machine() -> str:
    """In the engine's bridge. An engine that has just made the bridge names no gateway: it took the first address."""
    (bridge,) = json.loads(docker("network", "inspect", "bridge"))
    (addresses,) = [config for config in bridge["IPAM"]["Config"] if ":" not in config["Subnet"]]
    return addresses.get("Gateway") or str(next(ipaddress.ip_network(addresses["Subnet"]).hosts()))


def certificate(folder: Path) -> Path:
    """A key and a certificate that nobody trusts, in one file."""
    file = folder / "certificate.pem"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=server", "-days", "2"]
    subprocess.run([*words, "-keyout", str(file), "-out", f"{file}.crt"], check=True, capture_output=True)
    file.write_text(file.read_text() + Path(f"{file}.crt").read_text())
    file.chmod(0o644)
    return file


@contextlib.contextmanager
def servers(base: str, folder: Path, *names: str) -> Iterator[Mapping[str, Server]]:
    """Servers by name; they say it."""
    file, made = certificate(folder), {}
    labels = [word for key, value in engine.owner_labels(OWNER).items() for word in ("--label", f"{key}={value}")]
    try:
        for name in names:
            mounts = ["-v", f"{file}:/certificate.pem:ro"]
            program = f"NAME = {json.dumps(name)}\n{SERVER}"
            id = docker("run", "-d", *labels, *mounts, base, "python3", "-c", program)
            made[name] = Server(id, docker("inspect", "-f", "{{.NetworkSettings.IPAddress}}", id))
        for server in made.values():
            _wait(server)
        yield made
    finally:
        for server in made.values():
            docker("rm", "-f", server.id)


def _wait(server: Server) -> None:
    ask = "import urllib.request as u; u.urlopen('http://127.0.0.1:8123/ready')"
    for _ in range(50):
        if subprocess.run(["docker", "exec", server.id, "python3", "-c", ask], capture_output=True).returncode == 0:
            return
        time.sleep(0.2)
    raise AssertionError("the server did not start")


@contextlib.contextmanager
def known_names(addresses: Mapping[str, str]) -> Iterator[None]:
    """Let the proxies of allowlists find these names, as if the engine's resolver knew them."""
    real = egress.host_config

    def named(spec: SandboxSpec, *words: Any, **more: Any) -> dict[str, Any]:
        hosts = {"extra_hosts": dict(addresses)} if spec.network else {}
        return real(spec, *words, **{**more, **hosts})

    with mock.patch.object(egress, "host_config", named):
        yield
