"""Pause, stop and resume a run from beside it: which state it is in, and what each action does."""

from __future__ import annotations

import itertools
import json
import socket
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path

from evolve.core.caps import Caps
from evolve.core.clock import now
from evolve.core.errors import BadInput
from evolve.host import disk, platform
from evolve.host.holders import Holder, holder_of
from evolve.store import EndRow, SessionRow

FILE = "control.json"
LOG = "ui.log"
CAP_OPTIONS = {
    "usd": "--budget-usd",
    "tokens": "--budget-tokens",
    "seconds": "--budget-seconds",
    "trials": "--budget-trials",
}


class RunState(StrEnum):
    """What a run does at this moment.

    PAUSED: somebody paused it here, and it has stopped since. ELSEWHERE: another machine worked on it last, and this
    one can't see whether it still does.
    """

    STARTING = "starting"
    RUNNING = "running"
    PAUSING = "pausing"
    STOPPING = "stopping"
    PAUSED = "paused"
    STOPPED = "stopped"
    ENDED = "ended"
    ELSEWHERE = "elsewhere"


class Action(StrEnum):
    """What people may do with a run. DROP: stop at once, and drop the running trials."""

    PAUSE = "pause"
    STOP = "stop"
    DROP = "drop"
    RESUME = "resume"


@dataclass(frozen=True)
class StopRequest:
    """That a process was asked to stop: which one, why, and what a later resume needs to know of it.

    rounds: the number of rounds that it was started with, if its command or its environment says it.
    folder: in which it was started, and so where its evolve.toml is; "" if that is not known.
    """

    action: Action
    pid: int
    started: int
    boot: str
    at: str
    rounds: int | None = None
    folder: str = ""

    def is_to(self, holder: Holder) -> bool:
        """Whether it was this process that was asked."""
        return (self.pid, self.started, self.boot) == (holder.pid, holder.started, platform.boot_id())


@dataclass(frozen=True)
class Situation:
    """What is known of a run at one moment."""

    holder: Holder | None
    request: StopRequest | None
    session: SessionRow | None
    end: EndRow | None
    is_starting: bool = False

    @property
    def state(self) -> RunState:
        if self.holder is not None:
            return self._held(self.holder)
        if self.is_starting:
            return RunState.STARTING
        if self.end is not None and (self.session is None or self.end.ended_at >= self.session.started_at):
            return RunState.ENDED
        if self.session is not None and self.session.host != socket.gethostname():
            return RunState.ELSEWHERE
        return RunState.PAUSED if self._was_paused else RunState.STOPPED

    @property
    def _was_paused(self) -> bool:
        """Whether the run's latest process was asked to pause, and no other one has worked on the run since."""
        if self.request is None or self.request.action is not Action.PAUSE:
            return False
        return self.session is None or self.session.pid == self.request.pid

    def _held(self, holder: Holder) -> RunState:
        if self.request is not None and self.request.is_to(holder):
            return RunState.PAUSING if self.request.action is Action.PAUSE else RunState.STOPPING
        return RunState.RUNNING if self.is_run else RunState.STARTING

    @property
    def is_run(self) -> bool:
        """Whether the process that holds the lock is the one of the run's latest session."""
        here = self.session is not None and self.session.host == socket.gethostname()
        return here and self.holder is not None and self.session is not None and self.session.pid == self.holder.pid

    @property
    def actions(self) -> tuple[Action, ...]:
        """What can be done with the run now."""
        by_state = {
            RunState.RUNNING: (Action.PAUSE, Action.STOP),
            RunState.PAUSING: (Action.DROP,),
            RunState.STOPPING: (Action.DROP,),
            RunState.STARTING: (),
        }
        return by_state.get(self.state, (Action.RESUME,))


@dataclass(frozen=True)
class Resumption:
    """How to resume a run: the number of rounds, None for that of the settings, and its caps."""

    rounds: int | None = None
    caps: Caps = field(default_factory=Caps)

    @property
    def options(self) -> list[str]:
        given: dict[str, object] = {"--rounds": self.rounds}
        given |= {CAP_OPTIONS[name]: value for name, value in asdict(self.caps).items()}
        return [word for name, value in given.items() if value is not None for word in (name, f"{value}")]


