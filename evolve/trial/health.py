"""Wait until a task's environment is healthy, before the agent starts."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

from evolve.core.composition import Condition
from evolve.core.errors import InfraError
from evolve.core.task_format import Environment, Healthcheck
from evolve.sandbox.container import Container
from evolve.sandbox.task_state import TaskState


class Unhealthy(InfraError):
    """The task's environment did not become healthy: never the scaffold's fault."""


def longest_check(check: Healthcheck | None) -> float:
    """Seconds after which a health check has ended at the latest."""
    if check is None:
        return 0.0
    return check.start_period + check.start_interval + (check.timeout + check.interval) * (check.retries + 1)


def longest_start(environment: Environment) -> float:
    """Seconds after which the services of a compose file have started at the latest."""
    composition = environment.composition
    if composition is None:
        return 0.0
    services = (composition.main, *composition.services)
    if any(condition is Condition.COMPLETED for one in services for _, condition in one.depends):
        return environment.build_seconds
    checks = [one.health for one in services if one.health]
    longest = sum(one.start_period + (one.interval + one.timeout) * (one.retries + 1) for one in checks)
    return min(longest, environment.build_seconds)


def wait_until_healthy(container: Container, state: TaskState, check: Healthcheck | None) -> None:
    """Run the check's command until it ends with status 0.

    Raises:
        Unhealthy: It failed too often.
        InfraError: The machine failed.
    """
    if check is None:
        return
    with contextlib.closing(container.shell(state.user, state.image.workdir)) as shell:

        def is_healthy() -> bool:
            return shell.run(check.command, timeout=check.timeout).exit_code == 0

        poll(check, is_healthy, time.monotonic, time.sleep)


def poll(
    check: Healthcheck, is_healthy: Callable[[], bool], clock: Callable[[], float], sleep: Callable[[float], None]
) -> None:
    """Ask until the answer is yes. Failures that begin within the start period don't count.

    Raises:
        Unhealthy: As many failures in a row as the check allows.
    """
    starting_until, failures = clock() + check.start_period, 0
    while failures < check.retries:
        is_starting = clock() < starting_until
        if is_healthy():
            return
        if is_starting:
            sleep(check.start_interval)
            continue
        failures += 1
        if failures < check.retries:
            sleep(check.interval)
    raise Unhealthy(f"the task's environment is unhealthy: {failures} checks in a row failed: {check.command}")
