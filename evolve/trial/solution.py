"""Run a task's reference solution in its container, as the agent."""

from __future__ import annotations

import contextlib
import os
import shlex

from evolve.core.config import UNLIMITED_SECONDS
from evolve.core.errors import InfraError
from evolve.core.records import Task, TrialSpec
from evolve.core.task_format import resolve_variables
from evolve.sandbox.archive import unpack_archive
from evolve.sandbox.container import Container
from evolve.sandbox.inside import ROOT
from evolve.sandbox.shell import ContainerShell
from evolve.sandbox.task_state import TaskState
from evolve.trial.in_place import script_command
from evolve.trial.instances import packed_part

# Of a task that is not read with Harbor's defaults, where the agent's time holds.
SOLVE_SECONDS = 120.0
SOLVE = "/solution/solve.sh"
SOLVE_OUTPUT = "/logs/agent/oracle.txt"
SOLVE_VARIABLES = {"DEBIAN_FRONTEND": "noninteractive"}


class SolutionFailed(InfraError):
    """The solution of a task ended with another status than 0."""


def solve_step(one: TrialSpec, own: TaskState, container: Container) -> None:
    """Run the solution of one step, if it has any. Raises InfraError."""
    if (one.task.folder / one.task.format.solution / "solve.sh").is_file():
        _solve_as_harbor(one.task, own, container)


def solve_task(task: Task, state: TaskState, container: Container, shell: ContainerShell) -> None:
    """Run the solution. With Harbor's defaults it may take the agent's time, and end with any status.

    Args:
        shell: The agent's.

    Raises:
        SolutionFailed: The solution of a task without such defaults failed.
        InfraError: The machine failed.
    """
    if task.format.harbor:
        _solve_as_harbor(task, state, container)
        return
    variables = _variables(task)
    unpack_archive(shell, packed_part(task, "solution"), "/solution")
    words = [f"{name}={value}" for name, value in variables.items()]
    result = shell.run(shlex.join(["env", *words, SOLVE]), timeout=SOLVE_SECONDS)
    if result.exit_code != 0:
        raise SolutionFailed(f"solution/solve.sh failed: {result.stderr.decode(errors='replace')[:200]}")


def _solve_as_harbor(task: Task, state: TaskState, container: Container) -> None:
    variables = _variables(task)
    with contextlib.closing(container.shell(ROOT, "/")) as root:
        root.run("mkdir -p /solution")
        container.put(packed_part(task, "solution"), "/solution")
        root.run(f"chmod +x {SOLVE}")
    with contextlib.closing(container.shell(state.user, state.image.workdir, variables)) as shell:
        shell.run(script_command(SOLVE, SOLVE_OUTPUT), timeout=solve_seconds(task))


def solve_seconds(task: Task) -> float:
    """How long a task's solution may take; a day where nothing limits the agent."""
    if not task.format.harbor:
        return SOLVE_SECONDS
    return task.agent_seconds or UNLIMITED_SECONDS


def _variables(task: Task) -> dict[str, str]:
    return SOLVE_VARIABLES | resolve_variables(task.format.solution_env, os.environ)
