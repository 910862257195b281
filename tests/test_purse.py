"""The file in which processes count what they spend: real files, real processes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from evolve.budget import ledger as purses
from evolve.budget.ledger import Ledger, SpendingFile
from evolve.core.caps import Caps
from evolve.core.errors import DiskFull, InfraError
from evolve.core.records import Usage

CALL = Usage(1, 60, 40, 0.5)


@pytest.fixture
def terms(tmp_path: Path) -> SpendingFile:
    return SpendingFile(tmp_path / "spending" / "session-1.db", Caps(usd=2.0))


@pytest.fixture
def purse(terms: SpendingFile) -> Iterator[Ledger]:
    made = Ledger(terms)
    yield made
    made.close()


def test_what_is_held_is_no_longer_there_for_others(purse: Ledger) -> None:
    holds = [purse.take("a", CALL) for _ in range(4)]
    assert all(holds) and purse.take("b", CALL) is None
    purse.settle(holds[0] or 0, Usage(1, 6, 4, 0.1))
    assert purse.take("b", Usage(1, 60, 40, 0.4)) is not None
    assert purse.spent() == Usage(1, 6, 4, 0.1)


def test_nothing_begins_when_nothing_is_left(purse: Ledger) -> None:
    purse.settle(purse.take("a", Usage(1, 9, 9, 3.0)) or 0, Usage(1, 9, 9, 2.5))
    with pytest.raises(LookupError):
        purse.take("a", CALL)


def test_what_was_spent_before_the_session_counts(tmp_path: Path) -> None:
    later = Ledger(SpendingFile(tmp_path / "p.db", Caps(usd=2.0), Usage(9, 9, 9, 1.9)))
    assert later.take("a", CALL) is not None  # alone: it may pass the cap
    assert later.take("a", CALL) is None
    later.close()


def test_a_row_of_the_database_has_the_last_word(purse: Ledger) -> None:
    for what in ("a", "b"):
        purse.settle(purse.take(what, CALL) or 0, CALL)
    purse.booked("a", Usage(2, 70, 50, 0.7, commands=9))
    assert purse.unrowed() == {"b": CALL}
    assert purse.spent() == Usage(3, 130, 90, 1.2)


def _spend_and_die(terms: SpendingFile) -> None:
    mine = Ledger(terms)
    mine.settle(mine.take("killed", CALL) or 0, CALL)
    mine.take("killed", CALL)
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_process_leaves_what_it_spent_and_what_it_held(terms: SpendingFile, purse: Ledger) -> None:
    process = multiprocessing.get_context("spawn").Process(target=_spend_and_die, args=(terms,))
    process.start()
    process.join(30)
    assert process.exitcode == -signal.SIGKILL
    assert purse.unrowed() == {"killed": Usage(2, 120, 80, 1.0)}


def _spend(terms: SpendingFile) -> int:
    mine, made = Ledger(terms), 0
    for _ in range(40):
        try:
            hold = mine.take(f"work {os.getpid()}", Usage(1, 1, 0, 0.1))
        except LookupError:
            break
        if hold is None:
            time.sleep(0.001)
            continue
        mine.settle(hold, Usage(1, 1, 0, 0.1))
        made += 1
    mine.close()
    return made


def test_processes_at_once_pass_a_cap_by_one_call_at_most(terms: SpendingFile, purse: Ledger) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        made = sum(pool.map(_spend, [terms] * 3))
    assert purse.spent().calls == made
    assert 2.0 - 0.101 < purse.spent().cost_usd < 2.0 + 0.101


def test_threads_share_one_view(purse: Ledger) -> None:
    def one(number: int) -> None:
        hold = purse.take(f"{number % 3}", Usage(1, 1, 1))
        purse.settle(hold or 0, Usage(1, 1, 1))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(60)))
    assert purse.spent() == Usage(60, 60, 60)


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "p.db").write_text("this is no database, and long enough to be seen as none" * 20)
    with pytest.raises(InfraError, match=r"p\.db"):
        Ledger(SpendingFile(tmp_path / "p.db"))


def test_a_full_disk_is_told_as_one_and_takes_nothing(purse: Ledger) -> None:
    purse._db.execute("PRAGMA max_page_count = 1")  # SQLite raises it to what the file has now
    with pytest.raises(DiskFull, match=r"no room on .+: database or disk is full; make room"):
        purse.take("a" * 100_000, CALL)
    assert purse.unrowed() == {}


def test_removing_takes_what_sqlite_put_beside_it(terms: SpendingFile, purse: Ledger) -> None:
    purse.take("a", CALL)
    purses.remove(terms.path)
    purses.remove(terms.path)
    assert list(terms.path.parent.iterdir()) == []
