"""The open shell in a real container."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evolve.core.errors import InfraError
from evolve.core.records import Cause, SandboxSpec, TaskImage
from evolve.sandbox import exit_cause
from evolve.sandbox.container import Container
from evolve.sandbox.inside import AGENT
from evolve.sandbox.output import KEEP_BYTES
from evolve.sandbox.shell import ContainerShell
from evolve.sandbox.task_containers import task_container, verifier_container
from evolve.sandbox.task_state import TaskState

pytestmark = pytest.mark.docker


@pytest.fixture(params=[False, True], ids=["exec", "first"])
def container(
    built: dict[str, TaskImage], swept: str, request: pytest.FixtureRequest
) -> Iterator[tuple[TaskState, Container]]:
    """A task's container, whose first shell is an exec or started by its first process."""
    state = TaskState(swept, next(iter(built.values())), SandboxSpec(memory_mb=128, disk_mb=32))
    made = task_container(state, 120, opens_shell=request.param)
    assert (made.first_shell is not None) == request.param
    yield state, made
    made.kill()
    state.remove()


@pytest.fixture
def shell(container: tuple[TaskState, Container]) -> Iterator[ContainerShell]:
    opened = container[1].shell(AGENT, "/app")
    yield opened
    opened.close()


def test_status_and_streams_are_told_apart(shell: ContainerShell) -> None:
    done = shell.run("echo out; echo err >&2; exit 3")
    assert (done.exit_code, done.stdout, done.stderr) == (3, b"out\n", b"err\n")


def test_each_command_starts_in_the_working_directory_with_a_clean_environment(shell: ContainerShell) -> None:
    shell.run("cd /tmp; export LEFT=1")
    assert shell.run("pwd; echo [$LEFT]").stdout == b"/app\n[]\n"


def test_binary_input_and_output_survive(shell: ContainerShell) -> None:
    data = bytes(range(256)) * 50
    assert shell.run("cat > blob", stdin=data).exit_code == 0
    assert shell.run("cat blob").stdout == data


def test_what_is_printed_before_the_data_comes_is_not_lost(shell: ContainerShell) -> None:
    printed = "i=0; while [ $i -lt 50 ]; do echo $i; echo $i >&2; i=$((i+1)); done; cat >/dev/null"
    wanted = b"".join(b"%d\n" % number for number in range(50))
    for _ in range(20):
        done = shell.run(printed, stdin=b"x")
        assert (done.exit_code, done.stdout, done.stderr) == (0, wanted, wanted)


def test_standard_input_is_empty_without_data(shell: ContainerShell) -> None:
    assert shell.run("cat; echo end").stdout == b"end\n"


def test_a_timeout_kills_everything_even_what_left_the_session(shell: ContainerShell) -> None:
    started = shell.run("setsid sleep 77 & sleep 78", timeout=0.5)
    assert started.timed_out and started.exit_code == 124
    left = shell.run("grep -l sleep /proc/[0-9]*/comm | xargs -r -n1 dirname | xargs -r -I{} cat {}/cmdline")
    assert b"77" not in left.stdout and b"78" not in left.stdout


def test_endless_output_is_cut_and_stopped(shell: ContainerShell) -> None:
    done = shell.run("yes", timeout=30)
    assert done.timed_out and done.truncated and len(done.stdout) < KEEP_BYTES + 100
    assert shell.run("echo fine").stdout == b"fine\n"


def test_what_floods_in_the_background_does_not_hold_up_what_comes_next(shell: ContainerShell) -> None:
    shell.run("yes $(head -c 5000 /dev/zero | tr '\\0' x) &")
    done = shell.run("cat > f", stdin=b"data", timeout=20)
    assert done.timed_out or done.exit_code == 0
    assert shell.run("sleep 20", timeout=1).timed_out
    assert shell.run("echo fine").stdout == b"fine\n"


def test_a_command_that_kills_the_shell_is_a_result_and_the_next_one_works(shell: ContainerShell) -> None:
    assert shell.run("kill -9 $PPID; sleep 1").exit_code == 137
    assert shell.run("kill -9 -1").exit_code == 137
    assert shell.run("echo back").stdout == b"back\n"


def test_a_container_that_the_machine_lost_is_a_fault(
    container: tuple[TaskState, Container], shell: ContainerShell
) -> None:
    container[1].client.api.kill(container[1].id)
    with pytest.raises(InfraError):
        shell.run("echo never")
    container[1].kill()
    with pytest.raises(InfraError, match="vanished"):
        shell.run("echo never")


def test_memory_that_runs_out_is_told_by_the_kernels_counter(
    container: tuple[TaskState, Container], shell: ContainerShell
) -> None:
    assert container[1].cause() is Cause.NONE
    assert shell.run("python3 -c 'x = bytearray(400 << 20)'").exit_code == 137
    assert shell.run("echo fine").stdout == b"fine\n"
    assert container[1].cause() is Cause.OOM


def test_a_disk_that_eats_the_memory_leaves_results_not_faults(built: dict[str, TaskImage], swept: str) -> None:
    """Files in memory can't be killed: command after command is, and at last perhaps the container itself."""
    state = TaskState(swept, next(iter(built.values())), SandboxSpec(memory_mb=64, disk_mb=64))
    container = task_container(state, 60)
    try:
        shell = container.shell(AGENT, "/app")
        shell.run("head -c 50000000 /dev/zero > a; head -c 50000000 /dev/zero > /tmp/b", timeout=20)
        for _ in range(5):
            assert shell.run("echo more", timeout=5).exit_code in (0, 137)
        assert container.cause() is Cause.OOM
        shell.close()
    finally:
        container.kill()
        state.remove()


