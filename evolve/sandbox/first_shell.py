"""The agent's first shell, started by its container's first process: an exec costs half as much as a container.

The container starts as root with the power to change users, and nothing of the agent's runs. It starts the shell as
the agent, in a session of its own, then becomes the process that keeps the container running, as another user. Neither
has any capability, nor can get one. The shell has the container's streams; the keeper prints one line, and lets go of
them.
"""

from __future__ import annotations

import functools
import shlex
import time
from collections.abc import Sequence

import docker

from evolve.sandbox import exit_cause
from evolve.sandbox.streams import STDOUT, ExecStreams, ShellDied

# What the first process needs until it has become the keeper.
POWERS = ("SETUID", "SETGID", "SETPCAP")
READY = "ready"
READY_SECONDS = 30.0
# Of util-linux, which not all images have. Without either program the container ends, and another one is started.
SWITCH = "setpriv --reuid={0} --regid={1} --groups={1} --bounding-set=-all"
START = "setsid -f {agent} sh -c {shell} || exit; exec {keeper} sh -c {keep} </dev/null"
# It ends at its time limit, which no process of the agent can change, and reaps processes that lost their parent.
KEEP = (
    f'trap "exit {exit_cause.STOPPED}" 30; sleep {{ttl}} </dev/null >/dev/null 2>&1 & '
    f"echo {READY}; exec >/dev/null 2>&1; wait $!; exit {exit_cause.KILLED}"
)


def first_process(shell: str, user: str, keeper: str, ttl: int) -> Sequence[str]:
    """The arguments of `sh` as a container's first process, which runs the script `shell` as `user`."""
    return (
        "-c",
        START.format(
            agent=_switch(user),
            shell=shlex.quote(shell),
            keeper=_switch(keeper),
            keep=shlex.quote(KEEP.format(ttl=ttl)),
        ),
    )


def _switch(user: str) -> str:
    return SWITCH.format(*user.split(":"))


@functools.cache
def unable_images() -> set[str]:
    """Images that were found to be without the programs for it, in this process."""
    return set()


class FirstShell(ExecStreams):
    """The streams of a container's first shell, which whoever uses it takes over; attached before the container runs.

    Attributes:
        user, workdir: As whom it runs, and where.
        copy: The folder with its program, until it was asked whether it is closed.
    """

    def __init__(self, client: docker.DockerClient, container: str, user: str, workdir: str, copy: str) -> None:
        super().__init__(client, container)
        self.user, self.workdir, self.copy = user, workdir, copy
        self.attach()

    def await_start(self) -> bool:
        """Wait until the container has its keeper; returns whether it came."""
        printed, deadline = b"", time.monotonic() + READY_SECONDS
        try:
            while READY.encode() not in printed:
                stream, data = self._receive_frame(deadline)
                printed += data if stream == STDOUT else b""
        except (ShellDied, TimeoutError):
            self.close()
            return False
        return True
