"""A file that processes share: any number of them may open it at once."""

from __future__ import annotations

import multiprocessing
from multiprocessing.synchronize import Barrier
from pathlib import Path

from evolve.budget.shared_file import open_shared

TABLE = "CREATE TABLE IF NOT EXISTS entry (who INTEGER)"
FILES, PROCESSES = 10, 6


def write(folder: Path, together: Barrier, who: int) -> None:
    for number in range(FILES):
        together.wait(30)
        connection = open_shared(folder / f"{number}.db", [TABLE])
        connection.execute("INSERT INTO entry VALUES (?)", (who,))
        connection.close()


def test_processes_that_open_it_at_once_all_write(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    together, folder = context.Barrier(PROCESSES), tmp_path / "new"
    processes = [context.Process(target=write, args=(folder, together, who)) for who in range(PROCESSES)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * PROCESSES
    for number in range(FILES):
        with open_shared(folder / f"{number}.db") as connection:
            assert sorted(connection.execute("SELECT who FROM entry")) == [(who,) for who in range(PROCESSES)]
