"""A shell that stays open inside a container, so that a command costs a write and a read instead of an engine call.

The shell reads its script from the exec's standard input. After each command it prints a fresh random token on both
output streams, with the exit status on stdout.

A process of the same user could read what the shell is told, write on its streams, change its memory, and so answer in
its place. So the shell runs from a copy of itself that its user may not read, which closes its memory and descriptors
to other processes, and it is used only while nothing is left of earlier commands. Otherwise each command is an exec of
its own: its streams are its own, and its end and exit status are what the engine says. Against root nothing is closed.
"""

from __future__ import annotations

import contextlib
import math
import secrets
import shlex
import socket
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

import docker
from docker.errors import APIError

from evolve.sandbox import exit_cause
from evolve.sandbox.engine import ENGINE_FAULTS
from evolve.sandbox.first_shell import FirstShell
from evolve.sandbox.output import Tail
from evolve.sandbox.processes import Process, process_inside, processes_of
from evolve.sandbox.streams import STDERR, STDOUT, ExecStreams, ShellDied

FLOOD_BYTES = 32_000_000
MAX_COMMAND = 100_000
KILL_TRIES = 2
# If memory runs out, the kernel kills commands before the container's first process, with which the counters would go.
SACRIFICE = "echo 1000 2>/dev/null >/proc/self/oom_score_adj"
# The kernel lets no other process look into one whose program its user may not read.
COPY = '{{ mkdir -m 700 {0} && (umask 644; cp -L "$(command -v sh)" {0}/sh) && [ -x {0}/sh ]; }} 2>/dev/null'
OPEN = f"{SACRIFICE}; {COPY} && exec {{0}}/sh; exec sh"
OPEN_AS_ROOT = f"{SACRIFICE}; exec sh"
# Both print the shell's process id first, which is the id of its session.
IS_CLOSED = "echo $PPID; rm -rf {0}; {{ ! true </proc/$PPID/environ; }} 2>/dev/null"
IS_OPEN = "echo $PPID"
# A command waits for a line of the host's: what it printed together with the engine's answer to the start, the client
# would lose. Then comes its standard input, if it has one.
START = b"\n"
APART = f'read -r _; {SACRIFICE}; exec sh -c "$1"'
APART_NAMED = f'read -r _; {SACRIFICE}; echo $$; exec sh -c "$1"'
NO_INPUT = " </dev/null"
# How often the engine is asked whether a command has ended that prints nothing, and how long after its end its output
# is waited for, which processes that it left behind may keep open.
FIRST_LOOK_SECONDS, LAST_LOOK_SECONDS = 0.02, 0.5
QUIET_SECONDS, REST_SECONDS = 1.0, 5.0
# How often the kernel is asked whether a container's first shell lives, since its streams end only with all who have
# them, and how long after its end they are read: as long as the engine reads those of an exec.
LIFE_SECONDS, AFTER_LIFE_SECONDS = 0.5, 2.0
END_SECONDS = 10.0
KILL_OWN = "kill -9 -1 2>/dev/null; exit 0"
KILL_ALL_BUT = (
    "for signal in STOP STOP STOP KILL; do for path in /proc/[0-9]*; do pid=${{path##*/}}; "
    'case " {spared} $$ " in *" $pid "*) ;; *) kill -$signal $pid 2>/dev/null ;; esac; done; done; exit 0'
)


def new_copy() -> str:
    """Where a shell's copy of itself is put: a name that nobody can guess."""
    return f"/tmp/.{secrets.token_hex(8)}"


def opening(copy: str) -> str:
    """The script that becomes an agent's shell, closed to other processes of its user if that can be."""
    return OPEN.format(copy)


@dataclass(frozen=True)
class CommandResult:
    """A command's result. Each stream's output is cut in the middle beyond KEEP_BYTES."""

    exit_code: int
    stdout: bytes
    stderr: bytes
    timed_out: bool = False
    truncated: bool = False


