"""What two trials that run side by side share: nothing through which one tells the other something or starves it."""

from __future__ import annotations

import contextlib
import json
import textwrap
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from evolve.core.launch import Launch
from evolve.core.records import Outcome, SandboxSpec, ScaffoldSource, TaskImage, TrialSpec
from evolve.executor.evaluate import Evaluator
from evolve.sandbox.container import Container
from evolve.sandbox.inside import ROOT
from evolve.sandbox.processes import processes_of
from evolve.sandbox.resources import acquire_resources
from evolve.sandbox.scaffold_container import scaffold_process
from evolve.sandbox.task_containers import task_container, verifier_container
from evolve.sandbox.task_state import TaskState
from evolve.trial.run import run_trial

from . import weakened
from .conftest import OWNER, Arena

pytestmark = pytest.mark.docker
GOT = "GOT IT"
SPEC = SandboxSpec(memory_mb=256, pids=256, disk_mb=32)
TTL = 240
KINDS = ("scaffold", "task", "verifier")
# The kernel's own files for namespaces that all containers share, unless the engine has user namespaces.
NAMESPACES = {"user", "time", "time_for_children"}
SLEEPS = "import time\ntime.sleep(600)\n"

# Opens every file and folder and locks it, with `hold` until the container ends: it prints READY when it has them all.
# Otherwise it prints how many there are, and what is locked already.
LOCKS = """
import fcntl, json, os, stat, sys, time
CHUNK = 900

def names():
    for top, folders, files in os.walk("/"):
        parts = top.split("/")[1:]
        if parts[0] == "proc" and len(parts) > 1 and parts[1].isdigit() and parts[1] != "1":
            folders[:] = []
            continue
        yield from (os.path.join(top, name) for name in (".", *files))
    yield from (f"/proc/self/ns/{name}" for name in os.listdir("/proc/self/ns"))

def lock(path):
    try:
        if not stat.S_IFMT(os.stat(path).st_mode) in (stat.S_IFREG, stat.S_IFDIR):
            return
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if hold:
            return
    except BlockingIOError:
        taken.append(path)
    except OSError:
        pass
    os.close(number)

taken, paths, hold = [], list(names()), sys.argv[1] == "hold"
done, tell = os.pipe()
chunks = [paths[start:start + CHUNK] for start in range(0, len(paths), CHUNK)]
for chunk in chunks:
    if hold and os.fork():
        continue
    for path in chunk:
        lock(path)
    if hold:
        os.write(tell, b".")
        time.sleep(600)
if hold:
    for _ in chunks:
        os.read(done, 1)
    print("READY", flush=True)
    time.sleep(600)
print(json.dumps([len(paths), taken]))
"""


@dataclass(frozen=True)
class Running:
    """A container of a trial, and the user of what is not trusted in it."""

    container: Container
    user: str

    def run(self, code: str, *words: str) -> str:
        """What a Python program prints there."""
        api = self.container.client.api
        made = api.exec_create(self.container.id, ["python3", "-c", code, *words], user=self.user)
        return bytes(api.exec_start(made["Id"])).decode()

    def hold(self, code: str, *words: str) -> None:
        """Start a program that goes on, and wait until it has printed READY."""
        api = self.container.client.api
        made = api.exec_create(self.container.id, ["python3", "-c", code, *words], user=self.user)
        seen = b""
        for piece in api.exec_start(made["Id"], stream=True):
            seen += piece
            if b"READY" in seen:
                return
        raise AssertionError(seen)


@contextlib.contextmanager
def running_trial(arena: Arena, image: TaskImage, number: int) -> Iterator[dict[str, Running]]:
    """The three containers of a trial, as they are made for one."""
    scaffold = arena.folder / "shared-scaffold"
    scaffold.mkdir(exist_ok=True)
    (scaffold / "main.py").write_text(SLEEPS)
    resources = acquire_resources(OWNER, f"trial {number}")
    state = TaskState(OWNER, image, SPEC, resources=resources)
    with ExitStack() as stack:
        stack.callback(state.remove)
        folder = resources.copy_scaffold(scaffold)
        process = scaffold_process(OWNER, arena.base, folder, "main.py", Launch(), resources.door, SPEC, TTL, resources)
        stack.callback(process.kill)
        task = task_container(state, TTL, opens_shell=True)
        stack.callback(task.kill)
        verifier = verifier_container(state, TTL)
        stack.callback(verifier.kill)
        yield {
            "scaffold": Running(process.container, resources.user),
            "task": Running(task, resources.user),
            "verifier": Running(verifier, resources.user),
        }


