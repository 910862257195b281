"""What a container may do and use: the limits that all kinds share, and the filter of system calls."""

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
# What package managers and debuggers want: behind capabilities, or among the processes of one user.
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


@functools.cache
def seccomp(profile: SuiteProfile) -> str:
    """The filter as the engine takes it: JSON that lists what is allowed; all else is EPERM."""
    rules: dict[str, Any] = json.loads(SECCOMP.read_text(encoding="utf-8"))
    if profile is SuiteProfile.LOOSE:
        rules["syscalls"].append({"names": list(LOOSE_CALLS), "action": "SCMP_ACT_ALLOW"})
    return json.dumps(rules)


def security_options(profile: SuiteProfile) -> list[str]:
    """The engine's security options for a container.

    On SELinux, `label=disable`: relabelling (`z`, `Z`) would change the user's own files, the engine's API has no such
    option for these mounts, and no label lets a container connect to a socket of a process outside.
    """
    options = ["no-new-privileges", f"seccomp={seccomp(profile)}"]
    return [*options, "label=disable"] if uses_selinux(info()) else options


@functools.cache
def processors() -> int:
    """How many the engine's machine has; it refuses to give a container more."""
    return int(info()["NCPU"])


def host_config(spec: SandboxSpec, profile: SuiteProfile = SuiteProfile.STRICT, **more: Any) -> dict[str, Any]:
    """The limits that all kinds share; `more` adds options, and folders to `tmpfs`.

    Swap equal to memory means none; tmpfs counts as memory. LOOSE leaves out what is about the user's powers and the
    root file system, and keeps all the rest.
    """
    options: dict[str, Any] = {
        "init": True,
        "network_mode": "bridge" if spec.network else "none",
        "security_opt": security_options(profile),
        "pids_limit": spec.pids,
        "mem_limit": f"{spec.memory_mb}m",
        "memswap_limit": f"{spec.memory_mb}m",
        "nano_cpus": int(min(spec.cpus, processors()) * 1e9),
        "ipc_mode": "private",
        "shm_size": "16m",
        "ulimits": [
            Ulimit(name="nofile", soft=1024, hard=1024),
            Ulimit(name="core", soft=0, hard=0),
            Ulimit(name="fsize", soft=spec.disk_mb << 20, hard=spec.disk_mb << 20),
        ],
        "log_config": LogConfig(type="none"),
        "runtime": spec.runtime,
        "tmpfs": dict(more.pop("tmpfs", {})),
    }
    if profile is SuiteProfile.STRICT:
        options |= {"cap_drop": ["ALL"], "read_only": True}
        options["tmpfs"]["/tmp"] = f"rw,exec,nosuid,nodev,size={spec.disk_mb}m,nr_inodes=20k,mode=1777"
    config: dict[str, Any] = connect().api.create_host_config(**options | more)
    return config
