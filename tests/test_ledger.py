"""The ledger, in which the processes of a run count their spending: real files, real processes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from evolve.budget import ledger as ledger_module
from evolve.budget.ledger import Ledger, SpendingFile
from evolve.core.caps import Caps
from evolve.core.errors import DiskFull, InfraError
from evolve.core.records import Usage

CALL = Usage(1, 60, 40, 0.5)


@pytest.fixture
def terms(tmp_path: Path) -> SpendingFile:
    return SpendingFile(tmp_path / "spending" / "session-1.db", Caps(usd=2.0))


@pytest.fixture
def ledger(terms: SpendingFile) -> Iterator[Ledger]:
    opened = Ledger(terms)
    yield opened
    opened.close()


def test_reserved_usage_is_not_available_to_others(ledger: Ledger) -> None:
    holds = [ledger.reserve("a", CALL) for _ in range(4)]
    assert all(holds) and ledger.reserve("b", CALL) is None
    ledger.settle(holds[0] or 0, Usage(1, 6, 4, 0.1))
    assert ledger.reserve("b", Usage(1, 60, 40, 0.4)) is not None
    assert ledger.spent() == Usage(1, 6, 4, 0.1)


def test_no_call_begins_when_the_budget_is_spent(ledger: Ledger) -> None:
    ledger.settle(ledger.reserve("a", Usage(1, 9, 9, 3.0)) or 0, Usage(1, 9, 9, 2.5))
    with pytest.raises(LookupError):
        ledger.reserve("a", CALL)


def test_usage_of_earlier_sessions_counts(tmp_path: Path) -> None:
    later = Ledger(SpendingFile(tmp_path / "p.db", Caps(usd=2.0), Usage(9, 9, 9, 1.9)))
    assert later.reserve("a", CALL) is not None  # the only call in progress may exceed the cap
    assert later.reserve("a", CALL) is None
    later.close()


def test_booking_replaces_the_files_figure(ledger: Ledger) -> None:
    for what in ("a", "b"):
        ledger.settle(ledger.reserve(what, CALL) or 0, CALL)
    ledger.book("a", Usage(2, 70, 50, 0.7, commands=9))
    assert ledger.unbooked() == {"b": CALL}
    assert ledger.spent() == Usage(3, 130, 90, 1.2)


def _spend_and_die(terms: SpendingFile) -> None:
    ledger = Ledger(terms)
    ledger.settle(ledger.reserve("killed", CALL) or 0, CALL)
    ledger.reserve("killed", CALL)
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_process_leaves_its_spending_and_its_holds(terms: SpendingFile, ledger: Ledger) -> None:
    process = multiprocessing.get_context("spawn").Process(target=_spend_and_die, args=(terms,))
    process.start()
    process.join(30)
    assert process.exitcode == -signal.SIGKILL
    assert ledger.unbooked() == {"killed": Usage(2, 120, 80, 1.0)}


def _reserve_and_wait(terms: SpendingFile, what: str) -> None:
    Ledger(terms).reserve(what, Usage(1, 60, 40, 1.5))
    signal.pause()


def started(terms: SpendingFile, what: str, ledger: Ledger) -> multiprocessing.process.BaseProcess:
    """A process that has reserved what leaves no room for another call."""
    process = multiprocessing.get_context("spawn").Process(target=_reserve_and_wait, args=(terms, what), daemon=True)
    process.start()
    deadline = time.monotonic() + 30
    while what not in ledger.unbooked():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return process


def test_a_killed_process_is_charged_and_makes_room_at_once(terms: SpendingFile, ledger: Ledger) -> None:
    process = started(terms, "killed", ledger)
    assert ledger.reserve("next", Usage(1, 60, 40, 1.0)) is None and ledger.spent() == Usage()
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)  # and it stays a zombie until it is waited for
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert ledger.spent() == Usage(1, 60, 40, 1.5)
    assert ledger.reserve("next", Usage(1, 60, 40, 0.4)) is not None
    assert ledger.unbooked() == {"killed": Usage(1, 60, 40, 1.5), "next": Usage(1, 60, 40, 0.4)}
    process.join(30)


def test_a_process_that_counts_as_killed_is_charged_though_it_lives(terms: SpendingFile, ledger: Ledger) -> None:
    process = started(terms, "hung", ledger)
    own = ledger.reserve("own", Usage(1, 1, 1, 0.1)) or 0
    assert process.pid is not None
    assert ledger.charge_dead("hung", process.pid) == Usage(1, 60, 40, 1.5)
    assert ledger.charge_dead("hung", process.pid) == Usage(1, 60, 40, 1.5)
    assert ledger.charge_dead("other", process.pid) == Usage()
    ledger.settle(own, Usage(1, 1, 1, 0.05))
    ledger.settle(own, Usage(1, 1, 1, 0.05))  # what is charged already
    assert ledger.spent() == Usage(2, 61, 41, 1.55)
    process.kill()
    process.join(30)


def test_cached_tokens_are_kept(ledger: Ledger) -> None:
    for _ in range(2):
        ledger.settle(ledger.reserve("a", CALL) or 0, replace(CALL, cached_tokens=50, cache_write_tokens=5))
    assert ledger.unbooked() == {"a": Usage(2, 120, 80, 1.0, cached_tokens=100, cache_write_tokens=10)}
    ledger.book("a", Usage(2, 120, 80, 1.0, cached_tokens=90))
    assert ledger.spent().cached_tokens == 90


def test_a_file_of_an_earlier_version_is_read_and_completed(terms: SpendingFile) -> None:
    terms.path.parent.mkdir()
    with closing(sqlite3.connect(terms.path)) as database, database:
        for line in ledger_module.TABLES:
            database.execute(line)
        database.execute("INSERT INTO spent VALUES ('a', 1, 6, 4, 0.1)")
        database.execute("INSERT INTO hold VALUES (NULL, 'b', 60, 40, 0.5)")
    for _ in range(2):
        with closing(Ledger(terms)) as opened:
            assert opened.unbooked() == {"a": Usage(1, 6, 4, 0.1), "b": CALL}
            assert opened.spent() == Usage(1, 6, 4, 0.1)


def _spend(terms: SpendingFile) -> int:
    ledger, calls = Ledger(terms), 0
    for _ in range(40):
        try:
            hold = ledger.reserve(f"work {os.getpid()}", Usage(1, 1, 0, 0.1))
        except LookupError:
            break
        if hold is None:
            time.sleep(0.001)
            continue
        ledger.settle(hold, Usage(1, 1, 0, 0.1))
        calls += 1
    ledger.close()
    return calls


def test_concurrent_processes_exceed_a_cap_by_one_call_at_most(terms: SpendingFile, ledger: Ledger) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        calls = sum(pool.map(_spend, [terms] * 3))
    assert ledger.spent().calls == calls
    assert 2.0 - 0.101 < ledger.spent().cost_usd < 2.0 + 0.101


def test_threads_share_one_view(ledger: Ledger) -> None:
    def one(number: int) -> None:
        hold = ledger.reserve(f"{number % 3}", Usage(1, 1, 1))
        ledger.settle(hold or 0, Usage(1, 1, 1))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(60)))
    assert ledger.spent() == Usage(60, 60, 60)


def test_a_file_that_is_no_database_raises_an_infra_error(tmp_path: Path) -> None:
    (tmp_path / "p.db").write_text("this is no database, and long enough to be seen as none" * 20)
    with pytest.raises(InfraError, match=r"p\.db"):
        Ledger(SpendingFile(tmp_path / "p.db"))


def test_a_full_disk_raises_disk_full_and_reserves_nothing(ledger: Ledger) -> None:
    ledger._db.execute("PRAGMA max_page_count = 1")  # SQLite raises it to the file's current size
    with pytest.raises(DiskFull, match=r"no space left on .+: database or disk is full; free some space"):
        ledger.reserve("a" * 100_000, CALL)
    assert ledger.unbooked() == {}


def test_remove_also_removes_sqlites_own_files(terms: SpendingFile, ledger: Ledger) -> None:
    ledger.reserve("a", CALL)
    ledger_module.remove(terms.path)
    ledger_module.remove(terms.path)
    assert list(terms.path.parent.iterdir()) == []


@pytest.mark.parametrize("value", ["4611686018427387904", "-1", "9e999", "'many'"])
def test_impossible_spending_of_an_earlier_version_counts_as_nothing(tmp_path: Path, value: str) -> None:
    terms = SpendingFile(tmp_path / "spending.db")
    ledger = Ledger(terms)
    for what in ("a", "b"):
        ledger.settle(ledger.reserve(what, Usage(1, 5, 5)) or 0, Usage(1, 5, 5))
    ledger.close()
    with sqlite3.connect(terms.path) as db:
        db.execute(f"UPDATE spent SET prompt = {value}, usd = {value}")
    db.close()
    again = Ledger(terms)
    assert again.spent() == Usage(2, 0, 10)
    assert again.unbooked() == {"a": Usage(1, 0, 5), "b": Usage(1, 0, 5)}
    again.close()
