"""User ids of trials: never two at once, whoever asks, and not those of dead processes whose containers may live."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from evolve.core.errors import InfraError
from evolve.sandbox import uids
from evolve.sandbox.uids import COUNT, FIRST, LAST, UidTable

HOLDS = """
import sys, time
from pathlib import Path
from evolve.sandbox.uids import UidTable
print(UidTable(Path(sys.argv[1])).reserve(int(sys.argv[2])).number, flush=True)
time.sleep(60)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "uids"


def holder(path: Path, wanted: int) -> tuple[subprocess.Popen[str], int]:
    """Another process that holds an id."""
    process = subprocess.Popen([sys.executable, "-c", HOLDS, str(path), str(wanted)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def test_equal_wishes_get_the_same_id_one_after_the_other_and_neighbours_at_once(path: Path) -> None:
    table = UidTable(path)
    first = table.reserve(5)
    first.release()
    first.release()
    again, beside = table.reserve(5), table.reserve(5)
    assert (first.number, again.number, beside.number) == (FIRST + 5, FIRST + 5, FIRST + 6)
    assert table.reserve(COUNT - 1).number == LAST and table.reserve(2 * COUNT - 1).number == FIRST


def test_ids_fit_into_the_ids_that_user_namespaces_map() -> None:
    assert FIRST > 10_001 and LAST < 1 << 16


def test_threads_with_tables_of_their_own_get_different_ids(path: Path) -> None:
    barrier = threading.Barrier(8)

    def reserve(_: int) -> list[int]:
        table = UidTable(path)
        barrier.wait(10)
        return [table.reserve(0).number for _ in range(20)]

    with ThreadPoolExecutor(8) as pool:
        numbers = [number for numbers in pool.map(reserve, range(8)) for number in numbers]
    assert len(set(numbers)) == 160


def test_a_processs_id_is_nobody_elses_and_stays_so_after_its_death(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process, number = holder(path, 3)
    table = UidTable(path)
    assert number == FIRST + 3 and table.reserve(3).number == FIRST + 4
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    assert table.reserve(3).number == FIRST + 5, "its containers may still run"
    monkeypatch.setattr(uids, "seconds_since_boot", lambda: 1e9)
    assert table.reserve(3).number == FIRST + 3, "they have ended by now"


def test_marks_from_before_a_reboot_do_not_count(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr(uids, "seconds_since_boot", lambda: 1e9)
        UidTable(path).reserve(3).release(keep_mark=True)
    monkeypatch.setattr(uids, "seconds_since_boot", lambda: 10.0)
    assert UidTable(path).reserve(3).number == FIRST + 3


def test_an_id_that_the_engine_knows_already_is_avoided(path: Path) -> None:
    table = UidTable(path)
    table.reserve(7).release(keep_mark=True)
    assert table.reserve(7).number == FIRST + 8


def test_when_all_are_in_use_the_machine_is_at_fault(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uids, "COUNT", 2)
    table = UidTable(path)
    held = [table.reserve(0), table.reserve(0)]
    with pytest.raises(InfraError, match="2 user ids"):
        table.reserve(0)
    assert len({one.number for one in held}) == 2


def test_all_users_of_the_host_may_write_the_file_and_a_link_is_refused(path: Path, tmp_path: Path) -> None:
    mask = os.umask(0o077)
    try:
        UidTable(path)
    finally:
        os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(InfraError, match="link can't be opened"):
        UidTable(tmp_path / "link")
