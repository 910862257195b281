"""How long an endpoint is waited for, and what is lost with it while it fails."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

from tenacity import RetryCallState

from evolve.core.errors import BadInput
from evolve.core.records import Usage

CALL_SECONDS = 300.0
CONNECT_SECONDS = 20.0
VARIABLE = "EVOLVE_CALL_SECONDS"
# Told what a failed try took, and then what the wait after it took; may raise, which ends the call.
OnLost = Callable[[Usage], None]


def set_call_seconds(seconds: float) -> None:
    """Set the time limit of a call for this process and those that it starts."""
    os.environ[VARIABLE] = f"{seconds:g}"


def call_seconds() -> float:
    """Of one try, from its request to the end of its answer; the environment may set it. Raises BadInput.

    An answer that is not streamed comes all at once, after minutes of thought: no shorter silence tells of a fault.
    """
    text = os.environ.get(VARIABLE) or str(CALL_SECONDS)
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not (seconds > 0 and math.isfinite(seconds)):
        raise BadInput(
            VARIABLE, f"{text!r} is no number of seconds", f"leave it out, or give one like {CALL_SECONDS:g}"
        )
    return seconds


def requested_wait(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds that an endpoint asks to be left alone, whether it names a span or a date. now: since the epoch."""
    if (spans := headers.get("retry-after-ms")) and (span := _number(spans)) is not None:
        return span / 1000
    asked = headers.get("retry-after") or ""
    if (span := _number(asked)) is not None:
        return span
    try:
        date = parsedate_to_datetime(asked)
    except ValueError:
        return None
    return max((date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now, 0.0)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


class Losses:
    """Tells a caller what the failed tries of one call take: each try as it fails, each wait as the next try begins."""

    def __init__(self, on_lost: OnLost | None) -> None:
        self._tell, self._since = on_lost, time.monotonic()

    def begins(self, state: RetryCallState) -> None:
        """Before each try."""
        if state.attempt_number > 1:
            self._lost(retries=1)
        self._since = time.monotonic()

    def failed(self, state: RetryCallState) -> None:
        """After each try that failed by a fault which may pass."""
        self._lost()

    def _lost(self, retries: int = 0) -> None:
        now = time.monotonic()
        seconds, self._since = now - self._since, now
        if self._tell:
            self._tell(Usage(retries=retries, lost_seconds=seconds))
