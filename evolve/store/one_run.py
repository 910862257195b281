"""One run's rows in a file of their own, and such a file of a stranger's read as data: its rows, never its schema."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evolve.core.errors import BadInput
from evolve.host import disk
from evolve.store.database import make_schema, newest_schema
from evolve.store.store import Store

VERSIONS = "alembic_version"
# No value of a row is larger: proposals with their edits are the largest.
MOST_BYTES_OF_A_VALUE = 64 * 1024 * 1024
SHOWN = 5
FIX = "get the file again from whoever made it"
# Of tables without a column `run_id`, which rows belong to the run `?`.
OF_RUN = {
    "run": "id = ?",
    "trial_condition": "trial_id IN (SELECT id FROM source.trial WHERE run_id = ?)",
}


@dataclass(frozen=True)
class Table:
    """A table of this version's schema, with its columns in order."""

    name: str
    columns: tuple[str, ...]

    @property
    def listed(self) -> str:
        return ", ".join(f'"{column}"' for column in self.columns)


def extract_run(database: Path, run: str, target: Path) -> None:
    """Write the rows of one run into a new database, which is the same for the same rows.

    Args:
        database: Of the newest schema; another process may write to it.
        target: Must not exist.
    """
    make_schema(target, newest_schema())
    with _copying(target, f"{database.resolve().as_uri()}?mode=rw") as connection:
        for table in _tables(connection):
            where = OF_RUN.get(table.name, "run_id = ?")
            _copy(connection, table, f"WHERE {where}", (run,))


def adopt_database(file: Path, target: Path) -> None:
    """Copy the rows of a file of unknown origin into a new database of the newest schema.

    The file is opened as it lies there and never written. What it says of tables, views and triggers is compared with
    what its revision has, and not used.

    Args:
        target: Must not exist.

    Raises:
        BadInput: It is no database of Evolve's, a newer version wrote it, or its rows contradict the schema.
    """
    revision = _checked_revision(file)
    make_schema(target, revision)
    try:
        with _copying(target, f"{file.resolve().as_uri()}?mode=ro&immutable=1") as connection:
            _check_schema(file, connection)
            for table in _tables(connection):
                _copy(connection, table)
            _check_references(file, connection)
    except sqlite3.Error as error:
        raise _refusal(file, f"its rows can't be taken over: {error}") from error
    Store.open(target).close()


def texts_of(database: Path) -> Iterator[tuple[str, str]]:
    """All texts in a database's rows, each after the name of its table and column."""
    with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        for table in _tables(connection):
            for row in connection.execute(f'SELECT {table.listed} FROM "{table.name}"'):
                pairs = zip(table.columns, row, strict=True)
                yield from ((f"{table.name}.{column}", value) for column, value in pairs if isinstance(value, str))


def _checked_revision(file: Path) -> str:
    """The file's revision, once SQLite has found no damage in it. Raises BadInput."""
    try:
        with closing(_guarded(f"{file.resolve().as_uri()}?mode=ro&immutable=1")) as connection:
            lines = [str(row[0]) for row in connection.execute(f"PRAGMA integrity_check({SHOWN})")]
            if problems := [line for line in lines if line != "ok"]:
                raise _refusal(file, f"is damaged: {problems[0]}")
            kinds = dict(connection.execute("SELECT name, type FROM sqlite_master").fetchall())
            if kinds.get(VERSIONS) != "table":
                raise _refusal(file, "is no database of Evolve's")
            rows = connection.execute(f"SELECT version_num FROM {VERSIONS} LIMIT 2").fetchall()
    except sqlite3.Error as error:
        raise _refusal(file, f"can't be read: {error}") from error
    if len(rows) != 1 or not isinstance(rows[0][0], str):
        raise _refusal(file, "names no revision of its schema")
    return str(rows[0][0])


@contextmanager
def _copying(target: Path, source: str) -> Iterator[sqlite3.Connection]:
    """A connection to a new database to which another one is attached; what is copied is there at the end, or not."""
    with disk.convert_os_errors(target), closing(_guarded(f"{target.resolve().as_uri()}?mode=rw")) as connection:
        connection.execute("ATTACH ? AS source", (source,))
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        connection.execute("COMMIT")
        connection.execute("DETACH source")
        connection.execute("VACUUM")


def _guarded(uri: str) -> sqlite3.Connection:
    """A connection that trusts no schema, and reads no value that is larger than any of ours."""
    connection = sqlite3.connect(uri, uri=True, timeout=60, isolation_level=None)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MOST_BYTES_OF_A_VALUE)
    for setting in ("trusted_schema = OFF", "cell_size_check = ON", "foreign_keys = OFF", "journal_mode = DELETE"):
        if "immutable" not in uri or not setting.startswith("journal"):
            connection.execute(f"PRAGMA {setting}")
    return connection


def _tables(connection: sqlite3.Connection) -> list[Table]:
    """The tables of the connection's own database."""
    query = "SELECT name FROM main.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
    names = [name for (name,) in connection.execute(query) if name != VERSIONS]
    return [Table(name, tuple(_columns(connection, "main", name))) for name in names]


def _columns(connection: sqlite3.Connection, schema: str, table: str) -> Mapping[str, int]:
    """A table's columns, each with a number that is 0 unless its values are computed."""
    rows = connection.execute("SELECT name, hidden FROM pragma_table_xinfo(?, ?)", (table, schema)).fetchall()
    return dict(rows)


def _copy(connection: sqlite3.Connection, table: Table, where: str = "", values: tuple[Any, ...] = ()) -> None:
    query = f'SELECT {table.listed} FROM source."{table.name}" {where} ORDER BY rowid'
    connection.execute(f'INSERT INTO main."{table.name}" ({table.listed}) {query}', values)


def _check_schema(file: Path, connection: sqlite3.Connection) -> None:
    """Raise BadInput unless the attached file has just the tables, columns, indexes and views of its revision."""
    query = "SELECT type, name FROM {}.sqlite_master WHERE name NOT LIKE 'sqlite_%'"
    ours, theirs = (set(connection.execute(query.format(name)).fetchall()) for name in ("main", "source"))
    if different := sorted(ours ^ theirs):
        kind, name = different[0]
        raise _refusal(file, f"its schema is not that of its revision: {kind} {name!r}")
    for table in _tables(connection):
        found = _columns(connection, "source", table.name)
        if set(found) != set(table.columns) or any(found.values()):
            raise _refusal(file, f"its schema is not that of its revision: columns of {table.name}")
    # A table without pages of its own is computed by a module.
    query = "SELECT name FROM source.sqlite_master WHERE type = 'table' AND coalesce(rootpage, 0) = 0"
    if computed := connection.execute(query).fetchone():
        raise _refusal(file, f"its table {computed[0]!r} holds no rows of its own")


def _check_references(file: Path, connection: sqlite3.Connection) -> None:
    if broken := connection.execute("PRAGMA main.foreign_key_check").fetchone():
        raise _refusal(file, f"row {broken[1]} of {broken[0]} refers to a missing row of {broken[2]}")


def _refusal(file: Path, problem: str) -> BadInput:
    return BadInput(file.name, problem, FIX)


def run_names(database: Path) -> list[str]:
    """The ids of the runs that any row of a database is about."""
    found: set[str] = set()
    with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        for table in _tables(connection):
            column = "id" if table.name == "run" else "run_id"
            if column in table.columns:
                found |= {str(name) for (name,) in connection.execute(f'SELECT DISTINCT {column} FROM "{table.name}"')}
    return sorted(found)
