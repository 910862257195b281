"""Run the user's own command when a run keeps a patch, stops or ends. It can neither fail a run nor hold it up."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

from evolve.core.errors import BadInput
from evolve.core.escaping import plain
from evolve.core.records import Decision, TrialResult
from evolve.core.text import last_line
from evolve.loop.events import Event, RunEnded, RunOpened, tell
from evolve.loop.watcher import Watcher

# Seconds that a command may take; at the end of a run it is waited for.
MOST_SECONDS = 10.0
STOPPED = "stopped before its last round"


@dataclass(frozen=True)
class Notice:
    """What a command receives. `event`: keep, stop or end; `round`: of the patch that is kept."""

    event: str
    run: str
    message: str
    round: int | None = None
    runs: str = ""

    def environment(self) -> dict[str, str]:
        """Variables for the command; those of this process come with them."""
        return {"EVOLVE_EVENT": self.event, "EVOLVE_RUN": self.run, "EVOLVE_MESSAGE": self.message}


def parsed(command: str | None) -> list[str]:
    """The words of a command, split as a shell does; no shell runs it.

    Raises:
        BadInput: It is no command, or its program is not there.
    """
    if command is None:
        return []
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise BadInput(
            "on_event", f"can't be split into words: {str(error).lower()}", "quote it as for a shell"
        ) from error
    if not words:
        raise BadInput("on_event", "is empty", "give a command, or leave it out")
    if shutil.which(words[0]) is None:
        raise BadInput("on_event", f"there is no program {words[0]}", "give its path, or install it")
    return words


class Notifier:
    """A watcher that passes everything on to another one, and runs the command at each event.

    Args:
        words: Of the command.
        watcher: The one that shows the progress.
        runs: Folder of the results.
        seconds: What the command may take.
    """

    def __init__(self, words: list[str], watcher: Watcher, runs: Path, seconds: float = MOST_SECONDS) -> None:
        self._words, self._watcher, self._runs, self._seconds = words, watcher, runs, seconds
        self._run, self._has_ended, self._has_warned = "", False, False
        self._lock, self._started = threading.Lock(), list[threading.Thread]()

    def __enter__(self) -> Notifier:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(error)

    def say(self, text: str) -> None:
        self._watcher.say(text)

    def round_started(self, number: int, total: int) -> None:
        self._watcher.round_started(number, total)

    def trials_planned(self, count: int) -> None:
        self._watcher.trials_planned(count)

    def trial_done(self, result: TrialResult) -> None:
        self._watcher.trial_done(result)

    def budget_left(self, words: str) -> None:
        self._watcher.budget_left(words)

    def round_decided(self, number: int, decision: Decision) -> None:
        self._watcher.round_decided(number, decision)
        if number and decision.crowns:
            self._notify("keep", f"round {number} made a new champion: {decision.reason}", number)

    def hear(self, event: Event) -> None:
        tell(self._watcher, event)
        if isinstance(event, RunOpened):
            self._run = event.run
        elif isinstance(event, RunEnded):
            self._has_ended = True
            kind, how = (
                ("end", "has ended") if event.reason == "done" else ("stop", "stopped: a cap of its budget is reached")
            )
            self._notify(kind, f"run {event.run} {how}")

    def close(self, error: BaseException | None) -> None:
        """Notify of a run that was stopped by an error or an interrupt, and wait for the commands, but not for long."""
        if self._run and not self._has_ended:
            reason = last_line(str(error), default=type(error).__name__) if error else STOPPED
            self._notify("stop", f"run {self._run} stopped: {reason}")
        until = time.monotonic() + self._seconds + 1
        for thread in self._started:
            thread.join(max(until - time.monotonic(), 0))

    def _notify(self, event: str, message: str, number: int | None = None) -> None:
        notice = Notice(event, self._run, plain(message), number, str(self._runs.resolve()))
        thread = threading.Thread(target=self._run_command, args=(notice,), name="on-event", daemon=True)
        self._started.append(thread)
        thread.start()

    def _run_command(self, notice: Notice) -> None:
        if problem := run_command(self._words, notice, self._seconds):
            with self._lock:
                warned, self._has_warned = self._has_warned, True
            if not warned:
                self._watcher.say(f"warning: the command of on_event {problem}; later failures are not reported")


def run_command(words: list[str], notice: Notice, seconds: float) -> str:
    """Run a command with the notice in its environment, and as JSON on its standard input.

    Returns:
        What went wrong, in a few words; "" if nothing did.
    """
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as errors:
        given.write(json.dumps(asdict(notice)).encode() + b"\n")
        given.seek(0)
        try:
            # A session of its own: Ctrl-C is for the run, and what hangs can be ended as a whole.
            process = subprocess.Popen(
                words,
                stdin=given,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                env={**os.environ, **notice.environment()},
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            return f"can't be started: {error}"
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return f"took more than {seconds:g} s and was ended"
        errors.seek(0)
        said = last_line(errors.read(10_000).decode("utf-8", "replace"), default="it printed no error")
    return f"failed with exit status {status}: {said}" if status else ""


def notifying(
    command: str | None, watcher: Watcher, runs: Path, seconds: float = MOST_SECONDS
) -> contextlib.AbstractContextManager[Watcher]:
    """A watcher that notifies by this command; the watcher itself without one. Raises BadInput as `parsed`."""
    words = parsed(command)
    return Notifier(words, watcher, runs, seconds) if words else contextlib.nullcontext(watcher)