def read_request(folder: Path) -> StopRequest | None:
    """The latest request to stop the run of this folder; None without one, or if the file can't be read."""
    try:
        values = json.loads((folder / FILE).read_text(encoding="utf-8"))
        return StopRequest(**{**values, "action": Action(values["action"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def interrupt(folder: Path, situation: Situation, action: Action) -> None:
    """Ask the process that works on a run to stop after its running trials, as the first Ctrl-C does.

    With DROP it is the second one.

    Raises:
        BadInput: The run is in no state for it, or the process can't be asked.
    """
    check_allowed(folder.name, situation, action)
    holder = situation.holder
    if holder is None:
        raise BadInput(f"run {folder.name}", "no process works on it", "reload the page")
    if platform.ignores_interrupts(holder.pid):
        problem = f"process {holder.pid} ignores interrupts, since a shell started it in the background"
        raise BadInput(f"run {folder.name}", problem, f"`kill {holder.pid}` stops it and drops the running trials")
    if action is not Action.DROP:
        _write(folder, _request(holder, action))
    if not platform.send_interrupt(holder.pid, lambda: holder_of(folder / "lock") == holder):
        if action is not Action.DROP:
            (folder / FILE).unlink(missing_ok=True)
        raise BadInput(f"run {folder.name}", f"process {holder.pid} can't be interrupted", "reload the page")


def check_allowed(run: str, situation: Situation, action: Action) -> None:
    """Raise BadInput unless this can be done with the run now."""
    if action not in situation.actions:
        possible = " or ".join(situation.actions) or "wait"
        raise BadInput(f"run {run}", f"can't {action} a run that is {situation.state}", possible)


def resume(folder: Path, resumption: Resumption, situation: Situation) -> subprocess.Popen[bytes]:
    """Start `evolve run` for a run, in a session of its own, so that it outlives this process.

    What it prints goes to LOG in the run's folder.

    Raises:
        BadInput: The run is in no state for it.
    """
    check_allowed(folder.name, situation, Action.RESUME)
    command = [sys.executable, "-m", "evolve", "run", "--run", folder.name, "--runs", str(folder.parent)]
    before = situation.request
    where = Path(before.folder) if before and before.folder and Path(before.folder).is_dir() else Path.cwd()
    with disk.convert_os_errors(folder), (folder / LOG).open("ab") as log:
        log.write(f"\n{now()} resumed from the page\n".encode())
        log.flush()
        return subprocess.Popen(
            [*command, *resumption.options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=where,
            start_new_session=True,
        )


def proposed_resumption(situation: Situation) -> Resumption:
    """The settings with which the run would be resumed: the caps of its latest session."""
    rounds = situation.request.rounds if situation.request else None
    return Resumption(rounds, _caps(situation.session.caps) if situation.session else Caps())


def _caps(text: str) -> Caps:
    try:
        values = json.loads(text)
        return Caps(**{name: values[name] for name in CAP_OPTIONS if name in values})
    except (ValueError, TypeError, AttributeError):
        return Caps()


def _request(holder: Holder, action: Action) -> StopRequest:
    rounds, folder = rounds_of(holder.pid), platform.folder_of(holder.pid)
    return StopRequest(action, holder.pid, holder.started, platform.boot_id(), now(), rounds, str(folder or ""))


def rounds_of(pid: int) -> int | None:
    """The number of rounds that a process was started with, by its option or variable; None: that of its settings."""
    words = platform.arguments_of(pid)
    given = [after for word, after in itertools.pairwise(words) if word == "--rounds"]
    given += [word.partition("=")[2] for word in words if word.startswith("--rounds=")]
    value = given[-1] if given else platform.variable_of(pid, "EVOLVE_ROUNDS")
    return int(value) if value and value.isascii() and value.isdigit() else None


def _write(folder: Path, request: StopRequest) -> None:
    disk.write_atomically(folder / FILE, json.dumps(asdict(request)).encode())
