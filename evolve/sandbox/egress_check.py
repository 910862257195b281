"""Whether this engine can give a container an allowlist: tried before a run begins, if a task of it needs one."""

from __future__ import annotations

from collections.abc import Iterable

from evolve.core.errors import BadInput, InfraError
from evolve.core.records import SandboxSpec, Task
from evolve.core.task_format import has_allowlist
from evolve.sandbox.egress import Unsupported, start_egress
from evolve.sandbox.forwarder import OWN_KERNELS
from evolve.sandbox.images import local_base
from evolve.sandbox.scaffold_container import probe_container

SECONDS = 60
PROBLEM = "key `network_mode`: `allowlist` is not supported here"
FIX = "leave the task out of the suite, or run it with another engine"


def refuse_unsupported(tasks: Iterable[Task], owner: str, runtime: str | None) -> None:
    """Start an allowlist's proxy beside an empty container, if one of the tasks needs such a thing.

    Args:
        owner: Of the containers.
        runtime: The engine's runtime of the run; None: its default.

    Raises:
        BadInput: This engine or runtime can't have one; it names the first of the tasks.
        InfraError: The engine failed.
    """
    asking = next((task for task in tasks if has_allowlist(task.format)), None)
    if asking is None:
        return
    where = str(asking.folder / "task.toml")
    if runtime is not None and any(name in runtime for name in OWN_KERNELS):
        raise BadInput(where, f"{PROBLEM}: the containers of runtime {runtime} can't share a network", FIX)
    if (image := local_base()) is None:
        raise InfraError("the engine has no base image")
    try:
        _try(owner, image, runtime)
    except Unsupported as error:
        raise BadInput(where, f"{PROBLEM}: {error}", FIX) from error


def _try(owner: str, image: str, runtime: str | None) -> None:
    probe = probe_container(owner, image, ["sleep", str(SECONDS)], SandboxSpec(runtime=runtime), SECONDS)
    try:
        start_egress(owner, probe.container, runtime=runtime).kill()
    finally:
        probe.kill()
