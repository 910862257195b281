"""The filter of system calls, in every kind of container: what is refused, and what ordinary programs need."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator
from pathlib import Path

import pytest

from evolve.core.launch import Launch
from evolve.core.records import SandboxSpec, SuiteProfile, TaskImage
from evolve.sandbox.container import Container
from evolve.sandbox.inside import AGENT, ROOT
from evolve.sandbox.limits import SECCOMP, seccomp_profile
from evolve.sandbox.scaffold_container import scaffold_process
from evolve.sandbox.task_containers import task_container, verifier_container
from evolve.sandbox.task_state import TaskState

pytestmark = pytest.mark.docker
EPERM, ENOSYS = 1, 38

# Numbers of x86_64, and of aarch64 where they differ.
COLUMN = 0 if platform.machine() == "x86_64" else 1
REFUSED = {
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "open_tree": (428, 428),
    "move_mount": (429, 429), "fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432),
    "fspick": (433, 433), "mount_setattr": (442, 442), "unshare": (272, 97), "setns": (308, 268),
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "kexec_load": (246, 104), "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106),
    "open_by_handle_at": (304, 265), "name_to_handle_at": (303, 264), "quotactl": (179, 60), "swapon": (167, 224),
    "swapoff": (168, 225), "reboot": (169, 142), "acct": (163, 89), "settimeofday": (164, 170),
    "clock_settime": (227, 112), "syslog": (103, 116), "fanotify_init": (300, 262), "vhangup": (153, 58),
    "lookup_dcookie": (212, 18), "chroot": (161, 51), "mbind": (237, 235), "pidfd_getfd": (438, 438),
}  # fmt: skip
CLONE = (56, 220)[COLUMN]
CLONE3 = 435
PROBE = f"""
import ctypes, json, socket
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *values):
    ctypes.set_errno(0)
    result = libc.syscall(number, *(ctypes.c_ulong(value) for value in values))
    return ctypes.get_errno() if result == -1 else 0
found = {{name: call(number, *[0] * 6) for name, number in { ({k: v[COLUMN] for k, v in REFUSED.items()})!r}.items()}}
found["clone3"] = call({CLONE3}, 0, 0)
for bit in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
    found[f"clone {{bit:#x}}"] = call({CLONE}, bit | 17, 0, 0, 0, 0)
for family in (3, 4, 5, 9, 15, 17, 21, 29, 30, 31, 38, 39, 40, 41, 44):
    found[f"socket {{family}}"] = call({(41, 198)[COLUMN]}, family, 1, 0)
found["socketpair of AF_TIPC"] = call({(53, 199)[COLUMN]}, 30, 1, 0, 0)
found["personality"] = call({(135, 92)[COLUMN]}, 0x40000)
for kind in (0o020000, 0o060000, 0o140000, 0o030000):
    found[f"mknodat {{kind:o}}"] = call({(259, 33)[COLUMN]}, 2**64 - 100, 0, kind | 0o666, 0)
print("FOUND", json.dumps(found))
"""
ORDINARY = """
import asyncio, mmap, multiprocessing, os, socket, subprocess, tempfile, threading

def double(number):
    return 2 * number

def main():
    seen = []
    thread = threading.Thread(target=seen.append, args=(1,))
    thread.start(); thread.join()
    assert seen == [1]
    for method in ("fork", "spawn"):
        with multiprocessing.get_context(method).Pool(2) as pool:
            assert pool.map(double, [1, 2, 3]) == [2, 4, 6]
    assert subprocess.run(["sh", "-c", "echo a | cat | tr a b"], capture_output=True).stdout == b"b\\n"
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_UNIX, tempfile.mktemp())):
        with socket.socket(family) as server, socket.socket(family) as client:
            server.bind((host, 0) if family == socket.AF_INET else host)
            server.listen(); client.connect(server.getsockname())
            peer, _ = server.accept()
            client.sendall(b"x")
            assert peer.recv(1) == b"x"
            peer.close()
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close()
    left, right = socket.socketpair()
    left.send(b"y")
    assert right.recv(1) == b"y"
    async def talk():
        process = await asyncio.create_subprocess_exec("echo", "z", stdout=-1)
        await asyncio.sleep(0.01)
        return (await process.communicate())[0]
    assert asyncio.run(talk()) == b"z\\n"
    with tempfile.TemporaryFile() as file:
        file.truncate(8192)
        with mmap.mmap(file.fileno(), 8192) as shared:
            shared[:2] = b"ok"
            assert shared[:2] == b"ok"
    mmap.mmap(-1, 4096).close()
    with tempfile.TemporaryDirectory() as folder:
        os.mkfifo(folder + "/pipe")
    print("FINE")

if __name__ == "__main__":
    main()
"""


def check(printed: str, but: tuple[str, ...] = ()) -> None:
    """Every probe was refused, with EPERM but for clone3; those of `but` reached the kernel."""
    found: dict[str, int] = json.loads(printed.split("FOUND ")[1].splitlines()[0])
    wanted = {name: ENOSYS if name == "clone3" else EPERM for name in found if name not in but}
    assert {name: found[name] for name in wanted} == wanted
    assert len(found) == len(REFUSED) + 1 + 7 + 15 + 2 + 4


@pytest.fixture
def state(built: dict[str, TaskImage], swept: str) -> Iterator[TaskState]:
    made = TaskState(swept, next(iter(built.values())), SandboxSpec(memory_mb=128, disk_mb=32))
    yield made
    made.remove()


def probed(container: Container, user: str) -> str:
    shell = container.shell(user, "/tmp")
    try:
        found = shell.run("cat > probe.py; python3 probe.py", stdin=PROBE.encode())
        fine = shell.run("cat > fine.py; python3 fine.py", stdin=ORDINARY.encode())
        return (found.stdout + found.stderr + fine.stdout + fine.stderr).decode()
    finally:
        shell.close()
        container.kill()


def test_in_a_task_container(state: TaskState) -> None:
    printed = probed(task_container(state, 60), AGENT)
    check(printed)
    assert "FINE" in printed, printed


def test_in_a_verifier_container(state: TaskState) -> None:
    printed = probed(verifier_container(state, 60), ROOT)
    check(printed)
    assert "FINE" in printed, printed


def test_in_a_scaffold_container(swept: str, base: str, tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    (tmp_path / "main.py").write_text(f"exec({PROBE!r})\n{ORDINARY}")
    process = scaffold_process(swept, base, tmp_path, "main.py", Launch(), tmp_path, SandboxSpec(memory_mb=128), 60)
    try:
        assert process.wait(30) and process.status() == 0, process.output
        check(process.output.decode())
        assert b"FINE" in process.output
    finally:
        process.kill()


def test_the_list_is_well_formed() -> None:
    rules = json.loads(SECCOMP.read_text())
    assert rules["defaultAction"] == "SCMP_ACT_ERRNO"
    plain = [name for rule in rules["syscalls"] if "args" not in rule for name in rule["names"]]
    assert len(plain) == len(set(plain)) > 250
    assert not set(plain) & {*REFUSED, "socket", "clone", "personality", "mknod", "mknodat"}
    assert len(json.loads(seccomp_profile(SuiteProfile.LOOSE))["syscalls"]) == len(rules["syscalls"]) + 1
