"""Databases of every earlier schema: every row comes along, and a process that is killed on the way leaves no half.

EVOLVE_MIGRATION_STEP=1 kills before every statement, 3 (the default) before every third.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic.command import downgrade
from sqlalchemy import event
from sqlalchemy.engine import Engine

from evolve import store as package
from evolve.store import Store
from tests.faults import victim
from tests.faults.killer import RUN, Victim
from tests.migrated import migrated

MIGRATIONS = Path(package.__file__).with_name("migrations")
NEWEST = max(file.name[:4] for file in MIGRATIONS.glob("versions/0*.py"))
STEP = int(os.environ.get("EVOLVE_MIGRATION_STEP", "3"))
REVISIONS = [f"{number:04}" for number in range(1, int(NEWEST))]
Rows = dict[str, tuple[list[str], list[tuple[Any, ...]]]]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database of a run of today."""
    run = Victim(tmp_path_factory.mktemp("played") / "run")
    with pytest.MonkeyPatch.context() as patch:
        victim.without_containers(patch)
        victim.play_run(run.home, RUN, 6)
    return run.home / "runs" / "evolve.db"


# The way from the first schema begins with all others; `make unit` takes the last.
@pytest.fixture(params=[*(pytest.param(one, marks=pytest.mark.slow) for one in REVISIONS[:-1]), REVISIONS[-1]])
def old(request: pytest.FixtureRequest, played: Path, tmp_path: Path) -> Path:
    """The same as an earlier version would have written it."""
    file = tmp_path / "old.db"
    shutil.copy(played, file)
    migrated(file, downgrade, request.param)
    assert revision(file) == request.param
    return file


def revision(file: Path) -> str:
    with closing(sqlite3.connect(file)) as database:
        return str(database.execute("SELECT version_num FROM alembic_version").fetchone()[0])


def schema(file: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(file)) as database:
        return database.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()


def rows(file: Path, like: Rows | None = None) -> Rows:
    """Of every table the columns and rows; like: only of its tables, and only its columns."""
    with closing(sqlite3.connect(file)) as database:
        names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found: Rows = {}
        for name in like or sorted({*names} - {"alembic_version"}):
            known = [row[1] for row in database.execute(f"PRAGMA table_info({name})")]
            columns = like[name][0] if like else known
            text = ", ".join(f'"{column}"' for column in columns)
            found[name] = columns, database.execute(f'SELECT {text} FROM "{name}" ORDER BY {text}').fetchall()
    return found


def test_every_row_of_every_earlier_schema_comes_along(old: Path) -> None:
    before = rows(old)
    assert all(before[name][1] for name in ("run", "task", "round", "candidate", "proposal", "decision", "trial"))
    Store.open(old).close()
    assert revision(old) == NEWEST
    assert rows(old, like=before) == before
    with closing(sqlite3.connect(old)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []


def _open_and_die(file: Path, at: int) -> None:
    """Opens the database, and is killed before its `at`th statement."""
    done = 0

    def count(*_: object) -> None:
        nonlocal done
        done += 1
        if done == at:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(Engine, "before_cursor_execute", count)
    Store.open(file).close()


def killed_at(file: Path, at: int) -> bool:
    """Whether it came to that."""
    process = multiprocessing.get_context("fork").Process(target=_open_and_die, args=(file, at))
    process.start()
    process.join(60)
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0


def test_killed_in_the_middle_it_is_as_before_or_as_after(old: Path, tmp_path: Path) -> None:
    before, old_schema, old_revision = rows(old), schema(old), revision(old)
    Store.open(shutil.copy(old, tmp_path / "new.db")).close()
    new_schema, kills = schema(tmp_path / "new.db"), 0
    # The way from an old schema ends like the way from a newer one: each begins at another statement.
    for at in range(1 + int(old_revision) % STEP, 1000, STEP):
        file = tmp_path / "killed.db"
        for name in ("killed.db", "killed.db-wal", "killed.db-shm"):
            (tmp_path / name).unlink(missing_ok=True)
        shutil.copy(old, file)
        if not killed_at(file, at):
            break
        kills += 1
        assert (revision(file), schema(file)) in [(old_revision, old_schema), (NEWEST, new_schema)]
        assert rows(file, like=before) == before
        Store.open(file).close()
        assert (revision(file), schema(file)) == (NEWEST, new_schema)
        assert rows(file, like=before) == before
    assert kills * STEP > 3
