"""What an engine must offer so that the sandbox's limits hold, read from its answers to /version and /info."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evolve.core.errors import BadInput

PODMAN = "Podman Engine"
# What Podman 4.3.1 answers to our containers: "opening seccomp profile failed", `unknown mount option "nr_inodes=20k"`.
PODMAN_PROBLEM = "its API rejects the sandbox's seccomp profile and the inode limit of its tmpfs"
# An engine leaves out limits that it can't enforce, with a warning only.
LIMITS = {"MemoryLimit": "memory", "PidsLimit": "processes", "CpuCfsQuota": "processor time"}


def refuse_podman(where: str, version: Mapping[str, Any]) -> None:
    """Raise BadInput if the engine with this /version is Podman."""
    components = {part.get("Name"): part.get("Version") for part in version.get("Components") or ()}
    if PODMAN in components:
        raise BadInput(
            f"container engine {where}",
            f"Podman {components[PODMAN]} answers; {PODMAN_PROBLEM}",
            "use Docker Engine (rootless Docker needs no root either)",
        )


def refuse_missing_limits(where: str, info: Mapping[str, Any]) -> None:
    """Raise BadInput if the engine with this /info can't enforce the sandbox's limits."""
    missing = [name for key, name in LIMITS.items() if info.get(key) is False]
    if missing:
        raise BadInput(
            f"container engine {where}",
            f"it can't limit {' and '.join(missing)}",
            "give it the cgroup controllers (rootless Docker: cgroup v2, and `Delegate=` for user@.service in systemd)",
        )


def uses_selinux(info: Mapping[str, Any]) -> bool:
    """Whether the engine with this /info confines containers by SELinux."""
    return any(option.split(",")[0] == "name=selinux" for option in info.get("SecurityOptions") or ())
