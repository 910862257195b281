"""Waits of our own: a call that is held back until its budget has room, or until it is its turn."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from evolve.core.records import Usage
from evolve.llm import OnLost


@runtime_checkable
class TellsWaits(Protocol):
    """An `on_lost` that distinguishes time lost by an endpoint's fault from time in which we held the call back."""

    def __call__(self, lost: Usage) -> None: ...

    def held_back(self, lost: Usage) -> None:
        """Note a wait of our own: no try has failed in it."""
        ...


def report_wait(on_lost: OnLost | None, seconds: float) -> None:
    """Report time in which a call was held back by this program itself, while it lasts."""
    if isinstance(on_lost, TellsWaits):
        on_lost.held_back(Usage(lost_seconds=seconds))
    elif on_lost:
        on_lost(Usage(lost_seconds=seconds))
