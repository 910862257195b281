"""Serve the pages until interrupted."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import uvicorn

from evolve.core.errors import BadInput
from evolve.web.address import Address, open_socket
from evolve.web.app import create_app
from evolve.web.security import TOKEN, Keys, new_secret

# Open pages hold a connection for events, which would keep the server from ending.
SHUTDOWN_SECONDS = 1


def serve(runs: Path, address: Address, needs_token: bool, say: Callable[[str], None]) -> None:
    """Serve the results of a folder until interrupted, and say once where.

    Args:
        needs_token: Ask for a token on loopback too; any other address always needs one.

    Raises:
        BadInput: The folder is none, or the address can't be listened on.
    """
    if runs.exists() and not runs.is_dir():
        raise BadInput(str(runs), "is not a folder", "give the folder of the results with --runs")
    keys = Keys(new_secret() if needs_token or not address.is_loopback else None)
    with contextlib.closing(open_socket(address)) as listening:
        url = address.url(listening.getsockname()[1])
        say(f"{url}?{TOKEN}={keys.access}" if keys.access else url)
        config = uvicorn.Config(
            create_app(runs, address, keys),
            log_level="warning",
            server_header=False,
            ws="none",
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        )
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listening])
