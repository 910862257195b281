"""The compose file of a task of Terminal-Bench's first generation: one service, and nothing that an image can't say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evolve.project.importers.benchmark import Unsuitable, path_problem
from evolve.project.quoting import quoted

CLIENT = "client"
# What the harness of the first generation fills in; a task of ours has its own folders for these.
HARNESS_VARIABLE = re.compile(r"\$\{T_BENCH_\w+\}")
HARMLESS = {"image", "container_name", "volumes", "ports", "expose", "stdin_open", "tty", "init", "platform", "labels"}
READ = {"build", "command", "environment", "working_dir", "deploy", "network_mode", "mem_limit", "cpus", "hostname"}
FILE_KEYS = {"services", "version", "name", "volumes", "networks"}
SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmg]?)i?b?", re.IGNORECASE)


@dataclass(frozen=True)
class ClientService:
    """The service in which the agent works. dockerfile_lines: what the compose file adds to the image."""

    context: str = ""
    dockerfile: str = "Dockerfile"
    dockerfile_lines: str = ""
    memory_mb: int | None = None
    public_network: bool = True


def read_compose(value: Any, name: str) -> ClientService:
    """Read a compose file's only service. Raises Unsuitable for more services, and for what is not supported."""
    services = value.get("services") if isinstance(value, dict) else None
    if not isinstance(services, dict) or not services:
        raise Unsuitable(f"its {name} has no services")
    if set(services) != {CLIENT}:
        raise Unsuitable(
            f"its {name} has the services {', '.join(map(str, services))}; only one called `client` is run"
        )
    service = services[CLIENT]
    if not isinstance(service, dict):
        raise Unsuitable(f"its {name} has a service that is no table")
    unknown = sorted({str(key) for key in service} - HARMLESS - READ) + sorted(map(str, set(value) - FILE_KEYS))
    if unknown:
        raise Unsuitable(f"its {name} uses `{unknown[0]}`, which is not supported")
    _check_volumes(service, name)
    return _service(service, name)


def _check_volumes(service: Mapping[str, Any], name: str) -> None:
    for volume in service.get("volumes") or []:
        if not isinstance(volume, str) or not HARNESS_VARIABLE.match(volume):
            raise Unsuitable(f"its {name} mounts {ascii(volume)[:60]}, which is not supported")


def _service(service: Mapping[str, Any], name: str) -> ClientService:
    build = service.get("build") or {}
    build = {"context": build} if isinstance(build, str) else build
    if not isinstance(build, dict) or set(build) - {"context", "dockerfile"}:
        raise Unsuitable(f"its {name} builds its image with options that are not supported")
    network = service.get("network_mode")
    if network not in (None, "bridge", "none"):
        raise Unsuitable(f"its {name} uses network_mode `{network}`, which is not supported")
    return ClientService(
        context=_inside(build.get("context"), name),
        dockerfile=_inside(build.get("dockerfile"), name) or "Dockerfile",
        dockerfile_lines=_dockerfile_lines(service, name),
        memory_mb=_memory(service, name),
        public_network=network != "none",
    )


def _inside(value: object, name: str) -> str:
    """A path of the compose file, relative to the task; "" for the task's own folder."""
    path = str(value or "").removeprefix("./").rstrip("/")
    if path in ("", "."):
        return ""
    if path_problem(path):
        raise Unsuitable(f"its {name} builds from {ascii(path)[:60]}, outside the task")
    return path


def _dockerfile_lines(service: Mapping[str, Any], name: str) -> str:
    lines = [f"ENV {key}={quoted(value)}" for key, value in _environment(service.get("environment"), name).items()]
    workdir = service.get("working_dir")
    if workdir is not None:
        if not isinstance(workdir, str) or not re.fullmatch(r"/[\w./-]*", workdir):
            raise Unsuitable(f"its {name} has the working_dir {ascii(workdir)[:60]}")
        lines.append(f"WORKDIR {workdir}")
    _check_command(service.get("command"), name)
    return "".join(f"{line}\n" for line in lines)


def _environment(value: object, name: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    items = value.items() if isinstance(value, dict) else [str(one).partition("=")[::2] for one in _list(value, name)]
    for key, text in items:
        if HARNESS_VARIABLE.fullmatch(str(text)):
            continue
        if not re.fullmatch(r"[A-Za-z_]\w*", str(key)) or "$" in str(text) or not str(text).isprintable():
            raise Unsuitable(f"its {name} sets the variable {ascii(key)[:40]} from the host, which is not supported")
        pairs[str(key)] = str(text)
    return pairs


def _list(value: object, name: str) -> list[object]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise Unsuitable(f"its {name} has an environment that is neither a list nor a table")
    return value


def _check_command(command: object, name: str) -> None:
    text = " ".join(map(str, command)) if isinstance(command, list) else str(command or "")
    if text and not re.fullmatch(r"(?:(?:ba|/bin/ba|/bin/)?sh -c )?[\"']?sleep infinity[\"']?", text):
        raise Unsuitable(f"its {name} starts {ascii(text)[:60]}, which is not supported")


def _memory(service: Mapping[str, Any], name: str) -> int | None:
    """The limit of memory in MB."""
    value: Any = service.get("deploy") or {}
    for key in ("resources", "limits", "memory"):
        value = value.get(key) if isinstance(value, dict) else None
    value = service.get("mem_limit") if value is None else value
    if value is None:
        return None
    match = SIZE.fullmatch(str(value).strip())
    if match is None:
        raise Unsuitable(f"its {name} has the memory limit {ascii(value)[:40]}")
    return max(64, int(float(match[1]) * {"": 2**-20, "k": 2**-10, "m": 1, "g": 2**10}[match[2].lower()]))
