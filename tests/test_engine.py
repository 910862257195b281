"""The engine's labels: when a container's time is over, whatever the calendar's clock says. No engine is needed."""

from __future__ import annotations

import time

from evolve.sandbox import engine


def until(ttl: int) -> str:
    return engine.labels("run", ttl)[engine.UNTIL]


def test_a_container_is_over_when_its_time_and_some_more_are() -> None:
    assert not engine.is_over(until(60), 0.0)
    assert not engine.is_over(until(-60), 600.0)
    assert engine.is_over(until(-700), 600.0)


def test_a_jump_of_the_calendars_clock_makes_none_overdue() -> None:
    _, monotonic, boot = until(60).split()
    assert not engine.is_over(f"0 {monotonic} {boot}", 0.0)


def test_after_another_boot_the_calendar_decides() -> None:
    assert engine.is_over(f"{time.time() - 700:.0f} 999999999 another-boot", 600.0)
    assert not engine.is_over(f"{time.time():.0f} 0 another-boot", 600.0)


def test_older_labels_are_understood() -> None:
    assert engine.is_over(str(int(time.time()) - 700), 600.0) and not engine.is_over(str(int(time.time())), 600.0)


def test_what_a_process_makes_carries_its_id() -> None:
    assert engine.owned("run").keys() == {engine.LABEL, engine.WORKER}