@pytest.fixture
def side_by_side(arena: Arena, image: TaskImage) -> Callable[..., AbstractContextManager[list[dict[str, Running]]]]:
    @contextlib.contextmanager
    def make(hole: AbstractContextManager[object] | None = None) -> Iterator[list[dict[str, Running]]]:
        with ExitStack() as stack:
            stack.enter_context(hole or contextlib.nullcontext())
            yield [stack.enter_context(running_trial(arena, image, number)) for number in (1, 2)]

    return make


SideBySide = Callable[..., AbstractContextManager[list[dict[str, Running]]]]


def locked_by_the_other(trials: list[dict[str, Running]]) -> dict[str, set[str]]:
    """What the containers of the second trial find locked while those of the first hold all that they can open."""
    for holder in trials[0].values():
        holder.hold(LOCKS, "hold")
    tried = {kind: json.loads(trier.run(LOCKS, "try")) for kind, trier in trials[1].items()}
    assert all(paths > 2_000 for paths, _ in tried.values()), "it walks a whole file system"
    return {kind: set(taken) for kind, (_, taken) in tried.items()}


def test_with_shared_files_a_lock_is_seen_by_the_other_trial(side_by_side: SideBySide) -> None:
    with side_by_side(weakened.host_files_shared()) as trials:
        seen = locked_by_the_other(trials)
    for paths in seen.values():
        assert "/etc/hosts" in paths and any(path.endswith("docker-init") for path in paths)
        assert "/proc/self/ns/cgroup" in paths
    assert {"/opt/evolve/launch.py", "/opt/evolve/.", "/scaffold/main.py"} <= seen["scaffold"]


def test_no_lock_on_any_file_is_seen_by_the_other_trial(side_by_side: SideBySide) -> None:
    with side_by_side() as trials:
        seen = locked_by_the_other(trials)
    others = {kind: {path for path in paths if Path(path).name not in NAMESPACES} for kind, paths in seen.items()}
    assert others == {kind: set() for kind in KINDS}


# A lock of an open file belongs to no process, so every process of the machine may see it in the list of locks.
HOLDS_RANGE = """
import fcntl, struct, tempfile, time
file = tempfile.TemporaryFile()
fcntl.fcntl(file, fcntl.F_OFD_SETLK, struct.pack("@hhqqi0q", fcntl.F_WRLCK, 0, 123456789, 42, 0))
print("READY", flush=True)
time.sleep(600)
"""
LISTS = "print(open('/proc/locks').read())"


@pytest.mark.parametrize("hole", [True, False])
def test_the_list_of_locks_carries_nothing(side_by_side: SideBySide, hole: bool) -> None:
    with side_by_side(weakened.locks_listed() if hole else None) as trials:
        trials[0]["task"].hold(HOLDS_RANGE)
        assert ["123456789" in trials[1][kind].run(LISTS) for kind in KINDS] == [hole] * 3


# Uses up what the kernel counts by user, then tells how much of it there is.
STARVATIONS = {
    "inotify instances": """
        import ctypes
        libc = ctypes.CDLL(None)
        def take():
            return libc.inotify_init1(0) >= 0
        """,
    "pages in pipes": """
        import fcntl, os
        pipes = []
        def take():
            pipes.append(os.pipe())
            if fcntl.fcntl(pipes[-1][0], fcntl.F_GETPIPE_SZ) < 1 << 16:
                return False
            try:
                fcntl.fcntl(pipes[-1][0], fcntl.F_SETPIPE_SZ, 1 << 20)
            except PermissionError:
                pass
            return True
        """,
    "descriptors on their way": """
        import array, resource, socket
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 1024))
        pairs = []
        def take():
            pairs.append(socket.socketpair())
            item = array.array("i", [pairs[-1][0].fileno()] * 50)
            try:
                pairs[-1][0].sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, item)])
            except OSError:
                return False
            return True
        """,
}
EXHAUST = "\nimport time\nwhile take(): pass\nprint('READY', flush=True)\ntime.sleep(600)\n"
ASK = "\nprint('LEFT' if take() else 'NOTHING LEFT')\n"


