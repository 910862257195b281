"""What the engine was told of a container, by its own account."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evolve.records import SandboxSpec, TaskImage
from evolve.sandbox.container import Container, TaskState, scaffold_process, task_container, verifier_container

pytestmark = pytest.mark.docker
SPEC = SandboxSpec(cpus=0.5, memory_mb=96, pids=48, disk_mb=32, runtime="runc", network=True)


def told(container: Container) -> dict[str, Any]:
    found: dict[str, Any] = container.client.api.inspect_container(container.id)["HostConfig"]
    container.kill()
    return found


def check(host: dict[str, Any], network: str) -> None:
    assert (host["Runtime"], host["NanoCpus"], host["PidsLimit"]) == ("runc", 5 * 10**8, 48)
    assert host["Memory"] == host["MemorySwap"] == 96 << 20
    assert host["NetworkMode"] == network and host["Init"] and host["IpcMode"] == "private"
    assert host["ReadonlyRootfs"] and host["CapDrop"] == ["ALL"] and not host["Privileged"]
    assert host["LogConfig"]["Type"] == "none"
    filters = [option for option in host["SecurityOpt"] if option.startswith("seccomp=")]
    assert "no-new-privileges" in host["SecurityOpt"] and "SCMP_ACT_ERRNO" in filters[0]


@pytest.mark.parametrize("make", [task_container, verifier_container])
def test_a_tasks_containers_have_its_own_limits(
    make: Callable[[TaskState, int], Container], built: dict[str, TaskImage], swept: str
) -> None:
    state = TaskState(swept, next(iter(built.values())), SPEC)
    check(told(make(state, 30)), "bridge")
    state.remove()


def test_a_scaffold_never_has_a_network(swept: str, base: str, tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("")
    process = scaffold_process(swept, base, tmp_path, "main.py", tmp_path, SPEC, 30)
    check(told(process.container), "none")
    process.kill()
