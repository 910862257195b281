"""Worker processes, each running one trial at a time: the death of one does not affect the others."""

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

CLOSE_SECONDS = 60.0
KILL_SECONDS = 5.0


class Worker:
    """One process. Create it in the main thread: it dies with the thread that created it."""

    def __init__(self, work: Work) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, worker_end = context.Pipe()
        self._process = context.Process(target=_serve, args=(worker_end, work, os.getpid()), daemon=True)
        self._process.start()
        worker_end.close()

    @property
    def pid(self) -> int:
        return int(self._process.pid or 0)

    @property
    def pipe(self) -> Connection:
        """Readable when the trial or the process has ended."""
        return self._pipe

    def start(self, spec: TrialSpec) -> bool:
        """Send a trial to the process; returns False if the process is dead."""
        try:
            self._pipe.send(spec)
        except OSError:
            return False
        return True

    def result(self) -> TrialResult | None:
        """The result of the ended trial; None if the process died."""
        try:
            result: TrialResult = self._pipe.recv()
        except (EOFError, OSError):
            return None
        return result

    def describe_end(self) -> str:
        """How a dead process ended."""
        self._process.join(KILL_SECONDS)
        status = self._process.exitcode
        if status is not None and status < 0:
            return f"the worker process was killed ({signal.strsignal(-status) or -status})"
        return f"the worker process exited (status {status})"

    def close(self) -> None:
        """Send no more trials; the process ends when its cleanup is done."""
        self._pipe.close()

    def kill(self) -> None:
        """Kill the process; one that is stuck in the kernel is not waited for."""
        self._process.kill()
        self._process.join(KILL_SECONDS)
        if self._process.is_alive():
            # Otherwise the interpreter would wait for it forever at exit.
            multiprocessing.process._children.discard(self._process)  # type: ignore[attr-defined]
        self._pipe.close()

    def join(self, seconds: float) -> bool:
        """Wait that long for the process; returns whether it has ended."""
        self._process.join(max(seconds, 0.0))
        return not self._process.is_alive()


class Workers:
    """Up to `count` processes, started when needed and replaced when one dies."""

    def __init__(self, count: int, work: Work) -> None:
        self._count, self._work = count, work
        self._idle: list[Worker] = []
        self._busy: list[Worker] = []

    @property
    def free(self) -> bool:
        return len(self._busy) < self._count

    def start(self, spec: TrialSpec) -> Worker:
        """Start a trial; returns its worker."""
        worker = self._idle.pop() if self._idle else Worker(self._work)
        while not worker.start(spec):
            worker.kill()
            worker = Worker(self._work)
        self._busy.append(worker)
        return worker

    def wait(self, seconds: float) -> list[Worker]:
        """Wait up to that long for a trial or a worker to end; returns those workers."""
        if not self._busy:
            time.sleep(seconds)
            return []
        ready = wait([worker.pipe for worker in self._busy], seconds)
        return [worker for worker in self._busy if worker.pipe in ready]

    def release(self, worker: Worker) -> None:
        """Make a worker available for another trial."""
        self._busy.remove(worker)
        self._idle.append(worker)

    def drop(self, worker: Worker) -> None:
        """Remove a worker that is dead, or kill it."""
        self._busy.remove(worker)
        worker.kill()

    def kill(self) -> None:
        """Kill all workers. Running trials are dropped: they get no row, and their containers are swept."""
        for worker in self._all():
            worker.kill()

    def close(self) -> None:
        """Let all workers end after their cleanup; kill those that take longer than CLOSE_SECONDS."""
        for worker in self._all():
            worker.close()
        end = time.monotonic() + CLOSE_SECONDS
        for worker in self._all():
            if not worker.join(end - time.monotonic()):
                worker.kill()

    def _all(self) -> Sequence[Worker]:
        return [*self._idle, *self._busy]


def _serve(pipe: Connection, work: Work, parent: int) -> None:
    """Run trials in a worker until the pipe is closed."""
    _isolate(parent)
    with contextlib.suppress(EOFError):
        while True:
            pipe.send(work(pipe.recv()))


def _isolate(parent: int) -> None:
    """Make this worker die with its parent, and ignore interrupts.

    Ctrl-C reaches the whole process group; only the main process decides what to do.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with_parent(parent)
