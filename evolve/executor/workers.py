"""Worker processes, each with one trial at a time: the death of one touches no other."""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.process
import os
import signal
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait

from evolve.core.records import TrialResult, TrialSpec
from evolve.host.platform import die_with_parent

Work = Callable[[TrialSpec], TrialResult]

LAST_SECONDS = 60.0
KILL_SECONDS = 5.0


class Worker:
    """One process. It must be made by the main thread: it dies with the thread that made it."""

    def __init__(self, work: Work) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, work, os.getpid()), daemon=True)
        self._process.start()
        theirs.close()

    @property
    def pid(self) -> int:
        return int(self._process.pid or 0)

    @property
    def pipe(self) -> Connection:
        """Readable when the trial has ended, or the process."""
        return self._pipe

    def begin(self, spec: TrialSpec) -> bool:
        """Whether the process took it; one that has died does not."""
        try:
            self._pipe.send(spec)
        except OSError:
            return False
        return True

    def result(self) -> TrialResult | None:
        """Of the trial that has ended; None if the process has."""
        try:
            found: TrialResult = self._pipe.recv()
        except (EOFError, OSError):
            return None
        return found

    def describe_end(self) -> str:
        """How a process that has died ended."""
        self._process.join(KILL_SECONDS)
        status = self._process.exitcode
        if status is not None and status < 0:
            return f"the worker process was killed ({signal.strsignal(-status) or -status})"
        return f"the worker process ended by itself (exit status {status})"

    def close(self) -> None:
        """No more trials: it ends by itself when what it has to remove is removed."""
        self._pipe.close()

    def kill(self) -> None:
        """SIGKILL. One that is stuck in the kernel is left to it, also when this program ends."""
        self._process.kill()
        self._process.join(KILL_SECONDS)
        if self._process.is_alive():
            # Or the interpreter would wait for it for ever on its way out.
            multiprocessing.process._children.discard(self._process)  # type: ignore[attr-defined]
        self._pipe.close()

    def join(self, seconds: float) -> bool:
        """Whether it has ended within that time."""
        self._process.join(max(seconds, 0.0))
        return not self._process.is_alive()


class Workers:
    """As many processes as were asked for, made when they are needed, and anew where one has died."""

    def __init__(self, count: int, work: Work) -> None:
        self._count, self._work = count, work
        self._idle: list[Worker] = []
        self._busy: list[Worker] = []

    @property
    def free(self) -> bool:
        return len(self._busy) < self._count

    def begin(self, spec: TrialSpec) -> Worker:
        """The worker that has the trial now."""
        worker = self._idle.pop() if self._idle else Worker(self._work)
        while not worker.begin(spec):
            worker.kill()
            worker = Worker(self._work)
        self._busy.append(worker)
        return worker

    def ended(self, seconds: float) -> list[Worker]:
        """Those whose trial has ended, or that have ended themselves; waits that long for the first."""
        if not self._busy:
            time.sleep(seconds)
            return []
        ready = wait([worker.pipe for worker in self._busy], seconds)
        return [worker for worker in self._busy if worker.pipe in ready]

    def rest(self, worker: Worker) -> None:
        """It may have another trial."""
        self._busy.remove(worker)
        self._idle.append(worker)

    def drop(self, worker: Worker) -> None:
        """It is of no more use: dead, or to be killed now."""
        self._busy.remove(worker)
        worker.kill()

    def kill(self) -> None:
        """All of them. Trials that run are dropped: they have no row, and their containers are swept."""
        for worker in self._all():
            worker.kill()

    def close(self) -> None:
        """End them when they have done what is left to do."""
        for worker in self._all():
            worker.close()
        end = time.monotonic() + LAST_SECONDS
        for worker in self._all():
            if not worker.join(end - time.monotonic()):
                worker.kill()

    def _all(self) -> Sequence[Worker]:
        return [*self._idle, *self._busy]


def _serve(pipe: Connection, work: Work, parent: int) -> None:
    """What a worker does, until nobody is at the other end."""
    _begin(parent)
    with contextlib.suppress(EOFError):
        while True:
            pipe.send(work(pipe.recv()))


def _begin(parent: int) -> None:
    """A worker ends with its parent, however that ends, and leaves interrupts to it.

    An interrupt from the terminal reaches the whole group; the main process alone decides.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with_parent(parent)
