"""What the engine was told of a container, by its own account."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evolve.core.launch import Launch
from evolve.core.records import SandboxSpec, TaskImage
from evolve.sandbox import engine
from evolve.sandbox.container import Container
from evolve.sandbox.limits import engine_processors
from evolve.sandbox.scaffold_container import scaffold_process
from evolve.sandbox.task_containers import task_container, verifier_container
from evolve.sandbox.task_state import TaskState

pytestmark = pytest.mark.docker
SPEC = SandboxSpec(cpus=0.5, memory_mb=96, pids=48, disk_mb=32, runtime="runc", network=True)


def told(container: Container) -> dict[str, Any]:
    found: dict[str, Any] = container.client.api.inspect_container(container.id)["HostConfig"]
    container.kill()
    return found


def check(host: dict[str, Any], network: str) -> None:
    assert (host["Runtime"], host["NanoCpus"], host["PidsLimit"]) == ("runc", 5 * 10**8, 48)
    assert host["Memory"] == host["MemorySwap"] == 96 << 20
    assert host["NetworkMode"] == network and not host["Init"] and host["IpcMode"] == "private"
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


def test_more_processors_than_there_are_is_all_of_them(built: dict[str, TaskImage], swept: str) -> None:
    state = TaskState(swept, next(iter(built.values())), replace(SPEC, cpus=1000.0))
    assert told(task_container(state, 30))["NanoCpus"] == engine_processors() * 10**9
    state.remove()


def test_a_container_that_stopped_its_own_clock_is_swept_by_the_next_start(
    base: str, tmp_path: Path, swept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A label of its own: the sweep must not meet the containers of tests that run at the same time.
    monkeypatch.setattr(engine, "UNTIL", f"io.evolve.until.{swept}")
    tmp_path.chmod(0o755)
    (tmp_path / "main.py").write_text(
        "import os, signal, time\n"
        "for pid in filter(str.isdigit, os.listdir('/proc')):\n"
        "    if open(f'/proc/{pid}/comm').read() == 'timeout\\n': os.kill(int(pid), signal.SIGSTOP)\n"
        "time.sleep(60)\n"
    )
    process = scaffold_process(swept, base, tmp_path, "main.py", Launch(), tmp_path, replace(SPEC, network=False), 1)
    try:
        assert not process.wait(4) and engine.sweep_overdue() == 0
        monkeypatch.setattr(engine, "GRACE_SECONDS", 0)
        assert engine.sweep_overdue() == 1 and process.wait(5)
    finally:
        process.kill()


def test_a_scaffold_never_has_a_network(swept: str, base: str, tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("")
    process = scaffold_process(swept, base, tmp_path, "main.py", Launch(), tmp_path, SPEC, 30)
    check(told(process.container), "none")
    process.kill()
