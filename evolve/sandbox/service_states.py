"""Wait for services: until they run, are healthy, or have ended well."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from typing import Any

from docker.errors import APIError

from evolve.core.errors import InfraError
from evolve.sandbox.container import Container
from evolve.sandbox.exit_cause import engine_faults

LOG_LINES = 20
LOG_CHARS = 400
LOOK_SECONDS = 0.2


def wait_until_healthy(containers: Mapping[str, Container], deadline: float) -> None:
    """Wait until all run, or have ended well, and those with a health check are healthy. Raises InfraError."""
    for name, container in containers.items():
        while not _is_healthy(name, _state(container), container):
            _sleep_until(deadline, f"service {name} did not become healthy in time", container)


def _is_healthy(name: str, state: Mapping[str, Any], container: Container) -> bool:
    """Whether a service is ready; an end that is no success, or a failed check, is an InfraError."""
    status, health = state["Status"], (state.get("Health") or {}).get("Status", "")
    if status == "exited" and state["ExitCode"] != 0:
        raise InfraError(f"service {name} ended with status {state['ExitCode']}: {_log(container)}")
    if health == "unhealthy":
        raise InfraError(f"service {name} is unhealthy: {_last_check(state)}")
    return status == "exited" or (status == "running" and health in ("", "none", "healthy"))


def wait_until_completed(name: str, container: Container, deadline: float) -> None:
    """Wait until a service has ended with status 0. Raises InfraError."""
    while (state := _state(container))["Status"] != "exited":
        _sleep_until(deadline, f"service {name} did not end in time", container)
    if state["ExitCode"] != 0:
        raise InfraError(f"service {name} ended with status {state['ExitCode']}: {_log(container)}")


def _sleep_until(deadline: float, problem: str, container: Container) -> None:
    if time.monotonic() > deadline:
        raise InfraError(f"{problem}: {_log(container)}")
    time.sleep(LOOK_SECONDS)


def _state(container: Container) -> dict[str, Any]:
    with engine_faults():
        state: dict[str, Any] = container.client.api.inspect_container(container.id)["State"]
    return state


def _log(container: Container) -> str:
    """The end of what a service printed, in one line."""
    with engine_faults(), contextlib.suppress(APIError):
        text = container.client.api.logs(container.id, tail=LOG_LINES)
        return " ".join(text.decode(errors="replace").split())[-LOG_CHARS:]
    return ""


def _last_check(state: Mapping[str, Any]) -> str:
    checks = (state.get("Health") or {}).get("Log") or [{}]
    return " ".join(str(checks[-1].get("Output", "")).split())[-LOG_CHARS:]