@pytest.mark.parametrize("hole", [True, False])
@pytest.mark.parametrize("what", STARVATIONS)
def test_what_one_trial_uses_up_is_there_for_the_other(side_by_side: SideBySide, what: str, hole: bool) -> None:
    code = textwrap.dedent(STARVATIONS[what])
    with side_by_side(weakened.one_user() if hole else None) as trials:
        trials[0]["task"].hold(code + EXHAUST)
        left = {kind: trials[1][kind].run(code + ASK).strip() for kind in KINDS}
    assert left == dict.fromkeys(KINDS, "NOTHING LEFT" if hole else "LEFT")


RUN, CANDIDATE = "quiet-otter", "c" * 40
# All that a process can read about where it is, in the scaffold's container and in the task's.
WHERE = """
import subprocess
import evolve_door as door
look = ("cat /proc/self/mountinfo /proc/self/mounts /proc/self/cgroup /proc/1/cgroup /proc/1/mountinfo /etc/hostname "
        "/etc/hosts /proc/1/cmdline /proc/self/cpuset /proc/1/environ 2>/dev/null; hostname; env; mount; true")
here = subprocess.run(look, shell=True, capture_output=True, text=True).stdout
there = door.run(look).stdout
print(any(word in text for word in {words!r} for text in (here, there)) and {got!r})
raise SystemExit(1)
"""


def named_spec(arena: Arena) -> TrialSpec:
    """A trial whose files lie where a run has them."""
    folder = arena.folder / "runs" / RUN
    scaffold = folder / "candidates" / CANDIDATE[:16]
    scaffold.mkdir(parents=True)
    words = [RUN, CANDIDATE[:12], "tiny", "train", "c0ffee", str(arena.folder)]
    (scaffold / "main.py").write_text(WHERE.format(words=words, got=GOT))
    source = ScaffoldSource(scaffold, "main.py", arena.base)
    return replace(arena.spec(""), run=RUN, candidate=CANDIDATE, scaffold=source, folder=folder)


@pytest.mark.parametrize("hole", [True, False])
def test_no_mount_names_run_candidate_or_task(arena: Arena, hole: bool) -> None:
    with weakened.host_files_shared() if hole else contextlib.nullcontext():
        result = run_trial(named_spec(arena))
    assert result.outcome is Outcome.SCAFFOLD_ERROR
    assert (GOT in result.detail) is hole


USER = """
import os, time
import evolve_door as door
time.sleep(2)
print("uids", os.getuid(), door.run("id -u; stat -c %u . file 2>/dev/null").stdout.split(), flush=True)
raise SystemExit(1)
"""


def test_trials_that_run_at_once_have_users_of_their_own(arena: Arena) -> None:
    specs = [arena.spec(USER) for _ in range(2)]
    results: list[Any] = []
    with Evaluator(2) as evaluator:
        evaluator.measure(specs, results.append)
    users = [result.detail.partition("uids ")[2].split()[0] for result in results]
    assert len(set(users)) == 2
    for result, user in zip(results, users, strict=True):
        assert f"{user} ['{user}', '{user}'" in result.detail


OWN_USER = """#!/bin/sh
[ "$EVOLVE_AGENT_UID" = "$(stat -c %u .)" ] && [ "$(id -u)" = 0 ] && echo 1 > /logs/verifier/reward.txt
"""


def test_the_tests_are_told_the_users_id(arena: Arena) -> None:
    result = arena.run("import evolve_door\n", task=arena.judged_by(test_sh=OWN_USER))
    assert result.outcome is Outcome.PASSED, result.detail


def test_root_is_the_only_user_that_trials_share(side_by_side: SideBySide) -> None:
    """The verifier's own processes are root, and PID 1 of a task's container is nobody."""
    with side_by_side() as trials:
        users = [{user for running in trial.values() for user in users_in(running.container)} for trial in trials]
    assert users[0] & users[1] == {ROOT, "65534:65534"}


def users_in(container: Container) -> set[str]:
    """User and group of every process of a container, by the kernel of this machine."""
    present = processes_of(container.client, container.id) or ()
    statuses = [Path(f"/proc/{one.id}/status").read_text(encoding="utf-8") for one in present]
    return {
        ":".join(line.split()[1] for line in status.splitlines() if line[:4] in ("Uid:", "Gid:")) for status in statuses
    }
