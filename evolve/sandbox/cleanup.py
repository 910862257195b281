"""Background work of a trial: starting containers in parallel, and removing finished ones."""

from __future__ import annotations

import functools
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, Protocol, TypeVar

from evolve.sandbox.shell import CommandResult, ContainerShell

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class Killable(Protocol):
    def kill(self) -> None: ...


Started = TypeVar("Started", bound=Killable)


class Reaper:
    """Runs removals in the background, one after another and in order.

    Its thread ends with the process; a later `engine.sweep` removes the rest by their labels.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="reaper")
        self._pending: list[Future[None]] = []

    def schedule(self, remove: Callable[[], None]) -> None:
        """Run a removal after all that were scheduled before."""
        self._pending.append(self._pool.submit(remove))

    def wait(self) -> None:
        """Wait for all scheduled removals. Raises the first error of one."""
        pending, self._pending = self._pending, []
        errors = [error for error in [future.exception() for future in pending] if error is not None]
        if errors:
            raise errors[0]


@functools.lru_cache(maxsize=1)
def reaper() -> Reaper:
    """The reaper of this process."""
    return Reaper()


class Crew:
    """Threads of one trial. What `start` started is killed when the context ends, in the order of the starts."""

    def __init__(self, threads: int = 4) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="crew")
        self._started: list[Future[Killable]] = []

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=False)
        for future in self._started:
            reaper().schedule(functools.partial(_kill_started, future))

    def start(
        self, make: Callable[Parameters, Started], *args: Parameters.args, **options: Parameters.kwargs
    ) -> Future[Started]:
        """Run `make` in a thread; its result is killed when the context ends."""
        future = self._pool.submit(make, *args, **options)
        self._started.append(future)  # type: ignore[arg-type]  # it is only read
        return future

    def submit(
        self, action: Callable[Parameters, Result], *args: Parameters.args, **options: Parameters.kwargs
    ) -> Future[Result]:
        """Run `action` in a thread."""
        return self._pool.submit(action, *args, **options)


def _kill_started(future: Future[Killable]) -> None:
    """Kill what was started, waiting for its start; do nothing if the start failed."""
    if future.exception() is None:
        future.result().kill()


class LateShell:
    """A shell that may still be opening: a command waits for it. Raises what opening it raised."""

    def __init__(self, shell: Future[ContainerShell]) -> None:
        self._shell = shell

    def run(self, command: str, timeout: float = 30.0, stdin: bytes = b"") -> CommandResult:
        return self._shell.result().run(command, timeout, stdin)
