"""Building with BuildKit, by the program `docker buildx`: for what the engine's own builder can't build."""

from __future__ import annotations

import functools
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from typing import IO

from docker.errors import BuildError

from evolve.core.errors import EngineError
from evolve.sandbox.dockerfiles import HEREDOC
from evolve.sandbox.engine import connect

PROBE_SECONDS = 30
# The first engine whose built-in BuildKit knows heredocs.
HEREDOC_ENGINE = 23
OUTPUT_CHARS = 4000


@functools.lru_cache(maxsize=1)
def has_buildx() -> bool:
    """Whether `docker buildx` can be called here."""
    program = shutil.which("docker")
    if program is None:
        return False
    done = subprocess.run([program, "buildx", "version"], capture_output=True, check=False, timeout=PROBE_SECONDS)
    return done.returncode == 0


def missing_builder(features: Sequence[str], own_frontend: bool) -> str:
    """Why Dockerfiles with these features can't be built here; "" if they can be. Raises as `connect`.

    Args:
        own_frontend: The Dockerfile names the frontend that builds it.
    """
    if not features:
        return ""
    wanted = ", ".join(features)
    if not has_buildx():
        return f"its Dockerfile needs BuildKit ({wanted}), and `docker buildx` is not installed"
    version = str(connect().version()["Version"])
    major = version.partition(".")[0]
    if HEREDOC in features and not own_frontend and major.isdigit() and int(major) < HEREDOC_ENGINE:
        return f"its Dockerfile needs BuildKit with {HEREDOC}, and the engine {version} has an older one"
    return ""


def build(context: IO[bytes], tag: str, arguments: Mapping[str, str], seconds: float) -> None:
    """Build an image from a packed context.

    Raises:
        BuildError: the builder's message, or the time is over.
        EngineError: the program could not be started.
    """
    command = ["docker", "buildx", "build", "--load", "--progress", "plain", "--tag", tag]
    for name, value in arguments.items():
        command += ["--build-arg", f"{name}={value}"]
    try:
        done = subprocess.run([*command, "-"], stdin=context, capture_output=True, check=False, timeout=seconds)
    except subprocess.TimeoutExpired as error:
        output = (error.stderr or b"").decode(errors="replace")[-OUTPUT_CHARS:]
        raise BuildError(f"took longer than {seconds:g} s", iter([{"stream": output}])) from error
    except OSError as error:
        raise EngineError(f"`docker buildx` can't be started: {error}") from error
    if done.returncode != 0:
        output = done.stderr.decode(errors="replace")[-OUTPUT_CHARS:]
        raise BuildError(" ".join(output.split())[-500:], iter([{"stream": output}]))
