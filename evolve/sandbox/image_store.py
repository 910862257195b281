"""The engine's images: looking at them, pulling and building them within a time, and whose fault a failure is."""

from __future__ import annotations

import contextlib
import math
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import docker
import requests
from docker.errors import APIError, BuildError, DockerException, ImageNotFound
from urllib3.exceptions import ReadTimeoutError

from evolve.core.errors import BadInput, DiskFull, EngineError, InfraError
from evolve.host import disk
from evolve.sandbox.build_faults import SLOW, is_engine_fault, is_network_fault
from evolve.sandbox.endpoint import current_endpoint
from evolve.sandbox.engine import answers, connect
from evolve.sandbox.exit_cause import engine_faults

# How much of a builder's output an error tells, and what in it is the builder's own.
LAST_CHARS = 400
_REMARKS = ("Step ", "---> ", "Removing intermediate container")
# What engines and BuildKit say of a base image that no registry has.
NO_BASE = re.compile(
    r"pull access denied for ([^\s,]+)|manifest for (\S+) not found|manifest unknown: .*?tag=(\S+)"
    r"|failed to resolve source metadata for ([^\s:]+(?::[\w.-]+)?): .*(?:not found|denied)"
)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# Seconds before each new try of what the network failed.
WAITS = (2.0, 10.0, 30.0)
# The end of a builder's output that says why it failed.
OUTPUT_CHARS = 4000


def build_lock(name: str) -> Path:
    """The file by which processes of this user build an image once."""
    return Path(tempfile.gettempdir()) / f"evolve-build-{os.getuid()}-{name.rpartition(':')[2]}.lock"


class _TimeOver(DockerException):
    """The time for a download or a build is over."""


# An engine that says nothing for all the time ends in one of the last two.
TIMEOUTS = (_TimeOver, requests.Timeout, ReadTimeoutError)


def inspect_image(name: str) -> dict[str, Any]:
    """The engine's description of an image."""
    attributes: dict[str, Any] = connect().images.get(name).attrs
    return attributes


def working_directory(name: str) -> str:
    """Where commands run in an image, `/` if it doesn't say. Raises EngineError."""
    with engine_faults():
        return inspect_image(name)["Config"].get("WorkingDir") or "/"


def exists(client: docker.DockerClient, name: str) -> bool:
    """Whether the engine has an image of this name."""
    try:
        client.images.get(name)
    except ImageNotFound:
        return False
    return True


def pull(name: str, seconds: float) -> None:
    """Download an image within so many seconds. Raises DockerException."""
    with _limited(seconds) as (client, check_time):
        try:
            for line in client.api.pull(name, stream=True, decode=True):
                if "error" in line:
                    raise DockerException(line["error"])
                check_time()
        except TIMEOUTS as error:
            raise DockerException(f"{SLOW}: {name} took longer than {seconds:g} s") from error


def build(context: IO[bytes], tag: str, arguments: Mapping[str, str], seconds: float) -> None:
    """Build an image within so many seconds. Raises BuildError with the builder's message and its output's end."""
    output, downloads = "", False
    with _limited(seconds) as (client, check_time):
        options: dict[str, Any] = {"fileobj": context, "custom_context": True, "buildargs": dict(arguments)}
        options["timeout"] = client.api.timeout  # otherwise the engine may be silent for ever
        try:
            for line in client.api.build(tag=tag, rm=True, forcerm=True, network_mode=None, decode=True, **options):
                output = (output + str(line.get("stream", "")))[-OUTPUT_CHARS:]
                downloads = "status" in line  # of the image that it begins with
                if "error" in line:
                    raise BuildError(line["error"], iter([{"stream": output}]))
                check_time()
        except TIMEOUTS as error:
            what = f"{SLOW}: it took" if downloads else "took"
            raise BuildError(f"{what} longer than {seconds:g} s", iter([{"stream": output}])) from error


@contextlib.contextmanager
def _limited(seconds: float) -> Iterator[tuple[docker.DockerClient, Callable[[], None]]]:
    """A client that may be silent for so long, and a check that the time is not over."""
    connect()
    client = current_endpoint().client(math.ceil(seconds))
    deadline = time.monotonic() + seconds

    def check_time() -> None:
        if time.monotonic() > deadline:
            raise _TimeOver(f"took longer than {seconds:g} s")

    try:
        yield client, check_time
    finally:
        client.close()


def with_retries(work: Callable[[], None], what: str) -> None:
    """Do what needs the network, again after a while if the network failed it.

    Args:
        what: What is made, in words.

    Raises:
        InfraError: The machine, its network or a registry failed; nobody's task is at fault.
        BuildError, DockerException: anything else, which is the task's fault.
    """
    for wait in (*WAITS, None):
        try:
            return work()
        except (BuildError, DockerException) as error:
            fault = machine_fault(error, what)
            if fault is None:
                raise
            if wait is None or not is_network_fault(_complete_message(error)):
                raise fault from error
            time.sleep(wait)


def machine_fault(error: Exception, what: str) -> InfraError | None:
    """The machine's fault behind a failed build or download; None if it is the task's."""
    words = _complete_message(error)
    if disk.mentions_full_disk(words):
        return DiskFull(f"no space left for the container engine: {error}; {disk.FREE_SPACE_HINT}")
    if is_network_fault(words):
        return EngineError(f"{what}: the network or a registry failed: {error}; run the same command again")
    server = isinstance(error, APIError) and not error.is_client_error()
    if is_engine_fault(words) or server:
        return EngineError(f"the engine failed to build an image: {error}")
    # A dying engine reports any error.
    return None if answers() else EngineError(f"the engine died while building an image: {error}")


def _complete_message(error: Exception) -> str:
    """An error with the end of the builder's output."""
    if not isinstance(error, BuildError):
        return str(error)
    log = list(error.build_log)
    error.build_log = iter(log)
    return f"{error}\n{''.join(str(line.get('stream', '')) for line in log if isinstance(line, dict))}"


def task_fault(where: str, error: Exception) -> BadInput:
    """What to tell about an image that can't be built by a fault of its task: the error, with what came before it."""
    if (found := NO_BASE.search(_complete_message(error))) is not None:
        name = next(group for group in found.groups() if group).removeprefix("docker.io/library/")
        problem = f"its image can't be built: the base image `{name}` does not exist, or needs a login"
        return BadInput(where, problem, "correct it in the Dockerfile or task.toml, or pull the image yourself")
    words = _last_words(_complete_message(error).removeprefix(str(error)))
    last = "" if words in str(error) else f" (its output ends: {words})"
    return BadInput(where, f"its image can't be built: {error}{last}", "fix its Dockerfile")


def _last_words(output: str) -> str:
    """The end of a builder's output in one line, without its own remarks and colours."""
    lines = (_COLOUR.sub("", line).strip() for line in output.splitlines())
    said = [line for line in lines if line and not line.startswith(_REMARKS)]
    return " ".join(" ".join(said).split())[-LAST_CHARS:]