@pytest.mark.parametrize("bomb", ["b() { b | b & }; b", "while :; do setsid sleep 60 & done"])
def test_processes_that_run_out_are_told_and_can_be_ended(
    container: tuple[TaskState, Container], shell: ContainerShell, bomb: str
) -> None:
    assert shell.run(f"{bomb} 2>/dev/null; sleep 30", timeout=3).exit_code in (2, 124, 137)
    assert container[1].cause() is Cause.PIDS
    shell.run("sleep 30", timeout=0.5)
    after = shell.run("echo fine")
    assert after.stdout == b"fine\n" or after.exit_code == 137


@pytest.mark.parametrize("where", ["host", "within"])
def test_the_counters_are_the_same_from_both_sides(
    container: tuple[TaskState, Container], shell: ContainerShell, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if where == "within":
        monkeypatch.setattr(exit_cause, "CGROUPS", Path("/nowhere"))
    assert container[1].cause() is Cause.NONE
    shell.run("i=0; while [ $i -lt 400 ]; do sleep 100 >/dev/null 2>&1 & i=$((i+1)); done", timeout=90)
    shell.run("sleep 9", timeout=0.1)
    assert container[1].cause() is Cause.PIDS


def test_a_printed_token_of_the_right_form_does_not_end_a_command(shell: ContainerShell) -> None:
    assert shell.run("printf '%032d0\\n' 7; exit 5").exit_code == 5


def test_too_long_a_command_is_refused(shell: ContainerShell) -> None:
    with pytest.raises(ValueError, match="at most"):
        shell.run("x" * 200_000)


def test_the_container_holds(shell: ContainerShell) -> None:
    """No network, no capabilities, no new privileges, no writing outside, bounded processes, memory and disk."""
    assert shell.run("cat /proc/net/dev | tail -n +3 | grep -v lo:").stdout == b""
    assert b"lo:" in shell.run("cat /proc/net/dev").stdout
    facts = shell.run("id -u; grep -E 'CapEff|NoNewPrivs' /proc/self/status; touch /x 2>&1").stdout.decode()
    assert "10001" in facts and "CapEff:\t0000000000000000" in facts and "NoNewPrivs:\t1" in facts
    assert "Read-only file system" in facts
    assert shell.run("head -c 40000000 /dev/zero > big").exit_code != 0
    forked = shell.run("i=0; while [ $i -lt 600 ]; do sleep 15 >/dev/null & i=$((i+1)); done 2>&1", timeout=20)
    assert b"fork" in forked.stdout.lower()


def test_without_a_network_localhost_still_answers(shell: ContainerShell) -> None:
    program = (
        "import socket as s; l = s.create_server(('localhost', 0)); s.create_connection(l.getsockname()); print(1)"
    )
    assert shell.run(f'python3 -c "{program}"').stdout == b"1\n"


def test_the_state_outlives_the_container_for_the_verifier(container: tuple[TaskState, Container]) -> None:
    state, first = container
    shell = first.shell(AGENT, "/app")
    second = task_container(state, 60)
    try:
        shell.run("echo kept > kept.txt")
        first.kill()
        assert second.shell(AGENT, "/app").run("cat kept.txt").stdout == b"kept\n"
    finally:
        second.kill()


def test_stopping_leaves_no_process_and_may_be_repeated(container: tuple[TaskState, Container]) -> None:
    made = container[1]
    made.stop()
    assert made.client.api.inspect_container(made.id)["State"]["Running"] is False
    made.stop()
    made.kill()
    made.stop()


def test_a_verifiers_main_process_is_its_shell(container: tuple[TaskState, Container]) -> None:
    verifier = verifier_container(container[0], 60)
    try:
        shell = verifier.main_shell()
        done = shell.run("id -u; cat >&2", stdin=b"given")
        assert (done.stdout, done.stderr) == (b"0\n", b"given")
        assert shell.run("exit 7").exit_code == 7
        assert shell.run("sleep 30", timeout=0.3).timed_out
        assert verifier.client.api.inspect_container(verifier.id)["State"]["Running"] is False
    finally:
        verifier.kill()


def test_a_verifier_ends_by_itself(container: tuple[TaskState, Container]) -> None:
    verifier = verifier_container(container[0], 1)
    try:
        assert verifier.client.api.wait(verifier.id, timeout=15)["StatusCode"] != 0
    finally:
        verifier.kill()


def test_a_command_beside_others_waits_until_its_output_is_read(
    shell: ContainerShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell.run("sleep 60 >/dev/null 2>&1 &")
    early: list[bool] = []
    start = shell._start_exec

    def start_and_look(command: list[str], **options: Any) -> None:
        start(command, **options)
        early.append(shell._has_data(0.5))

    monkeypatch.setattr(shell, "_start_exec", start_and_look)
    done = shell.run("echo out; cat; echo err >&2")
    assert (done.exit_code, done.stdout, done.stderr, early) == (0, b"out\n", b"err\n", [False])
    assert shell.run("cat; echo out", stdin=b"data\n").stdout == b"data\nout\n"
