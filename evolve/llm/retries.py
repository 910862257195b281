"""How long to wait for an endpoint, and how much time is lost while it fails."""

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
# Called with the usage of a failed try, and then of the wait after it. An exception from it ends the call.
OnLost = Callable[[Usage], None]
NOTHING = Usage()


def set_call_seconds(seconds: float) -> None:
    """Set the time limit of a call for this process and those that it starts."""
    os.environ[VARIABLE] = f"{seconds:g}"


def call_seconds() -> float:
    """Return the time limit of one try, from the request to the end of the answer; EVOLVE_CALL_SECONDS overrides it.

    A model may think for minutes before an answer that is not streamed, so a shorter silence is no sign of a fault.

    Raises:
        BadInput: EVOLVE_CALL_SECONDS is not a number of seconds.
    """
    text = os.environ.get(VARIABLE) or str(CALL_SECONDS)
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not (seconds > 0 and math.isfinite(seconds)):
        raise BadInput(
            VARIABLE, f"{text!r} is not a number of seconds", f"unset it, or use a number like {CALL_SECONDS:g}"
        )
    return seconds


def requested_wait(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds that an endpoint asks to wait, given as a span or a date. now: seconds since the epoch."""
    if (spans := headers.get("retry-after-ms")) and (span := _number(spans)) is not None:
        return span / 1000
    retry_after = headers.get("retry-after") or ""
    if (span := _number(retry_after)) is not None:
        return span
    try:
        date = parsedate_to_datetime(retry_after)
        return max((date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now, 0.0)
    except (ValueError, OverflowError):
        return None


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


class Losses:
    """Reports the time lost by one call: each failed try when it fails, each wait when the next try begins."""

    def __init__(self, on_lost: OnLost | None) -> None:
        self._on_lost, self._since = on_lost, time.monotonic()

    def before_try(self, state: RetryCallState) -> None:
        """Report the wait before a retry, and start the clock."""
        if state.attempt_number > 1:
            self.report(Usage(retries=1))
        self._since = time.monotonic()

    def after_failure(self, state: RetryCallState) -> None:
        """Report a try that failed with a transient fault."""
        self.report()

    def report(self, usage: Usage = NOTHING) -> None:
        """Report the time since the last report, and this usage."""
        now = time.monotonic()
        seconds, self._since = now - self._since, now
        if self._on_lost:
            self._on_lost(usage + Usage(lost_seconds=seconds))
