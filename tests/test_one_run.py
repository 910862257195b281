"""One run's rows in a file of their own: those of other runs stay at home, and a stranger's schema is not used."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from evolve.core.errors import BadInput
from evolve.core.records import Split
from evolve.store import Store
from evolve.store.database import make_schema, newest_schema
from evolve.store.integrity import inspect_database
from evolve.store.one_run import adopt_database, extract_run, run_names, texts_of
from tests.exported import RUN, store_run
from tests.fakes import task


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Two runs; the second has rows of its own."""
    store_run(tmp_path)
    with Store.open(tmp_path / "evolve.db") as store:
        row = store.run(RUN)
        assert row is not None
        store.create_run(type(row)(**{**vars(row), "id": "other"}), [task("omega", Split.TRAIN)])
        store.end_run("other", "done", row.created_at)
    return tmp_path / "evolve.db"


def test_rows_of_one_run_alone(database: Path, tmp_path: Path) -> None:
    assert run_names(database) == [RUN, "other"]
    extract_run(database, RUN, tmp_path / "one.db")
    extract_run(database, RUN, tmp_path / "two.db")
    assert (tmp_path / "one.db").read_bytes() == (tmp_path / "two.db").read_bytes()
    assert run_names(tmp_path / "one.db") == [RUN]
    assert not any("omega" in text for _, text in texts_of(tmp_path / "one.db"))
    with Store.open(database) as ours, Store.open(tmp_path / "one.db") as theirs:
        assert ours.trials(RUN) == theirs.trials(RUN) and ours.rounds(RUN) == theirs.rounds(RUN)


def test_rows_of_an_older_schema_are_migrated(tmp_path: Path) -> None:
    make_schema(tmp_path / "old.db", "0009")
    before = (tmp_path / "old.db").read_bytes()
    adopt_database(tmp_path / "old.db", tmp_path / "new.db")
    assert inspect_database(tmp_path / "new.db").schema == newest_schema()
    assert (tmp_path / "old.db").read_bytes() == before


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("CREATE VIEW more AS SELECT 1", "its schema is not that of its revision: view 'more'"),
        ("DROP VIEW cost", "its schema is not that of its revision: view 'cost'"),
        ("CREATE TABLE more (a)", "its schema is not that of its revision: table 'more'"),
        ("ALTER TABLE lesson ADD COLUMN more TEXT", "its schema is not that of its revision: columns of lesson"),
        ("DELETE FROM alembic_version", "names no revision of its schema"),
        ("UPDATE alembic_version SET version_num = '9999'", "a newer evolve wrote it"),
        ("DROP TABLE alembic_version", "is no database of Evolve's"),
        ("DELETE FROM candidate WHERE round = 1", "refers to a missing row"),
    ],
)
def test_another_schema_or_broken_rows_are_refused(database: Path, tmp_path: Path, statement: str, words: str) -> None:
    extract_run(database, RUN, tmp_path / "one.db")
    with closing(sqlite3.connect(tmp_path / "one.db", isolation_level=None)) as connection:
        connection.execute(statement)
    with pytest.raises(BadInput, match=words):
        adopt_database(tmp_path / "one.db", tmp_path / "new.db")


def test_rows_that_the_schema_forbids_are_refused(database: Path, tmp_path: Path) -> None:
    extract_run(database, RUN, tmp_path / "one.db")
    with closing(sqlite3.connect(tmp_path / "one.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute("UPDATE trial SET reward = 7")
    with pytest.raises(BadInput, match="CHECK constraint failed"):
        adopt_database(tmp_path / "one.db", tmp_path / "new.db")


@pytest.mark.parametrize("data", [b"", b"no database", b"SQLite format 3\x00" + b"\xff" * 5000])
def test_what_is_no_database_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "one.db").write_bytes(data)
    with pytest.raises(BadInput, match=r"one\.db: "):
        adopt_database(tmp_path / "one.db", tmp_path / "new.db")
