"""What keeps pages live: changes of the database, events for browsers, and values that take long to make."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from evolve.core.errors import BadInput
from evolve.store import Store
from evolve.store.changes import NEVER, ChangeCounter
from evolve.web.events import Broadcast, event
from evolve.web.recent import PATIENCE, Recent
from tests.paged import RUN, EndRow, store_paged

LONG = 60.0


def test_a_change_by_another_connection_is_noticed(tmp_path: Path) -> None:
    counter = ChangeCounter(tmp_path / "runs" / "evolve.db")
    assert counter.read() == NEVER
    store_paged(tmp_path / "runs")
    first = counter.read()
    assert first != NEVER and counter.read() == first
    with Store.open(tmp_path / "runs" / "evolve.db") as store:
        store.end_run(RUN, "done", "2027-01-01T00:00:00+00:00")
        assert store.ends(RUN)[-1] == EndRow("done", "2027-01-01T00:00:00+00:00")
        second = counter.read()
        assert second != first
        marker = store.state_marker(RUN)
        store.end_run(RUN, "done", "2027-01-02T00:00:00+00:00")
        assert store.state_marker(RUN) != marker
    counter.close()


def test_a_browser_is_told_of_a_change_and_not_of_none() -> None:
    async def watch() -> list[str]:
        values = iter(["a", "a", "b", *"b" * 1_000])
        broadcast = Broadcast(lambda: next(values), every=0.0)
        heard = []
        async for one in broadcast.listen():
            heard.append(one)
            if len(heard) == 2:
                break
        return heard

    assert asyncio.run(watch()) == [event("hello", 0), event("change", 1)]


def test_all_browsers_share_one_look_and_none_is_made_without_any() -> None:
    async def watch() -> tuple[int, int]:
        looks = 0

        def look() -> int:
            nonlocal looks
            looks += 1
            return looks

        broadcast = Broadcast(look, every=0.0)
        await asyncio.sleep(0)
        before = looks
        listening = [broadcast.listen() for _ in range(3)]
        for one in listening:
            await anext(one)
        told = [await anext(one) for one in listening]
        assert all(one.startswith("event: change") for one in told)
        for one in listening:
            await one.aclose()  # type: ignore[attr-defined]
        assert broadcast._task is not None
        await broadcast._task
        return before, broadcast._number

    before, number = asyncio.run(watch())
    assert before == 0 and number >= 1


def test_a_value_is_made_once_for_each_state() -> None:
    recent: Recent[int] = Recent(LONG, lambda: 0.0, lambda: 0.0)
    made: list[int] = []

    def make() -> int:
        made.append(1)
        return len(made)

    assert [recent.get("run", marker, make) for marker in ("a", "a", "b", "b")] == [1, 1, 2, 2]
    assert recent.get("other", "a", make) == 3 and recent.finished == 3
    recent.close()


def test_a_value_that_took_long_is_shown_for_a_while_after_a_change() -> None:
    now, work = [0.0], iter([0.0, 5.0, 5.0, 10.0])
    recent: Recent[str] = Recent(LONG, lambda: now[0], lambda: next(work))
    assert recent.get("run", "a", lambda: "first") == "first"
    now[0] = 5.0 * PATIENCE - 1.0
    assert recent.get("run", "b", lambda: "second") == "first"
    recent._later.pop("run").cancel()
    now[0] = 5.0 * PATIENCE
    assert recent.get("run", "b", lambda: "second") == "second"
    recent.close()


def test_a_newer_value_is_made_although_nobody_asks_again() -> None:
    now, work, done = [0.0], iter([0.0, 0.001, 0.001, 0.002]), threading.Event()
    recent: Recent[str] = Recent(LONG, lambda: now[0], lambda: next(work))
    assert recent.get("run", "a", lambda: "first") == "first"

    def second() -> str:
        done.set()
        return "second"

    assert recent.get("run", "b", second) == "first" and done.wait(LONG)
    if future := recent._running.get("run"):
        future.result(LONG)
    assert recent.get("run", "b", second) == "second"
    recent.close()


def test_nobody_waits_long_for_a_value_that_is_still_being_made() -> None:
    recent: Recent[str] = Recent(0.0)
    go, done = threading.Event(), threading.Event()

    def make() -> str:
        go.wait(LONG)
        return "made"

    assert recent.get("run", "a", make) is None and recent.get("run", "a", make) is None
    future = recent._running["run"]
    future.add_done_callback(lambda _: done.set())
    go.set()
    assert done.wait(LONG) and future.result(LONG).value == "made"
    assert recent.get("run", "a", make) == "made" and recent.finished == 1
    recent.close()


def test_an_error_is_raised_and_tried_again() -> None:
    recent: Recent[str] = Recent(LONG)

    def fail() -> str:
        raise BadInput("row", "is broken", "restore it")

    for _ in range(2):
        with pytest.raises(BadInput, match="is broken"):
            recent.get("run", "a", fail)
    assert recent.finished == 0 and recent.get("run", "a", lambda: "fine") == "fine"
    recent.close()
