"""The limits that all kinds of container share, and the filter of system calls."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

from docker.types import LogConfig, Ulimit

from evolve.core.records import SandboxSpec, SuiteProfile
from evolve.sandbox.engine import connect, info
from evolve.sandbox.engine_features import uses_selinux

SECCOMP = Path(__file__).with_name("seccomp.json")
# A machine whose last memory a container uses kills any process, Evolve's own too.
MOST_RESERVE_MB = 1024
# For package managers and debuggers; they need capabilities, or affect processes of the same user only.
LOOSE_CALLS = (
    "chroot",
    "kcmp",
    "mknod",
    "mknodat",
    "pidfd_getfd",
    "process_madvise",
    "process_vm_readv",
    "process_vm_writev",
    "ptrace",
    "sethostname",
)
# The engine's own list (a list of ours replaces it), and the locks of all processes of the machine: what is locked, and
# which bytes of it, is readable there whoever holds it.
MASKED_PATHS = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/locks",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
)


@functools.cache
def seccomp_profile(profile: SuiteProfile) -> str:
    """The filter of system calls, as JSON for the engine: an allow-list; all other calls fail with EPERM."""
    rules: dict[str, Any] = json.loads(SECCOMP.read_text(encoding="utf-8"))
    if profile is SuiteProfile.LOOSE:
        rules["syscalls"].append({"names": list(LOOSE_CALLS), "action": "SCMP_ACT_ALLOW"})
    return json.dumps(rules)


def security_options(profile: SuiteProfile) -> list[str]:
    """The engine's security options for a container.

    On SELinux, `label=disable`: relabelling (`z`, `Z`) would change the user's own files, the engine's API has no such
    option for these mounts, and no label lets a container connect to a socket of a process outside.
    """
    options = ["no-new-privileges", f"seccomp={seccomp_profile(profile)}"]
    return [*options, "label=disable"] if uses_selinux(info()) else options


@functools.cache
def engine_processors() -> int:
    """The number of processors of the engine's machine; it refuses a container with more."""
    return int(info()["NCPU"])


@functools.cache
def engine_memory_mb() -> int:
    """The memory that one container may use at most, in MB: what the engine's machine has, without a reserve."""
    total = int(info()["MemTotal"]) >> 20
    return max(total - min(total // 10, MOST_RESERVE_MB), 32)


def tmpfs_size(spec: SandboxSpec) -> str:
    """The limits of a folder in memory, as options of its mount; without a size, half of the machine's memory."""
    return "nr_inodes=0" if spec.disk_mb is None else f"size={spec.disk_mb}m,nr_inodes=20k"


def _file_limits(spec: SandboxSpec, profile: SuiteProfile) -> list[Ulimit]:
    """Of a file's size, and of open files; LOOSE has the engine's own limit of those."""
    opened = [Ulimit(name="nofile", soft=1024, hard=1024)] if profile is SuiteProfile.STRICT else []
    if spec.disk_mb is None:
        return opened
    return [*opened, Ulimit(name="fsize", soft=spec.disk_mb << 20, hard=spec.disk_mb << 20)]


def host_config(spec: SandboxSpec, profile: SuiteProfile = SuiteProfile.STRICT, **more: Any) -> dict[str, Any]:
    """The limits that all kinds of container share, as the engine's HostConfig.

    A size of None is what the engine's machine has.

    A swap limit equal to the memory limit means no swap; tmpfs counts as memory. LOOSE leaves out the limits on
    capabilities and on writing to the root file system.

    Args:
        more: Further options; `tmpfs` adds folders.
    """
    memory_mb = engine_memory_mb() if spec.memory_mb is None else spec.memory_mb
    options: dict[str, Any] = {
        "init": False,
        "network_mode": "bridge" if spec.network else "none",
        "security_opt": security_options(profile),
        "pids_limit": spec.pids,
        "mem_limit": f"{memory_mb}m",
        "memswap_limit": f"{memory_mb}m",
        "nano_cpus": int(min(spec.cpus or engine_processors(), engine_processors()) * 1e9),
        "ipc_mode": "private",
        "cgroupns": "private",
        "shm_size": "16m" if profile is SuiteProfile.STRICT else "64m",
        "ulimits": [Ulimit(name="core", soft=0, hard=0), *_file_limits(spec, profile)],
        "log_config": LogConfig(type="none"),
        "runtime": spec.runtime,
        "tmpfs": dict(more.pop("tmpfs", {})),
    }
    if profile is SuiteProfile.STRICT:
        options |= {"cap_drop": ["ALL"], "read_only": True}
        options["tmpfs"]["/tmp"] = f"rw,exec,nosuid,nodev,{tmpfs_size(spec)},mode=1777"
    config: dict[str, Any] = connect().api.create_host_config(**options | more)
    return {**config, "MaskedPaths": list(MASKED_PATHS)}
