"""Open the database: connection settings and migrations."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from evolve.core.errors import BadInput, DiskFull, InfraError
from evolve.core.plausible import PlausibleSum
from evolve.host import disk

BUSY_TIMEOUT_MS = 60_000
_SETTINGS = (
    f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
)
_VERSIONS = Path(__file__).with_name("migrations") / "versions"


def database_url(where: str | Path) -> URL:
    """Return the URL of a database: a path is a SQLite file, anything with `://` a URL.

    Raises:
        BadInput: The URL can't be parsed.
    """
    if isinstance(where, Path) or "://" not in where:
        return URL.create("sqlite", database=str(where))
    try:
        return make_url(where)
    except ArgumentError as problem:
        # The message does not quote the URL, which may contain a password.
        raise BadInput("database URL", "can't be parsed", "write it like postgresql://user@host/name") from problem


def open_engine(url: URL) -> Engine:
    """Open a database and migrate it to the newest schema.

    Raises:
        BadInput: It is not a database, or a newer one.
        InfraError: It can't be reached or written.
    """
    engine = _engine(url)
    try:
        _migrate(engine)
    except DBAPIError as problem:
        engine.dispose()
        raise _open_error(problem, url) from problem
    except BadInput:
        engine.dispose()
        raise
    return engine


def describe_url(url: URL) -> str:
    """Return the file's path, or the URL without its password, for messages."""
    return str(url.database) if url.get_backend_name() == "sqlite" else url.render_as_string()


def write_engine(engine: Engine) -> Engine:
    """Return the same engine and pool with transactions that wait for SQLite's write lock when they begin.

    A transaction that reads first and takes the lock later fails at once if another one wrote in between.
    """
    return engine.execution_options(takes_write_lock=True)


def _engine(url: URL) -> Engine:
    try:
        engine = create_engine(url)
    except (NoSuchModuleError, ModuleNotFoundError) as problem:
        raise BadInput(
            describe_url(url), f"its driver is missing: {problem}", "install it, for example `pip install psycopg`"
        ) from problem
    if engine.dialect.name == "sqlite":
        folder = Path(str(url.database)).parent
        with disk.convert_os_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        event.listen(engine, "connect", _set_up)
        event.listen(engine, "begin", _begin)
    return engine


def _set_up(connection: Any, _record: object) -> None:
    # Python's driver would begin transactions itself, but not for DDL: `_begin` does it instead.
    connection.isolation_level = None
    # Bytes that are no UTF-8 would make a whole table unreadable.
    connection.text_factory = functools.partial(str, encoding="utf-8", errors="replace")
    connection.create_aggregate("sum", 1, PlausibleSum)
    cursor = connection.cursor()
    for setting in _SETTINGS:
        cursor.execute(setting)
    cursor.close()


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("takes_write_lock", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def newest_schema() -> str:
    """Return the schema revision of this version."""
    return max(_revisions())


def make_schema(file: Path, revision: str) -> None:
    """Make a new SQLite file with the tables and views of a revision.

    Raises:
        BadInput: This version does not know the revision.
    """
    if revision not in _revisions():
        raise BadInput(str(file), f"a newer evolve wrote it (schema {revision!r})", "update evolve")
    engine = _engine(database_url(file))
    try:
        _upgrade(engine, revision)
    finally:
        engine.dispose()


def _revisions() -> set[str]:
    """The revisions that this version knows: each is the beginning of its file's name."""
    return {file.name.partition("_")[0] for file in _VERSIONS.glob("*.py")}


def _migrate(engine: Engine) -> None:
    """Upgrade the schema if needed. Checks without a lock first, so that a reader never waits for the writer."""
    with engine.connect() as connection:
        current = _schema_of(connection)
        foreign = not current and engine.dialect.name == "sqlite" and inspect(connection).get_table_names()
    if current == {newest_schema()}:
        return
    if foreign:
        raise BadInput(describe_url(engine.url), "is a database of another program", "use another file")
    if not current <= _revisions():
        raise BadInput(
            describe_url(engine.url), "a newer evolve wrote this database", "update evolve, or use another file"
        )
    _upgrade(engine)


def _schema_of(connection: Connection) -> set[str]:
    """The revision of a database's schema; none if it is empty."""
    if not inspect(connection).has_table("alembic_version"):
        return set()
    return set(connection.execute(text("SELECT version_num FROM alembic_version")).scalars())


def _upgrade(engine: Engine, revision: str = "head") -> None:
    # Alembic takes as long to import as most commands take to read.
    from evolve.store.upgrading import upgrade_schema

    with write_engine(engine).begin() as connection:
        upgrade_schema(connection, revision)


def _open_error(problem: DBAPIError, url: URL) -> BadInput | InfraError:
    if "not a database" in str(problem.orig):
        return BadInput(describe_url(url), "is not a SQLite database", "use another file")
    error = database_error(problem, url)
    if isinstance(error, DiskFull):
        return error
    if _is_forbidden(url):
        words = f"can't be opened: {driver_message(problem)}"
        return BadInput(describe_url(url), words, "give this user the right to write it and its folder")
    return InfraError(f"{describe_url(url)}: can't be opened: {driver_message(problem)}")


def _is_forbidden(url: URL) -> bool:
    """Whether this user may not write a database, or the folder in which SQLite keeps its log."""
    file = Path(str(url.database))
    places = [place for place in (file, file.parent) if place.exists()]
    return url.get_backend_name() == "sqlite" and not all(os.access(place, os.W_OK) for place in places)


def database_error(problem: DBAPIError, url: URL) -> InfraError:
    """Return our own error for a database that can't be read or written."""
    message = driver_message(problem)
    if url.get_backend_name() != "sqlite":
        kind = DiskFull if disk.mentions_full_disk(message) else InfraError
        return kind(f"{describe_url(url)}: {message}")
    return disk.sqlite_error(Path(str(url.database)), message)


def driver_message(problem: DBAPIError) -> str:
    """Return the first line of the driver's message: PostgreSQL adds details after it."""
    return str(problem.orig).partition("\n")[0]
