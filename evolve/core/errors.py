"""The errors of evolve: bad input and broken machines.

A failing scaffold is data (an `Outcome`), never an exception.
"""

from __future__ import annotations

from typing import ClassVar

from evolve.core.records import Fault

EXIT_MACHINE = 1
EXIT_BAD_INPUT = 2
EXIT_BUG = 3
EXIT_REFUSED = 4
EXIT_LOCKED = 75
EXIT_INTERRUPTED = 130


class EvolveError(Exception):
    """Base of all errors raised on purpose. The message is one line that tells the user what to do."""

    exit_status = EXIT_BUG
    fault: ClassVar[Fault] = Fault.OTHER


class BadInput(EvolveError):
    """Invalid input from the user: exit status 2, nothing written.

    Attributes:
        where: The file, option or name that is wrong.
        problem: What is wrong with it.
        fix: What the user can do about it.
    """

    exit_status = EXIT_BAD_INPUT

    def __init__(self, where: str, problem: str, fix: str) -> None:
        super().__init__(f"{where}: {problem}; {fix}")
        self.where, self.problem, self.fix = where, problem, fix

    def __reduce__(self) -> tuple[type[BadInput], tuple[str, str, str]]:
        return BadInput, (self.where, self.problem, self.fix)


class InfraError(EvolveError):
    """The machine, the engine or the model's API failed. Retried; never evidence about a candidate."""

    exit_status = EXIT_MACHINE


class EndpointError(InfraError):
    """The model's API failed, also when the call was retried."""

    fault = Fault.ENDPOINT


class HostRefused(EndpointError):
    """The model's API refuses something that the host put into the request: never the scaffold's fault.

    Attributes:
        parameter: The name of the field that it refuses, as in our requests.
    """

    def __init__(self, parameter: str, message: str) -> None:
        super().__init__(message)
        self.parameter = parameter

    def __reduce__(self) -> tuple[type[HostRefused], tuple[str, str]]:
        return HostRefused, (self.parameter, str(self))


class AccountError(InfraError):
    """The model's API rejects the key, or the account's quota is used up: waiting does not help."""

    fault = Fault.ACCOUNT


class EngineError(InfraError):
    """The container engine failed or is not running."""

    fault = Fault.ENGINE


class DiskFull(InfraError):
    """The disk is full."""

    fault = Fault.DISK


class GraderError(InfraError):
    """A task's tests give no reward, on the untouched state neither."""

    fault = Fault.GRADER


class BudgetExhausted(EvolveError):
    """A cap of the run is reached: the run ends cleanly."""

    fault = Fault.CAP


class RequestsRefused(EvolveError):
    """The model's API refuses what a run asks: proposals round after round, or the very first question."""

    exit_status = EXIT_REFUSED


class Locked(EvolveError):
    """Another process is working on the same run."""

    exit_status = EXIT_LOCKED


class RequestRefused(EvolveError):
    """The model's API refused this request (HTTP 4xx): the caller's fault, so the caller gets the error.

    Attributes:
        status: The HTTP status.
        code: The API's error code, for example `context_length_exceeded`.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code

    def __reduce__(self) -> tuple[type[RequestRefused], tuple[int, str, str]]:
        return RequestRefused, (self.status, self.code, str(self))
