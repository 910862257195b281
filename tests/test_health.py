"""Health checks: when a failure counts, and when the environment is given up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.core.task_format import Healthcheck
from evolve.trial.health import Unhealthy, longest_check, poll


@dataclass
class Clock:
    """Time that passes only in sleeps and checks."""

    now: float = 0.0
    sleeps: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds


def polled(check: Healthcheck, answers: Iterator[bool], seconds: float = 0.0) -> Clock:
    clock = Clock()

    def is_healthy() -> bool:
        clock.now += seconds
        return next(answers)

    poll(check, is_healthy, lambda: clock.now, clock.sleep)
    return clock


def test_a_healthy_environment_is_not_waited_for() -> None:
    assert polled(Healthcheck("true"), iter([True])).sleeps == []


def test_failures_in_a_row_are_counted_with_the_interval_between_them() -> None:
    check = Healthcheck("false", interval=7, retries=3)
    assert polled(check, iter([False, False, True])).sleeps == [7, 7]
    with pytest.raises(Unhealthy, match="3 checks in a row failed: false"):
        polled(check, iter([False, False, False]))


def test_failures_within_the_start_period_do_not_count() -> None:
    check = Healthcheck("x", interval=7, start_period=10, start_interval=2, retries=1)
    assert polled(check, iter([False] * 5 + [True])).sleeps == [2] * 5
    with pytest.raises(Unhealthy):
        polled(check, iter([False] * 6))


@given(st.floats(0, 20), st.floats(0, 20), st.floats(0.5, 5), st.floats(0, 5), st.integers(1, 5), st.floats(0, 1))
def test_no_check_takes_longer_than_is_said(
    interval: float, start_period: float, start_interval: float, timeout: float, retries: int, share: float
) -> None:
    check = Healthcheck("x", interval, timeout, start_period, start_interval, retries)
    clock, seconds = Clock(), share * timeout

    def is_healthy() -> bool:
        clock.now += seconds
        return False

    with pytest.raises(Unhealthy):
        poll(check, is_healthy, lambda: clock.now, clock.sleep)
    assert clock.now <= longest_check(check) + timeout
