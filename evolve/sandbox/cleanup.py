"""What is done beside a trial's work: containers that start while others do, and the removal of dead ones."""

from __future__ import annotations

import functools
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, Protocol, TypeVar

from evolve.sandbox.shell import CommandResult, ContainerShell

Given = ParamSpec("Given")
Made = TypeVar("Made")


class Killable(Protocol):
    def kill(self) -> None: ...


KillableMade = TypeVar("KillableMade", bound=Killable)


class Reaper:
    """Removes, one after another and in order, in a thread of its own; that thread ends with the process at the latest.

    What is left when a process is killed is found by its label (`engine.sweep`).
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="reaper")
        self._pending: list[Future[None]] = []

    def later(self, remove: Callable[[], None]) -> None:
        self._pending.append(self._pool.submit(remove))

    def settle(self) -> None:
        """Wait until all that was asked for is removed. Raises the first error that a removal met."""
        pending, self._pending = self._pending, []
        errors = [error for error in [future.exception() for future in pending] if error is not None]
        if errors:
            raise errors[0]


@functools.lru_cache(maxsize=1)
def reaper() -> Reaper:
    """This process's."""
    return Reaper()


class Crew:
    """Threads of one trial. What `start` made is killed when the context ends, in the order of the starts."""

    def __init__(self, threads: int = 4) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="crew")
        self._started: list[Future[Killable]] = []

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=False)
        for future in self._started:
            reaper().later(functools.partial(_kill_made, future))

    def start(
        self, make: Callable[Given, KillableMade], *args: Given.args, **options: Given.kwargs
    ) -> Future[KillableMade]:
        future = self._pool.submit(make, *args, **options)
        self._started.append(future)  # type: ignore[arg-type]  # read only
        return future

    def do(self, action: Callable[Given, Made], *args: Given.args, **options: Given.kwargs) -> Future[Made]:
        return self._pool.submit(action, *args, **options)


def _kill_made(future: Future[Killable]) -> None:
    """Waits for one that still starts; one that could not be made needs nothing."""
    if future.exception() is None:
        future.result().kill()


class LateShell:
    """A shell that may not be open yet: a command waits for it. Raises what opening it raised."""

    def __init__(self, shell: Future[ContainerShell]) -> None:
        self._shell = shell

    def run(self, command: str, timeout: float = 30.0, stdin: bytes = b"") -> CommandResult:
        return self._shell.result().run(command, timeout, stdin)
