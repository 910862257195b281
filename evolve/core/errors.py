"""The errors that people and the loop tell apart.

A failing scaffold is data (an `Outcome`), never an exception. These are for bad input and broken machines.
"""

from __future__ import annotations

from typing import ClassVar

from evolve.core.records import Fault

EXIT_MACHINE = 1
EXIT_BAD_INPUT = 2
EXIT_BUG = 3
EXIT_LOCKED = 75
EXIT_INTERRUPTED = 130


class EvolveError(Exception):
    """Base of all errors raised on purpose; its text is one line that a person can act on."""

    exit_status = EXIT_BUG
    fault: ClassVar[Fault] = Fault.OTHER


class BadInput(EvolveError):
    """Something that the user gave is wrong: exit status 2, nothing written.

    where: the file, option or name that is wrong; problem: what is wrong; mend: what to do about it.
    """

    exit_status = EXIT_BAD_INPUT

    def __init__(self, where: str, problem: str, mend: str) -> None:
        super().__init__(f"{where}: {problem}; {mend}")
        self.where, self.problem, self.mend = where, problem, mend

    def __reduce__(self) -> tuple[type[BadInput], tuple[str, str, str]]:
        return BadInput, (self.where, self.problem, self.mend)


class InfraError(EvolveError):
    """The machine, the engine or the model's API failed: never evidence about a candidate; retried."""

    exit_status = EXIT_MACHINE


class EndpointError(InfraError):
    """The model's API failed, and failed again when it was asked again."""

    fault = Fault.ENDPOINT


class AccountError(InfraError):
    """The model's API refuses the key, or the account's quota is gone: waiting does not mend it."""

    fault = Fault.ACCOUNT


class EngineError(InfraError):
    """The container engine failed, or is not there."""

    fault = Fault.ENGINE


class DiskFull(InfraError):
    """There is no room left for what must be written."""

    fault = Fault.DISK


class BudgetExhausted(EvolveError):
    """A cap of the run's is reached: a clean end."""

    fault = Fault.CAP


class Locked(EvolveError):
    """Another process works on the same run."""

    exit_status = EXIT_LOCKED


class RequestRefused(EvolveError):
    """The model's API refused this very request (HTTP 4xx): the caller's fault, passed on to it.

    status: the HTTP status; code: the API's word for it, for example `context_length_exceeded`.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code

    def __reduce__(self) -> tuple[type[RequestRefused], tuple[int, str, str]]:
        return RequestRefused, (self.status, self.code, str(self))
