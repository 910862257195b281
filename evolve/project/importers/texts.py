"""The files that importers write into tasks: task.toml, Dockerfile, and small edits of existing ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from evolve.project.importers.benchmark import TaskFile
from evolve.project.quoting import quoted

FILES = Path(__file__).with_name("files")
BASE = "python:3.11-slim"
WORKDIR = "/work"


@dataclass(frozen=True)
class TaskSettings:
    """What an importer says in `task.toml`. Times in seconds; metadata: free."""

    agent_seconds: float = 1800.0
    verifier_seconds: float = 600.0
    memory_mb: int = 512
    storage_mb: int = 1024
    public_network: bool = False
    shared_verifier: bool = False
    difficulty: str = "unknown"
    metadata: Mapping[str, object] = field(default_factory=dict)

    def text(self) -> str:
        """The file `task.toml`."""
        mode = "public" if self.public_network else "no-network"
        extra = [f"{key} = {quoted(value)}" for key, value in self.metadata.items()]
        lines = [
            *('schema_version = "1.4"', "", "[metadata]", f"difficulty = {quoted(self.difficulty)}", *extra),
            *("", "[agent]", f"timeout_sec = {self.agent_seconds}"),
            *("", "[verifier]", f"timeout_sec = {self.verifier_seconds}"),
            *(['environment_mode = "shared"'] if self.shared_verifier else []),
            *("", "[environment]", "cpus = 1", f"memory_mb = {self.memory_mb}", f"storage_mb = {self.storage_mb}"),
            *(f'network_mode = "{mode}"', ""),
        ]
        return "\n".join(lines)


def dockerfile(image: str, has_files: bool) -> str:
    """A Dockerfile with an image, or Evolve's base image, and the files of `environment/workdir`."""
    start = [f"FROM {image}"] if image else [f"ARG BASE={BASE}", "FROM ${BASE}"]
    copy = ["COPY workdir/ ./"] if has_files else []
    return "\n".join([*start, f"WORKDIR {WORKDIR}", *copy, ""])


def helper(*names: str) -> bytes:
    """A file that goes into tasks as it is, from `files/`."""
    return FILES.joinpath(*names).read_bytes()


def script(path: str, *lines: str) -> TaskFile:
    """An executable shell script."""
    return TaskFile.of_text(path, "\n".join([*lines, ""]), executable=True)
