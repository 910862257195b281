"""The endpoint of `faulty_server`, from a test's side."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from evolve.core.records import ModelSpec
from tests.faults.faulty_server import Plan

ROOT = Path(__file__).parents[2]


class FaultyEndpoint:
    """One server process, which fails by the plan that it was given last."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._root = f"http://127.0.0.1:{port}"

    def begin(self, plan: Plan) -> None:
        self._call("/plan", json.dumps(asdict(plan)).encode())

    def counts(self) -> dict[str, Any]:
        """Since the plan was given: see `Counts.told`."""
        told: dict[str, Any] = self._call("/counts")
        return told

    def spec(self, **changes: Any) -> ModelSpec:
        fields: dict[str, Any] = {"name": "embedded", "base_url": f"{self._root}/v1", "key_variable": "EVOLVE_NO_KEY"}
        return ModelSpec(**(fields | changes))

    def _call(self, path: str, data: bytes | None = None) -> Any:
        with urllib.request.urlopen(self._root + path, data, timeout=20) as answer:
            return json.load(answer)


@contextmanager
def faulty_endpoint() -> Iterator[FaultyEndpoint]:
    """A server process that ends with the block; it does not fail before it has a plan."""
    command = [sys.executable, "-m", "tests.faults.faulty_server"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield FaultyEndpoint(int(process.stdout.readline()))
        finally:
            process.kill()
