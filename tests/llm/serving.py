"""Servers that we did not write, each in a process of its own, and the command at work with them."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Any

from tests.e2e.marked import ROOT

LITELLM = ROOT / os.environ.get("LITELLM", "build/litellm-venv/bin/litellm")
# As the proxy's profile names it.
KEY_VARIABLE = "LITELLM_API_KEY"
PROXY_CONFIG = """model_list:
  - model_name: embedded
    litellm_params: {{model: openai/embedded, api_base: "{url}", api_key: none}}
  - model_name: lab/*
    litellm_params: {{model: openai/*, api_base: "{url}", api_key: none}}
"""


def evolve(home: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder."""
    command = [sys.executable, "-m", "evolve", *words]
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("OPENAI_", "EVOLVE_"))}
    environment |= {"PYTHONPATH": str(ROOT), "COLUMNS": "200", **variables}
    return subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, timeout=3000, check=False)


@contextlib.contextmanager
def process(command: list[str], log: Path, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process until the block ends; what it prints goes to the log."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    with log.open("wb") as output:
        child = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
    try:
        yield child
    finally:
        child.terminate()
        child.wait(30)


@contextlib.contextmanager
def served_file(folder: Path) -> Iterator[str]:
    """`evolve local serve`; yields its base URL."""
    log = folder / "llamacpp.log"
    with process([sys.executable, "-m", "evolve", "local", "serve", "--port", "0"], log):
        deadline = time.monotonic() + 120
        while not (url := re.search(r" at (http\S+)\n", log.read_text())):
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        yield url[1]


@contextlib.contextmanager
def served_embedded(folder: Path) -> Iterator[str]:
    """`evolve embedded serve`; yields its base URL."""
    port = free_port()
    command = [sys.executable, "-m", "evolve", "embedded", "serve", "--port", str(port)]
    with process(command, folder / "embedded.log"):
        wait_for(f"http://127.0.0.1:{port}/v1/models")
        yield f"http://127.0.0.1:{port}/v1"


@contextlib.contextmanager
def litellm_proxy(folder: Path, upstream: str) -> Iterator[tuple[str, str]]:
    """LiteLLM's proxy in front of an endpoint; yields its base URL and its key."""
    config, port, key = folder / "litellm.yaml", free_port(), f"sk-{secrets.token_hex(24)}"
    config.write_text(PROXY_CONFIG.format(url=upstream))
    command = [str(LITELLM), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    variables = {"LITELLM_MASTER_KEY": key, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    with process(command, folder / "litellm.log", **variables):
        wait_for(f"http://127.0.0.1:{port}/health/liveliness")
        yield f"http://127.0.0.1:{port}/v1", key


class Counter:
    """Passes requests on to a server, and keeps the status and the length of each answer to a call."""

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream.removesuffix("/v1")
        self.statuses: list[int] = []
        self.lock = Lock()

    def pass_on(self, handler: BaseHTTPRequestHandler) -> None:
        size = int(handler.headers.get("content-length") or 0)
        request = urllib.request.Request(
            self.upstream + handler.path,
            handler.rfile.read(size) or None,
            {"content-type": "application/json"},
            method=handler.command,
        )
        try:
            with urllib.request.urlopen(request, timeout=1800) as answer:
                status, kind, body = answer.status, answer.headers["content-type"], answer.read()
        except urllib.error.HTTPError as error:
            status, kind, body = error.code, error.headers["content-type"], error.read()
        if handler.command == "POST":
            with self.lock:
                self.statuses.append(status)
        handler.send_response(status)
        handler.send_header("content-type", kind)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)


@contextlib.contextmanager
def counting(upstream: str) -> Iterator[tuple[str, Counter]]:
    """A server that passes everything on; yields its base URL and what it counts."""
    counter = Counter(upstream)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            counter.pass_on(self)

        def do_POST(self) -> None:
            counter.pass_on(self)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1", counter
        server.shutdown()


def metrics(url: str) -> Mapping[str, int]:
    """llama.cpp's own counts, by name."""
    with urllib.request.urlopen(f"{url.removesuffix('/v1')}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return {name: int(float(value)) for name, value in re.findall(r"^llamacpp:(\w+_total) (\S+)$", text, re.MULTILINE)}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def wait_for(url: str) -> None:
    deadline = time.monotonic() + 180
    while True:
        try:
            urllib.request.urlopen(url, timeout=10).close()
            return
        except OSError:
            assert time.monotonic() < deadline, f"{url} does not answer"
            time.sleep(0.5)


def bundled_tasks(folder: Path, train: str, validation: str) -> None:
    """A suite of two of the bundled tasks."""
    source = ROOT / "tasks" / "bugfix"
    for name in (train, validation, "_verifier"):
        shutil.copytree(source / name, folder / name)
    (folder / "suite.toml").write_text(f'[splits]\ntrain = ["{train}"]\nvalidation = ["{validation}"]\n')
