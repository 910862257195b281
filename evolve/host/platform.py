"""What only Linux offers: processors and memory of this machine, the boot's id and clock, signals from a dying parent.

Evolve runs on Linux only. Every call that another system lacks is made here, so this module is what a port changes.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from evolve.core.errors import BadInput

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
MEMORY = Path("/proc/meminfo")
# The control group of a container around this process: files with its limit and its use in bytes, and the name of what
# it can give up of that. Version 2, then 1; on the host itself the files are missing, or there is no limit.
MEMORY_GROUPS = (
    (Path("/sys/fs/cgroup"), "memory.max", "memory.current", "inactive_file"),
    (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)
PR_SET_PDEATHSIG = 1
SYSTEMS = {"darwin": "macOS", "win32": "Windows", "cygwin": "Windows"}
LINUX_ON = {
    "macOS": "run it in a Linux virtual machine, for example with Colima (`colima start`, `colima ssh`) or Lima",
    "Windows": "run it in WSL2, where Docker runs as on any Linux",
}
LINUX_ELSEWHERE = "run it in a Linux virtual machine or container"


def check_platform() -> None:
    """Raise BadInput, which names an alternative, on anything but Linux."""
    if sys.platform == "linux":
        return
    system = SYSTEMS.get(sys.platform, sys.platform)
    raise BadInput(system, "evolve needs Linux", LINUX_ON.get(system, LINUX_ELSEWHERE))


def usable_processors() -> int:
    """The number of processors that this process may use; at least 1."""
    return max(1, len(os.sched_getaffinity(0)))


def available_memory_mb() -> int:
    """Memory in MB that new processes can use without swapping, within the limit of a container around this process."""
    lines = dict(line.split(":", 1) for line in MEMORY.read_text(encoding="ascii").splitlines())
    available = int(lines["MemAvailable"].split()[0]) << 10
    left = [_left_bytes(*group) for group in MEMORY_GROUPS]
    return min([available, *(number for number in left if number is not None)]) >> 20


def _left_bytes(folder: Path, limit: str, used: str, cache: str) -> int | None:
    """What a control group's limit leaves; None if there is no limit."""
    try:
        most, now = (int((folder / name).read_text(encoding="ascii")) for name in (limit, used))
        shares = dict(line.split() for line in (folder / "memory.stat").read_text(encoding="ascii").splitlines())
    except (OSError, ValueError):
        return None
    return max(most - now + int(shares.get(cache, 0)), 0)


def boot_id() -> str:
    """The id of this boot of the machine; the next boot gets another one."""
    return BOOT_ID.read_text(encoding="ascii").strip()


def process_namespace() -> str:
    """The namespace in which this process has its id: in another one, another process may have the same id."""
    return os.readlink("/proc/self/ns/pid")


def seconds_since_boot() -> float:
    """The clock that starts at boot, counts while the machine is suspended, and that nobody can set."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def process_start(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; with the id it names one process. None if it is dead."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(") ")[2].split()
    except OSError:
        return None
    # A zombie is dead, though its parent has not asked for its status yet.
    return None if fields[0] in ("Z", "X") else int(fields[19])


def die_with_parent(parent: int) -> None:
    """Let the kernel kill this process when the thread that started it ends; exit at once if `parent` is already gone.

    parent: the process id of the parent, as it knew it.
    """
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def ignores_interrupts(pid: int) -> bool:
    """Whether a process ignores SIGINT, as one does that a shell started in the background."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return False
    masks = [int(line.split()[1], 16) for line in lines if line.startswith("SigIgn:")]
    return any(mask >> (signal.SIGINT - 1) & 1 for mask in masks)


def send_interrupt(pid: int, is_right_one: Callable[[], bool]) -> bool:
    """Send SIGINT to one process, and to no other that got its id since. -> whether it was sent

    is_right_one: asked once the process is held by a descriptor, which stays with that process.
    """
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        if not is_right_one():
            return False
        signal.pidfd_send_signal(descriptor, signal.SIGINT)
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)


def arguments_of(pid: int) -> tuple[str, ...]:
    """The arguments of a process's command; none if it is dead or another user's."""
    try:
        data = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return ()
    return tuple(part.decode("utf-8", "replace") for part in data.split(b"\0")[:-1])


def folder_of(pid: int) -> Path | None:
    """The current folder of a process; None if that is not known."""
    try:
        return Path(os.readlink(f"/proc/{pid}/cwd"))
    except OSError:
        return None


def variable_of(pid: int, name: str) -> str | None:
    """The value of one variable in the environment that a process was started with."""
    try:
        data = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return None
    prefix = name.encode() + b"="
    values = [part[len(prefix) :] for part in data.split(b"\0") if part.startswith(prefix)]
    return values[0].decode("utf-8", "replace") if values else None
