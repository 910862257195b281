"""The command that serves the results as pages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evolve.web.address import Address
from evolve.web.server import serve


def serve_ui(runs: Path, host: str, port: int, names: Sequence[str], token: bool) -> None:
    """Serve until interrupted. Raises BadInput where it can't listen."""
    serve(runs.resolve(), Address(host, port, tuple(names)), token, lambda line: print(line, flush=True))