class ContainerShell(ExecStreams):
    """An `sh` in a running container, as `user`, in `workdir`. Commands run in order, each in a child process.

    Args:
        names_sessions: Note in `sessions` the session of every command, not only those of the shell itself.
        first: Streams of a shell that runs already, as the same user in the same folder: used until that one ends.

    Attributes:
        sessions: Ids of the sessions that it opened in the container, whose processes `end_sessions` can end.
    """

    def __init__(
        self,
        client: docker.DockerClient,
        container: str,
        user: str,
        workdir: str,
        env: dict[str, str] | None = None,
        names_sessions: bool = False,
        first: FirstShell | None = None,
    ) -> None:
        super().__init__(client, container)
        self.sessions: set[int] = set()
        self._names_sessions = names_sessions
        self._options: dict[str, Any] = {"user": user, "workdir": workdir, "environment": env or {}}
        self._user = user
        self._lost = b""
        self._is_root = user.startswith("0")
        self._kill_script = KILL_OWN
        # The processes that may run beside a command: those that keep the container running, and this shell.
        self._known: frozenset[Process] | None = None
        # The container's first shell, until it is forgotten, and whether the streams are those of that one.
        self._first: Process | None = None
        self._is_first = first is not None
        if first is not None:
            self._copy = first.copy
            self._take_over(first)
        else:
            self._open()
        if self._is_root:
            self._spare_initial_processes()

    def _open(self) -> None:
        self._copy = new_copy()
        script = OPEN_AS_ROOT if self._is_root else opening(self._copy)
        self._start_exec(["sh", "-c", script], stdin=True, **self._options)

    def _start_exec(self, command: list[str], **options: Any) -> None:
        self._is_first = False
        super()._start_exec(command, **options)

    def _is_closed(self, deadline: float) -> bool:
        """Whether other processes can't look into the shell that was just opened."""
        done = self._run(IS_OPEN if self._is_root else IS_CLOSED.format(self._copy), deadline, b"")
        session = self._note_session(done.stdout)
        if self._is_first:
            self._first = process_inside(self._client, self._container, session)
        return done.exit_code == 0

    def _note_session(self, printed: bytes) -> int:
        session = int(printed) if printed.strip().isdigit() else 0
        if session:
            self.sessions.add(session)
        return session

    def _spare_initial_processes(self) -> None:
        """Spare the processes that run now: they keep the container running, and root could kill them."""
        listed = self.run("cd /proc && echo [0-9]*").stdout.decode(errors="replace").split()
        self._kill_script = KILL_ALL_BUT.format(spared=" ".join(pid for pid in listed if pid.isdigit()))

    def run(self, command: str, timeout: float = 30.0, stdin: bytes = b"") -> CommandResult:
        """Run `command` by `sh -c` in the working directory.

        Args:
            timeout: Seconds after which all processes of the user are killed.
            stdin: The command's standard input.

        Returns:
            The result; its status is 137 if a process in the container killed the command or the container.

        Raises:
            ShellDied: the machine lost the container.
            ValueError: the command is longer than MAX_COMMAND.
        """
        if len(command.encode()) > MAX_COMMAND:
            raise ValueError(f"a command is at most {MAX_COMMAND} bytes long")
        if self._lost:
            return CommandResult(exit_cause.KILLED, b"", self._lost)
        deadline = time.monotonic() + timeout
        try:
            if self._is_alone(deadline):
                return self._run(command, deadline, stdin)
            return self._run_apart(command, deadline, stdin)
        except TimeoutError:
            self._kill_all()
            return CommandResult(124, b"", b"", timed_out=True)
        except ShellDied as death:
            return self._result_after(death)

    def _is_alone(self, deadline: float) -> bool:
        """Whether the shell is open, and no process is left of earlier commands."""
        if self._known is None:
            if self._socket is None:
                self._open()
            is_closed = self._is_closed(deadline)
            if self._is_first and self._first is None:  # nobody could tell when it ends
                self.close()
                return self._is_alone(deadline)
            present = processes_of(self._client, self._container)
            self._known = present if is_closed and present else frozenset()
            return bool(self._known)
        if self._socket is None:
            self._forget_shell()
        before = processes_of(self._client, self._container)
        if before is None or not before <= self._known:
            self.close()
            return False
        return self._socket is not None or self._reopen(before, deadline)

    def _reopen(self, before: frozenset[Process], deadline: float) -> bool:
        """Open another shell beside these processes, and know it; returns whether it can be used."""
        self._open()
        is_closed = self._is_closed(deadline)
        opened = (processes_of(self._client, self._container) or before) - before
        if is_closed and len(opened) == 1:
            self._known = before | opened
            return True
        self.close()
        return False

    def _forget_shell(self) -> None:
        """Know the last shell no longer: if it still runs, a command may have changed what it does."""
        pid = self._first.id if self._first else self._inspect_exec()["Pid"]
        self._known = frozenset(process for process in self._known or () if process.id != pid)
        self._first = None

    def _run_apart(self, command: str, deadline: float, stdin: bytes) -> CommandResult:
        """Run a command as an exec of its own, beside processes of earlier commands."""
        script = (APART_NAMED if self._names_sessions else APART) + ("" if stdin else NO_INPUT)
        self._start_exec(["sh", "-c", script, "sh", command], stdin=True, **self._options)
        self._send(START + stdin)
        assert self._socket is not None
        self._socket.shutdown(socket.SHUT_WR)
        streams = {STDOUT: Tail(b""), STDERR: Tail(b"")}
        if self._names_sessions:
            self._await_session(streams, deadline)
        timed_out = not self._read_until_end(streams, deadline)
        if timed_out:
            self._kill_all()
        out, err = streams[STDOUT], streams[STDERR]
        status = 124 if timed_out else self._exit_status(time.monotonic() + END_SECONDS)
        self.close()
        return CommandResult(status, out.text(), err.text(), timed_out, out.cut or err.cut)

    def _await_session(self, streams: dict[int, Tail], deadline: float) -> None:
        """Take the first line of an exec's output, which names its session."""
        printed = b""
        while b"\n" not in printed:
            stream, data = self._receive_frame(deadline)
            if stream == STDOUT:
                printed += data
            elif stream in streams:
                streams[stream].feed(data)
        session, _, rest = printed.partition(b"\n")
        self._note_session(session)
        streams[STDOUT].feed(rest)

    def _read_until_end(self, streams: dict[int, Tail], deadline: float) -> bool:
        """Read the streams of an exec until it has ended; returns whether that was in time."""
        total, look, ended_at = 0, FIRST_LOOK_SECONDS, math.inf
        while time.monotonic() < ended_at + REST_SECONDS:
            if total > FLOOD_BYTES or time.monotonic() >= deadline:
                return ended_at < math.inf
            if self._has_data(QUIET_SECONDS if ended_at < math.inf else look):
                try:
                    stream, data = self._receive_frame(deadline)
                except ShellDied:  # both streams are closed
                    return True
                total += len(data)
                if stream in streams:
                    streams[stream].feed(data)
            elif ended_at < math.inf:
                return True
            elif not self._inspect_exec()["Running"]:
                ended_at = time.monotonic()
            else:
                look = min(2 * look, LAST_LOOK_SECONDS)
        return True

    def _receive_some(self, deadline: float) -> bytes:
        if not self._is_first or self._first is None:
            return super()._receive_some(deadline)
        while True:
            lives = self._first.lives
            patience = LIFE_SECONDS if lives else AFTER_LIFE_SECONDS
            try:
                return super()._receive_some(min(deadline, time.monotonic() + patience))
            except TimeoutError:
                if time.monotonic() >= deadline:
                    raise
                if not lives:
                    self.close()
                    raise ShellDied(f"the shell of container {self._container[:12]} ended") from None

    def _run(self, command: str, deadline: float, stdin: bytes) -> CommandResult:
        token = secrets.token_hex(16).encode()
        feed = f"head -c {len(stdin)} | " if stdin else ""
        source = "" if stdin else " </dev/null"
        ready = f"printf '{token.decode()}go\\n'; " if stdin else ""
        mark = f"printf '{token.decode()}%s\\n' $? ; printf '{token.decode()}\\n' >&2"
        self._send(f"{ready}{feed}sh -c {shlex.quote(command)}{source}; {mark}\n".encode())
        early: deque[tuple[int, bytes]] = deque()
        if stdin:
            early = self._await_ready(token + b"go\n", deadline)
            self._send(stdin)
        return self._collect(token, deadline, early)

    def _result_after(self, death: ShellDied) -> CommandResult:
        """The result of a command that ended its shell or container; raises `death` if the machine did."""
        if exit_cause.inspect_state(self._client, self._container)["Running"]:
            return CommandResult(exit_cause.KILLED, b"", b"the command's shell was killed\n")
        if not exit_cause.ended_from_within(self._client, self._container, self._is_root):
            raise death
        self._lost = b"the container was ended by what ran in it\n"
        return CommandResult(exit_cause.KILLED, b"", self._lost)

    def _await_ready(self, expected: bytes, deadline: float) -> deque[tuple[int, bytes]]:
        """Wait until the shell has read its line: some shells read ahead, so data must not be sent before.

        Returns:
            The frames of the command that have arrived by then; the two streams may overtake each other.
        """
        early: deque[tuple[int, bytes]] = deque()
        seen, total = b"", 0
        while expected not in seen:
            stream, data = self._receive_frame(deadline)
            total += len(data)
            if total > FLOOD_BYTES:
                raise TimeoutError
            if stream == STDOUT:
                seen = seen[-len(expected) :] + data
            else:
                early.append((stream, data))
        early.append((STDOUT, seen.partition(expected)[2]))
        return early

    def _collect(self, token: bytes, deadline: float, early: deque[tuple[int, bytes]]) -> CommandResult:
        streams = {STDOUT: Tail(token), STDERR: Tail(token)}
        ends: dict[int, bytes] = {}
        total = 0
        while len(ends) < 2:
            try:
                stream, data = early.popleft() if early else self._receive_frame(deadline)
            except TimeoutError:
                self._kill_all()
                out, err = streams[STDOUT], streams[STDERR]
                return CommandResult(124, out.text(), err.text(), True, out.cut or err.cut)
            total += len(data)
            if total > FLOOD_BYTES:
                deadline = time.monotonic()
            tail = streams.get(stream)
            if tail is None:
                continue
            tail.feed(data)
            if stream not in ends and (status := tail.status()) is not None:
                ends[stream] = status
        out, err = streams[STDOUT], streams[STDERR]
        return CommandResult(_parse_status(ends[STDOUT]), out.text(), err.text(), False, out.cut or err.cut)

    def _kill_all(self) -> None:
        """Kill all processes of this user in the container, but not those that keep it running.

        If no process can be started for that, the container itself is killed.

        Raises:
            InfraError: the engine failed.
        """
        self.close()
        for _ in range(KILL_TRIES):
            with contextlib.suppress(*ENGINE_FAULTS):
                status = exit_cause.run_with_deadline(
                    self._client, self._container, ["sh", "-c", self._kill_script], self._user
                )
                if status == 0:
                    return
                if status is None:
                    break
        self._kill_container()

    def _kill_container(self) -> None:
        with exit_cause.engine_faults(), contextlib.suppress(APIError):
            self._client.api.kill(self._container)
        self._lost = b"the container was killed: its processes could not be ended\n"


