"""The agent's first shell, started by its container's first process, in real containers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from evolve.core.records import SandboxSpec, SuiteProfile, TaskImage
from evolve.sandbox import first_shell, task_containers
from evolve.sandbox.container import Container
from evolve.sandbox.inside import AGENT, KEEPER
from evolve.sandbox.shell import ContainerShell
from evolve.sandbox.task_containers import task_container
from evolve.sandbox.task_state import TaskState

pytestmark = pytest.mark.docker
STATUS = "cat /proc/[0-9]*/status"


@pytest.fixture
def state(built: dict[str, TaskImage], swept: str) -> Iterator[TaskState]:
    made = TaskState(swept, next(iter(built.values())), SandboxSpec(memory_mb=128, disk_mb=32))
    yield made
    made.remove()


@pytest.fixture
def container(state: TaskState) -> Iterator[Container]:
    made = task_container(state, 120, opens_shell=True)
    yield made
    made.kill()


def execs(container: Container) -> int:
    """How many execs the engine has run in the container and not yet forgotten."""
    return len(container.client.api.inspect_container(container.id)["ExecIDs"] or ())


def values(statuses: str, key: str) -> list[str]:
    return [line.partition(":")[2].strip() for line in statuses.splitlines() if line.startswith(f"{key}:")]


def test_commands_run_without_an_exec(container: Container) -> None:
    shell = container.shell(AGENT, "/app")
    assert shell.run("pwd; id -u; id -g; cat", stdin=b"given").stdout == b"/app\n10001\n10001\ngiven"
    assert execs(container) == 0
    shell.close()


def test_no_process_of_the_container_has_a_power_or_can_get_one(container: Container) -> None:
    shell = container.shell(AGENT, "/app")
    statuses = shell.run(STATUS).stdout.decode()
    for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert set(values(statuses, kind)) == {"0000000000000000"}
    assert set(values(statuses, "NoNewPrivs")) == {"1"} and set(values(statuses, "Seccomp")) == {"2"}
    users = {line.split()[0] for line in values(statuses, "Uid")}
    assert users == {AGENT.partition(":")[0], KEEPER.partition(":")[0]}
    shell.close()


def test_an_exec_as_the_agent_has_no_power_either(container: Container) -> None:
    container.shell(AGENT, "/app").close()
    shell = container.shell(AGENT, "/app")
    statuses = shell.run("cat /proc/self/status").stdout.decode()
    for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert values(statuses, kind) == ["0000000000000000"]
    assert shell.run("setpriv --reuid=0 true").exit_code != 0
    shell.close()


def facts(shell: ContainerShell) -> str:
    """What a command can see of how it was started."""
    command = (
        "env | sort; umask; ulimit -a; readlink /proc/self/cwd /proc/self/exe; id; "
        "grep -E '^(Groups|Sig|Cap|NoNew|Seccomp)' /proc/self/status; cat /proc/self/oom_score_adj"
    )
    return shell.run(command).stdout.decode()


def test_a_command_sees_what_it_sees_in_an_exec(container: Container) -> None:
    first = container.shell(AGENT, "/app")
    seen = facts(first)
    first.close()
    without = [line for line in facts(container.shell(AGENT, "/app")).splitlines() if not line.startswith("CapBnd")]
    assert [line for line in seen.splitlines() if not line.startswith("CapBnd")] == without


def test_a_shell_for_another_user_or_folder_is_an_exec(container: Container) -> None:
    other = container.shell(AGENT, "/tmp")
    assert other.run("pwd").stdout == b"/tmp\n"
    assert container.first_shell is not None
    other.close()


def test_the_keeper_can_not_be_ended_from_within(container: Container) -> None:
    shell = container.shell(AGENT, "/app")
    assert shell.run("for pid in /proc/[0-9]*; do kill -9 ${pid##*/}; done; kill -9 -1").exit_code == 137
    assert shell.run("for signal in TERM KILL 30; do kill -$signal 1; done; echo here").stdout == b"here\n"
    assert container.is_running()


def test_the_shell_that_ends_is_found_out_while_others_hold_its_streams(container: Container) -> None:
    shell = container.shell(AGENT, "/app")
    done = shell.run("kill -9 $PPID; sleep 60", timeout=30)
    assert (done.exit_code, done.timed_out) == (137, False)
    assert shell.run("echo back").stdout == b"back\n"


def test_it_ends_by_itself(state: TaskState) -> None:
    made = task_container(state, 1, opens_shell=True)
    try:
        assert made.client.api.wait(made.id, timeout=15)["StatusCode"] == 137
    finally:
        made.kill()


@pytest.mark.parametrize("switch", ["no-such-program", "setpriv --no-such-option"])
def test_an_image_without_the_programs_gets_an_exec(
    state: TaskState, switch: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    unable: set[str] = set()
    monkeypatch.setattr(task_containers, "unable_images", lambda: unable)
    monkeypatch.setattr(first_shell, "SWITCH", switch)
    for _ in range(2):
        made = task_container(state, 60, opens_shell=True)
        try:
            assert made.first_shell is None and unable == {state.image.image}
            shell = made.shell(AGENT, "/app")
            assert shell.run("id -u").stdout == b"10001\n"
            assert made.client.api.inspect_container(made.id)["Config"]["User"] == KEEPER
            shell.close()
        finally:
            made.kill()


def test_where_the_kernel_does_not_name_the_shell_an_exec_takes_its_place(
    container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evolve.sandbox.shell.process_inside", lambda *_: None)
    shell = container.shell(AGENT, "/app")
    assert shell.run("echo fine").stdout == b"fine\n"
    assert execs(container) == 1
    shell.close()


def test_a_loose_suite_has_none(built: dict[str, TaskImage], swept: str) -> None:
    loose = TaskState(swept, next(iter(built.values())), SandboxSpec(memory_mb=128), SuiteProfile.LOOSE)
    made = task_container(loose, 60, opens_shell=True)
    assert made.first_shell is None
    made.kill()


def test_nothing_of_the_start_is_left_in_the_container(container: Container) -> None:
    shell = container.shell(AGENT, "/app")
    assert shell.run("ls -A /tmp").stdout == b""
    shell.close()


def test_the_first_process_does_not_tell_where_the_shell_was_copied(container: Container) -> None:
    shell = container.shell(AGENT, "/app")
    seen = shell.run("tr '\\0' ' ' </proc/1/cmdline").stdout.decode()
    assert "sleep 120" in seen and "/tmp/." not in seen
    shell.close()
