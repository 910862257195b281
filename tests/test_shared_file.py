"""A file that processes share: any number of them may open it at once."""

from __future__ import annotations

import multiprocessing
from multiprocessing.synchronize import Event
from pathlib import Path

from evolve.budget.shared_file import open_shared

TABLE = "CREATE TABLE IF NOT EXISTS entry (who INTEGER)"


def write(path: Path, start: Event, who: int) -> None:
    start.wait()
    connection = open_shared(path, [TABLE])
    connection.execute("INSERT INTO entry VALUES (?)", (who,))
    connection.close()


def test_processes_that_open_it_at_once_all_write(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    start, path = context.Event(), tmp_path / "folder" / "shared.db"
    processes = [context.Process(target=write, args=(path, start, who)) for who in range(8)]
    for process in processes:
        process.start()
    start.set()
    for process in processes:
        process.join(30)
    assert [process.exitcode for process in processes] == [0] * 8
    with open_shared(path) as connection:
        assert sorted(connection.execute("SELECT who FROM entry")) == [(who,) for who in range(8)]
