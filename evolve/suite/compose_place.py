"""Where a compose file is, and what its paths of the host mean: files of the task, logs of the trial, or nothing."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from pathlib import Path

# Names for places on the host that a file gets in variables; no machine has them.
HOST = "/.evolve"
LOGS = f"{HOST}/logs"
TASK = f"{HOST}/task"
MAIN_IMAGE = "evolve/main-image-of-the-task"
# The agent must not see these, in any container.
HIDDEN = ("tests", "solution", "steps", "instances", "task.toml")


@dataclass(frozen=True)
class Place:
    """folder: the task's; context: that of the compose file, relative to it."""

    folder: Path
    context: str

    @property
    def main_image(self) -> str:
        """The name of the image of `main` in variables."""
        return MAIN_IMAGE

    @property
    def host_context(self) -> str:
        """The folder of the compose file in variables."""
        return f"{TASK}/{self.context}"

    def host_logs(self, name: str) -> str:
        """A folder of logs in variables."""
        return f"{LOGS}/{name}"

    def logs(self, path: str) -> str | None:
        """The folder of logs that a path of the file means; None if it means something else."""
        parent, _, name = posixpath.normpath(path).rpartition("/")
        return name if parent == LOGS else None

    def inside(self, path: str) -> str:
        """What a path of the file means, relative to the task's folder. Raises ValueError if it is not in there."""
        whole = posixpath.normpath(posixpath.join(self.host_context, path))
        if path.startswith("~") or (whole != TASK and not whole.startswith(f"{TASK}/")):
            raise ValueError(f"`{path}` is a path of the host, outside the task")
        return posixpath.relpath(whole, TASK)

    def visible(self, path: str) -> str:
        """As `inside`, of files that a container may show. Raises ValueError for tests, solutions and links."""
        inside, top = self.inside(path), self.folder.resolve()
        target = (self.folder / inside).resolve()
        if not target.is_relative_to(top):
            raise ValueError(f"`{inside}` is a link that leads out of the task")
        if self._is_hidden(inside) or self._is_hidden(target.relative_to(top).as_posix()):
            raise ValueError(f"`{path.replace(self.host_context, '${CONTEXT_DIR}')}` would show the task's tests")
        return inside

    def _is_hidden(self, inside: str) -> bool:
        """Whether a path shows files that no agent may see; those beside the compose file are its containers' own."""
        if inside == self.context or inside.startswith(f"{self.context}/"):
            return False
        return inside == "." or any(inside == name or inside.startswith(f"{name}/") for name in HIDDEN)
