"""The keys of a compose file: which ones Evolve reads, which change nothing here, and why the others are refused."""

from __future__ import annotations

from collections.abc import Mapping

FILE_KEYS = frozenset({"services", "version", "name", "networks", "volumes", "secrets", "configs"})
READ = frozenset({
    "build", "cap_add", "cap_drop", "command", "configs", "container_name", "cpus", "depends_on", "deploy",
    "entrypoint", "env_file", "environment", "extra_hosts", "healthcheck", "hostname", "image", "links", "mem_limit",
    "networks", "network_mode", "pids_limit", "profiles", "read_only", "restart", "secrets", "shm_size", "stop_signal",
    "sysctls", "tmpfs", "ulimits", "user", "volumes", "working_dir",
})  # fmt: skip
# Ports are published to nobody: all services of a task reach each other without.
HARMLESS = frozenset({
    "annotations", "attach", "cpu_shares", "develop", "domainname", "expose", "init", "labels", "logging",
    "mem_reservation", "memswap_limit", "platform", "ports", "pull_policy", "stdin_open", "stop_grace_period",
    "tty",
})  # fmt: skip
# Keys that are fine with these values.
ALLOWED: Mapping[str, tuple[object, ...]] = {
    "privileged": (False, "false"),
    "ipc": ("private", "shareable"),
    "cgroup": ("private",),
    "scale": (1, "1"),
    "oom_kill_disable": (False, "false"),
    "devices": ([],),
    "security_opt": (
        [],
        ["no-new-privileges"],
        ["no-new-privileges:true"],
        ["no-new-privileges=true"],
    ),
}
HOST = "it would reach the host"
REASONS: Mapping[str, str] = {
    "privileged": HOST,
    "devices": HOST,
    "device_cgroup_rules": HOST,
    "pid": HOST,
    "ipc": HOST,
    "uts": HOST,
    "userns_mode": HOST,
    "cgroup": HOST,
    "cgroup_parent": HOST,
    "security_opt": "it would weaken the container",
    "oom_kill_disable": "memory limits hold for every container",
    "oom_score_adj": "it would put other processes of the host at risk",
    "gpus": "Evolve gives containers no GPU",
    "runtime": "the run chooses the runtime",
    "scale": "there is one container for each service",
}
# What the engine gives to containers by default, and what affects processes of the same container alone.
CAPABILITIES = frozenset({
    "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "NET_RAW",
    "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT", "IPC_LOCK", "SYS_PTRACE",
})  # fmt: skip
DEPLOY_HARMLESS = frozenset({
    "endpoint_mode", "labels", "mode", "placement", "restart_policy", "rollback_config", "update_config",
})  # fmt: skip
BUILD_HARMLESS = frozenset({
    "cache_from", "cache_to", "labels", "no_cache", "platforms", "pull", "tags",
})  # fmt: skip


def reason(key: str) -> str:
    """Why a key is refused, as the end of a sentence."""
    return f": {REASONS[key]}" if key in REASONS else ""
