"""Run a task's reference solution in its container, as the agent; for checks of tasks only."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Mapping

from evolve.core.config import UNLIMITED_SECONDS
from evolve.core.errors import InfraError
from evolve.core.records import Task
from evolve.sandbox.archive import unpack_archive
from evolve.sandbox.container import ROOT, Container, TaskState
from evolve.sandbox.shell import ContainerShell
from evolve.trial.in_place import script_command
from evolve.trial.instances import packed_part

SOLVE = "/solution/solve.sh"
SOLVE_OUTPUT = "/logs/agent/oracle.txt"
SOLVE_VARIABLES = {"DEBIAN_FRONTEND": "noninteractive"}


def solve_task(task: Task, state: TaskState, container: Container, shell: ContainerShell, seconds: float) -> None:
    """Run the solution. With Harbor's defaults it may take the agent's time, and end with any status.

    Args:
        shell: The agent's.
        seconds: The time limit otherwise.

    Raises:
        InfraError: The machine failed, or the solution of a task that has no such defaults.
    """
    variables = SOLVE_VARIABLES | dict(task.format.solution_env)
    if task.format.harbor:
        _solve_as_harbor(task, state, container, variables)
        return
    unpack_archive(shell, packed_part(task, "solution"), "/solution")
    words = [f"{name}={value}" for name, value in variables.items()]
    result = shell.run(shlex.join(["env", *words, SOLVE]), timeout=seconds)
    if result.exit_code != 0:
        raise InfraError(f"solution/solve.sh failed: {result.stderr.decode(errors='replace')[:200]}")


def _solve_as_harbor(task: Task, state: TaskState, container: Container, variables: Mapping[str, str]) -> None:
    with contextlib.closing(container.shell(ROOT, "/")) as root:
        root.run("mkdir -p /solution")
        container.put(packed_part(task, "solution"), "/solution")
        root.run(f"chmod +x {SOLVE}")
    with contextlib.closing(container.shell(state.user, state.image.workdir, variables)) as shell:
        shell.run(script_command(SOLVE, SOLVE_OUTPUT), timeout=solve_seconds(task))


def solve_seconds(task: Task) -> float:
    """How long a task's solution may take; a day where nothing limits the agent."""
    return task.agent_seconds or UNLIMITED_SECONDS
