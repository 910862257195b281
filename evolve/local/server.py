"""Start llama.cpp's server as a child process, wait until it answers, and stop it."""

from __future__ import annotations

import contextlib
import os
import re
import select
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from evolve.core.errors import BadInput
from evolve.local.files import check_installed

# A model of several gigabytes on a slow disk takes minutes to load.
START_SECONDS = 600.0
PROGRAM = "evolve.local.llamacpp"
# How llama.cpp begins an error in its log.
ERROR_LINE = re.compile(r"^[\d.]+ E +(.+)$", re.MULTILINE)


@dataclass(frozen=True)
class LocalServer:
    """A running server.

    Attributes:
        name: Its model's name: that of the file, without its ending.
        url: The base URL of its OpenAI-compatible API.
        process: The child process that serves.
    """

    name: str
    url: str
    process: subprocess.Popen[bytes]


@contextlib.contextmanager
def running_server(file: Path, port: int = 0) -> Iterator[LocalServer]:
    """Serve a GGUF file on a loopback port until the block ends.

    The server dies with the thread that started it, however that ends.

    Args:
        file: The model.
        port: TCP port; 0: any free one.

    Raises:
        BadInput: llama.cpp is not installed, can't load the file, or the port is in use.
    """
    check_installed()
    with tempfile.TemporaryFile() as log, _child(file, port, log) as (process, pipe):
        url = _address(pipe)
        if not url:
            raise BadInput(
                f"local_file {file}", f"llama.cpp can't serve it: {_reason(log)}", "use another file or port"
            )
        yield LocalServer(file.stem, f"{url}/v1", process)


@contextlib.contextmanager
def _child(file: Path, port: int, log: IO[bytes]) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The server's process, and the pipe that gets its address."""
    reading, writing = os.pipe()
    command = [sys.executable, "-m", PROGRAM, str(file), str(port), str(writing), str(os.getpid())]
    try:
        # Its standard input is a pipe that ends with this process.
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=log, stderr=log, pass_fds=[writing], env=_environment()
        )
    finally:
        os.close(writing)
    try:
        yield process, reading
    finally:
        os.close(reading)
        # It holds nothing that must be saved.
        process.kill()
        process.communicate()


def _environment() -> dict[str, str]:
    """The child imports what this process imports, wherever that lies."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def _address(pipe: int) -> str:
    """The address that the server writes when it answers; "" if it ends before that, or takes too long."""
    text = b""
    while select.select([pipe], [], [], START_SECONDS)[0]:
        piece = os.read(pipe, 1024)
        if not piece:
            return text.decode()
        text += piece
    return ""


def _reason(log: IO[bytes]) -> str:
    """The first error in the server's log, otherwise its last line."""
    log.seek(0)
    text = log.read().decode("utf-8", "replace").strip()
    error = ERROR_LINE.search(text)
    return error.group(1) if error else (text.splitlines() or ["it gave no reason"])[-1]