def _parse_status(text: bytes) -> int:
    """Parse the exit status that the shell printed; 1 if it is invalid, since root may have replaced the shell."""
    return int(text) if len(text) <= 3 and text.isdigit() else 1


class MainShell(ContainerShell):
    """The shell that is its container's main process. A command that exceeds its time limit ends the container.

    Args:
        lasting: Such a command is left to whoever kills the container, and this shell can't be used any more: a volume
            lives only while a running container mounts it.
    """

    def __init__(self, client: docker.DockerClient, container: str, lasting: bool = False) -> None:
        super().__init__(client, container, "", "/")
        self._is_root, self._lasting = True, lasting

    def _open(self) -> None:
        if self._is_root:
            raise ShellDied(f"the shell of container {self._container[:12]} ended, and its container with it")
        self.attach()

    def _is_alone(self, deadline: float) -> bool:
        """Nothing of the agent's runs beside it, and there can be no second one."""
        if self._socket is None:
            self._open()
        return True

    def _kill_all(self) -> None:
        if not self._lasting:
            self.close()
            self._kill_container()
        elif self._socket is not None:
            # The engine must not wait for a reader; at the end of its input the shell would end, and its container.
            self._socket.shutdown(socket.SHUT_RD)
            self._lost = b"an earlier command still runs\n"
