"""Opens the database: the connection's settings, and the migrations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic.command import upgrade
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from evolve.core.errors import BadInput, DiskFull, InfraError
from evolve.host import disk

BUSY_TIMEOUT_MS = 60_000
_SETTINGS = (
    f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
)
_MIGRATIONS = Path(__file__).with_name("migrations")


def database_url(where: str | Path) -> URL:
    """A path is a SQLite file; anything with `://` is a URL. Raises BadInput for a URL that can't be read."""
    if isinstance(where, Path) or "://" not in where:
        return URL.create("sqlite", database=str(where))
    try:
        return make_url(where)
    except ArgumentError as problem:
        # The text is not repeated: it may hold a password.
        raise BadInput("the database URL", "can't be read", "write it as postgresql://user@host/name") from problem


def open_engine(url: URL) -> Engine:
    """An engine whose database has the newest schema.

    Raises BadInput where there is no such database, and InfraError where it can't be reached or written.
    """
    engine = _engine(url)
    try:
        _migrate(engine)
    except DBAPIError as problem:
        engine.dispose()
        raise _told(problem, url) from problem
    except BadInput:
        engine.dispose()
        raise
    return engine


def describe_url(url: URL) -> str:
    """For messages: the file's path, or the URL without its password."""
    return str(url.database) if url.get_backend_name() == "sqlite" else url.render_as_string()


def write_engine(engine: Engine) -> Engine:
    """The same engine and pool, whose transactions wait in line for SQLite's write lock when they begin.

    A transaction that reads first and takes the lock later fails at once where another one wrote in between.
    """
    return engine.execution_options(takes_write_lock=True)


def _engine(url: URL) -> Engine:
    try:
        engine = create_engine(url)
    except (NoSuchModuleError, ModuleNotFoundError) as problem:
        raise BadInput(
            describe_url(url), f"no driver: {problem}", "install it, for example `pip install psycopg`"
        ) from problem
    if engine.dialect.name == "sqlite":
        folder = Path(str(url.database)).parent
        with disk.told(folder):
            folder.mkdir(parents=True, exist_ok=True)
        event.listen(engine, "connect", _set_up)
        event.listen(engine, "begin", _begin)
    return engine


def _set_up(connection: Any, _record: object) -> None:
    # Python's driver would begin transactions by itself, and none for DDL: `_begin` does it instead.
    connection.isolation_level = None
    cursor = connection.cursor()
    for setting in _SETTINGS:
        cursor.execute(setting)
    cursor.close()


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("takes_write_lock", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def newest_schema() -> str:
    """The revision that this version works with."""
    return ",".join(sorted(ScriptDirectory.from_config(_alembic()).get_heads()))


def _alembic() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config


def _migrate(engine: Engine) -> None:
    """Looks first without a lock: a reader never waits for the writer."""
    config = _alembic()
    script = ScriptDirectory.from_config(config)
    with engine.connect() as connection:
        found = set(MigrationContext.configure(connection).get_current_heads())
    if found == set(script.get_heads()):
        return
    if not found <= {revision.revision for revision in script.walk_revisions()}:
        raise BadInput(
            describe_url(engine.url), "a newer evolve wrote this database", "update evolve, or use another file"
        )
    with write_engine(engine).begin() as connection:
        config.attributes["connection"] = connection
        upgrade(config, "head")


def _told(problem: DBAPIError, url: URL) -> BadInput | InfraError:
    if "not a database" in str(problem.orig):
        return BadInput(describe_url(url), "is not a SQLite database", "name another file")
    found = database_error(problem, url)
    return (
        found
        if isinstance(found, DiskFull)
        else InfraError(f"{describe_url(url)}: can't be opened: {first_line(problem)}")
    )


def database_error(problem: DBAPIError, url: URL) -> InfraError:
    """What it means that a database can't be read or written."""
    words = first_line(problem)
    if url.get_backend_name() != "sqlite":
        kind = DiskFull if disk.says_no_room(words) else InfraError
        return kind(f"{describe_url(url)}: {words}")
    return disk.sqlite_failure(Path(str(url.database)), words)


def first_line(problem: DBAPIError) -> str:
    """PostgreSQL's messages go on with details."""
    return str(problem.orig).partition("\n")[0]
