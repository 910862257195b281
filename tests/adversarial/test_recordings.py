"""Recordings are evidence: no process of an earlier command answers in the shell's place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from evolve.core.records import SandboxSpec, TaskImage, TrialResult
from evolve.sandbox.inside import AGENT
from evolve.sandbox.shell import ContainerShell
from evolve.sandbox.task_containers import task_container
from evolve.sandbox.task_state import TaskState
from evolve.trial import trajectory

from . import hostile, weakened
from .conftest import OWNER, Arena

pytestmark = pytest.mark.docker

# Waits in the background until the shell is told a command, reads in its memory what will end the output, and answers
# with an output and a status of its own.
READS_THE_MEMORY = r"""
import os, re, sys, time
shell = int(sys.argv[1])
out, err = (os.open(f"/proc/{shell}/fd/{number}", os.O_WRONLY) for number in (1, 2))
open("ready", "w").close()

def token():
    with open(f"/proc/{shell}/maps") as maps, open(f"/proc/{shell}/mem", "rb", 0) as memory:
        for line in maps:
            span, rights = line.split()[:2]
            if rights.startswith("rw") and "[v" not in line:
                start, end = (int(part, 16) for part in span.split("-"))
                memory.seek(start)
                found = re.search(rb"honest.{0,40}printf '([0-9a-f]{32})%s", memory.read(end - start), re.DOTALL)
                if found:
                    return found[1]

while not (known := token()):
    time.sleep(0.02)
os.write(out, b"forged\n" + known + b"0\n")
os.write(err, known + b"\n")
"""
# The same from the other side: it reads the end that the shell prints before the host does, and prints another one.
STEALS_THE_END = r"""
import os, re, sys, threading, time
taken = os.open(f"/proc/{sys.argv[1]}/fd/1", os.O_RDWR)

def steal():
    while True:
        text = os.read(taken, 1 << 16)
        ended = re.search(rb"([0-9a-f]{32})\d+\n", text)
        if ended:
            os.write(taken, b"forged\n" + ended[1] + b"0\n")
            time.sleep(0.2)

for _ in range(8):
    threading.Thread(target=steal).start()
