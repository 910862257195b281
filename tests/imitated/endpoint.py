"""An imitated endpoint from a test's side."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from evolve.core.records import ModelSpec

ROOT = Path(__file__).parents[2]
MODEL = "m"
NO_KEY = "EVOLVE_TEST_NO_KEY"
# The catalogue's unit of time in tests.
SECONDS = 0.15


class ImitatedEndpoint:
    """One endpoint of a server process. `base_url`: for clients; no key is needed."""

    def __init__(self, root: str) -> None:
        self._root = root
        self.base_url = f"{root}/v1"

    def spec(self, **changes: Any) -> ModelSpec:
        fields: dict[str, Any] = {"name": MODEL, "base_url": self.base_url, "key_variable": NO_KEY}
        return ModelSpec(**(fields | changes))

    def ledger(self) -> dict[str, Any]:
        """What it counted itself: `calls`, `billed` tokens and `refused` requests per reason."""
        ledger: dict[str, Any] = self._call("/ledger")
        return ledger

    def requests(self) -> list[dict[str, Any]]:
        """The bodies of all requests for completions."""
        requests: list[dict[str, Any]] = self._call("/requests")
        return requests

    def reset(self) -> None:
        self._call("/reset", b"{}")

    def _call(self, path: str, data: bytes | None = None) -> Any:
        with urllib.request.urlopen(self._root + path, data, timeout=20) as answer:
            return json.load(answer)


class ImitatedEndpoints:
    """A server process with all endpoints of the catalogue."""

    def __init__(self, port: int) -> None:
        self._root = f"http://127.0.0.1:{port}"

    def endpoint(self, name: str) -> ImitatedEndpoint:
        """The endpoint of this name, with an empty ledger."""
        endpoint = ImitatedEndpoint(f"{self._root}/{name}")
        endpoint.reset()
        return endpoint


@contextmanager
def imitated(seconds: float = 1.0) -> Iterator[ImitatedEndpoints]:
    """A server process that ends with the block. seconds: the catalogue's unit of time."""
    command = [sys.executable, "-m", "tests.imitated.server", "openai-gpt5", "--seconds", f"{seconds:g}"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield ImitatedEndpoints(int(process.stdout.readline()))
        finally:
            process.kill()