open("ready", "w").close()
"""
ATTACKS = {"reads the memory": READS_THE_MEMORY, "steals the end": STEALS_THE_END}
HONEST = "sleep 0.5; echo honest; exit 7"


def background(program: str) -> str:
    """A command that leaves this program running, which is told who its shell is."""
    return (
        f"rm -f ready; cat > thief.py <<'END'\n{program}\nEND\n"
        "python3 -S thief.py $PPID </dev/null >/dev/null 2>&1 & "
        "tries=0; while [ ! -e ready ] && [ $tries -lt 50 ]; do sleep 0.05; tries=$((tries + 1)); done"
    )


@pytest.fixture(params=[False, True], ids=["exec", "first"])
def shell(image: TaskImage, base: str, request: pytest.FixtureRequest) -> Iterator[ContainerShell]:
    state = TaskState(OWNER, image, SandboxSpec(memory_mb=128, pids=64, disk_mb=32))
    container = task_container(state, 120, opens_shell=request.param)
    opened = container.shell(AGENT, image.workdir)
    yield opened
    opened.close()
    container.kill()
    state.remove()


@pytest.mark.parametrize("name", ATTACKS)
def test_a_background_process_answers_where_the_shell_is_used_beside_it(shell: ContainerShell, name: str) -> None:
    with weakened.one_shell_for_all():
        for attempt in range(60):  # it races with the engine for what the shell prints
            if attempt % 6 == 0:
                shell.run("sleep 9", timeout=0.1)
                shell.run(background(ATTACKS[name]))
            done = shell.run(HONEST, timeout=10)
            if b"forged" in done.stdout:
                break
    assert (done.exit_code, b"forged" in done.stdout) == (0, True), done


@pytest.mark.parametrize("name", ATTACKS)
def test_a_background_process_cannot_answer(shell: ContainerShell, name: str) -> None:
    shell.run(background(ATTACKS[name]))
    for _ in range(3):
        done = shell.run(HONEST, timeout=20)
        assert (done.exit_code, done.stdout, done.stderr, done.timed_out) == (7, b"honest\n", b"", False)


CHANGES_ITS_SHELL = "python3 -c \"open('/proc/$PPID/mem', 'r+b')\" && echo open"


def test_a_command_changes_its_shells_memory_where_the_shell_is_not_closed(shell: ContainerShell) -> None:
    with weakened.open_shells():
        for _ in range(10):  # where the killed shell is not gone yet, a command has none
            shell.run("kill -9 $PPID")
            if (changed := shell.run(CHANGES_ITS_SHELL).stdout) == b"open\n":
                break
    assert changed == b"open\n"


def test_a_command_cannot_look_into_its_shell(shell: ContainerShell) -> None:
    for _ in range(2):
        assert shell.run(CHANGES_ITS_SHELL).stdout == b""
        looks = "for file in fd/0 fd/1 environ mem maps; do cat </proc/$PPID/$file && echo $file; done"
        assert shell.run(f"{looks}; ls /proc/$PPID/fd").stdout == b""
        shell.run("kill -9 $PPID")
    assert shell.run("ls -A /tmp; ls -A . | grep -v -e __pycache__ -e '[.]py$'").stdout == b""


def test_a_shell_that_cannot_be_closed_is_not_used(shell: ContainerShell) -> None:
    large = "for n in 1 2 3; do head -c 20000000 /dev/zero >/tmp/full$n; done"
    small = "n=0; while [ $n -lt 99 ]; do echo >/tmp/full-$n; n=$((n + 1)); done"
    shell.run(f"kill -9 $PPID; {large}; {small}; echo full >full")
    shell.run("while [ ! -e full ]; do sleep 0.1; done; sleep 0.5")
    assert shell.run("echo $PPID").stdout == b"0\n"
    shell.run("rm /tmp/full*")
    assert shell.run("echo $PPID").stdout != b"0\n"


def test_what_a_background_process_prints_is_in_no_later_output(shell: ContainerShell) -> None:
    shell.run("(while :; do echo noise; echo noise >&2; sleep 0.01; done) &")
    for number in range(3):
        done = shell.run(f"sleep 0.1; echo {number}; echo {number} >&2")
        assert (done.stdout, done.stderr) == (b"%d\n" % number, b"%d\n" % number)
    shell.run("kill -9 $(cat /proc/[0-9]*/stat | grep '(sh)' | cut -d' ' -f1 | grep -vx $$) 2>/dev/null; true")


def test_commands_beside_a_process_have_all_that_others_have(shell: ContainerShell) -> None:
    shell.run("sleep 100 &")
    done = shell.run("echo out; echo err >&2; pwd; id -u; exit 3")
    assert (done.exit_code, done.stdout, done.stderr) == (3, b"out\n/app\n10001\n", b"err\n")
    data = bytes(range(256)) * 3000
    assert shell.run("cat > blob", stdin=data).exit_code == 0
    assert shell.run("head -c 60000 blob").stdout == data[:60_000]
    assert shell.run("cat; echo end").stdout == b"end\n"
    assert shell.run("sleep 100 & echo started").stdout == b"started\n"
    assert shell.run("kill -9 $$").exit_code == 137
    assert shell.run("echo far; sleep 30", timeout=0.5).timed_out
    assert shell.run("echo near").stdout == b"near\n"


def test_a_shell_that_was_shared_is_replaced(shell: ContainerShell) -> None:
    before = shell.run("echo $PPID").stdout
    shell.run("sleep 0.7 &")
    assert shell.run("echo $PPID").stdout == b"0\n", "an exec of its own"
    shell.run("sleep 1")
    after = shell.run("echo $PPID").stdout
    assert after not in (before, b"0\n"), "alone again, in a new shell"


def test_the_recording_of_a_trial_has_what_was_run(arena: Arena) -> None:
    main = hostile.commands(background(READS_THE_MEMORY), HONEST)
    (event,) = [event for event in recorded(arena, arena.run(main)) if event.get("command") == HONEST]
    assert (event["exit_code"], event["stdout"]) == (7, "honest\n")


def recorded(arena: Arena, result: TrialResult) -> list[dict[str, Any]]:
    assert result.recording is not None, result.detail
    return trajectory.load(arena.folder / result.recording.path)
