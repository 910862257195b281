"""Whatever a database holds, the commands that read it print something sensible, or one line with exit status 2.

A real run's database is changed in ways that no version of Evolve writes on purpose, but that an earlier version, a
broken disk or a hand may have left.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evolve import cli
from evolve.core.errors import EXIT_BAD_INPUT, EXIT_BUG
from evolve.sandbox import engine

# As SQL, since Python's driver refuses to write some of them.
COUNTS = ("4611686018427387904", "-1", "'many'", "2.5", "x'00'")
AMOUNTS = ("9e999", "-0.5", "'much'", "4611686018427387904", "1e300")
TEXTS = ("CAST(x'61eda080' AS TEXT)", "'unheard of'", "'{broken'", "''", "'[1]'", "'null'", "char(0)", "7", "x'ff00'")
KINDS = {"INTEGER": COUNTS, "BIGINT": COUNTS, "DOUBLE": AMOUNTS, "TEXT": TEXTS}
COMMANDS = (
    "history", "history --json", "show 1", "show 0 --json", "show 3 --json", "lineage", "diff 1", "claim",
    "transcript 1", "doctor", "gc",
)  # fmt: skip


@dataclass(frozen=True)
class Poison:
    """A value, as SQL, in a column of one row or of all rows of a table."""

    table: str
    column: str
    value: str
    rows: str = "all"

    def apply(self, database: Path) -> None:
        where = "" if self.rows == "all" else f"WHERE rowid = (SELECT {self.rows}(rowid) FROM {self.table})"
        with sqlite3.connect(database) as db:
            db.execute("PRAGMA ignore_check_constraints = ON")
            with contextlib.suppress(sqlite3.IntegrityError):  # no database can hold this value there
                db.execute(f"UPDATE OR IGNORE {self.table} SET {self.column} = {self.value} {where}")
        db.close()


def poisons(database: Path) -> list[Poison]:
    """Every value of its kind in every column."""
    with sqlite3.connect(database) as db:
        tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        columns = [(table, *row[1:4]) for table in tables for row in db.execute(f"PRAGMA table_info({table})")]
    db.close()
    made = [
        Poison(table, column, value)
        for table, column, kind, required in columns
        if table != "alembic_version" and kind in KINDS
        for value in (*KINDS[kind], *(() if required else ("NULL",)))
    ]
    return [Poison(one.table, one.column, one.value, rows) for one in made for rows in ("all", "max")]


@contextmanager
def at_home(home: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        patch.setattr(engine, "answers", lambda: False)
        yield


def status_of(command: str) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["evolve", *command.split()])
        try:
            cli.main()
        except SystemExit as end:
            return int(end.code or 0)
    return 0


def check_commands(home: Path, capsys: pytest.CaptureFixture[str], commands: tuple[str, ...] = COMMANDS) -> None:
    """Fail if a command ends as if Evolve had a bug, or reports more than a line."""
    with at_home(home):
        for command in commands:
            status, printed = status_of(command), capsys.readouterr()
            assert status != EXIT_BUG and "Traceback" not in printed.err, f"{command}: {printed.err}"
            is_quiet = status in (0, EXIT_BAD_INPUT) and len(printed.err.splitlines()) <= 1
            assert is_quiet or command == "doctor", (command, status, printed)


@pytest.fixture(scope="module")
def home(played_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("poisoned") / "home"
    shutil.copytree(played_template, place)
    return place


def restored(home: Path, played_template: Path) -> Path:
    """The database as it was, in one file."""
    database = home / "runs" / "evolve.db"
    for file in database.parent.glob("evolve.db*"):
        file.unlink()
    shutil.copy(played_template / "runs" / "evolve.db", database)
    return database


def test_the_commands_work_on_what_is_whole(
    home: Path, played_template: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    restored(home, played_template)
    with at_home(home):
        for command in COMMANDS:
            status, printed = status_of(command), capsys.readouterr()
            assert status == 0 or command in ("claim", "doctor", "transcript 1"), (command, printed)


@pytest.mark.parametrize(
    "poison",
    [
        Poison("trial", "prompt_tokens", "4611686018427387904"),
        Poison("trial", "completion_tokens", "-1"),
        Poison("trial", "cost_usd", "9e999"),
        Poison("trial", "outcome", "'unheard of'", "max"),
        Poison("trial", "cause", "'unheard of'", "max"),
        Poison("trial", "reward", "'much'", "max"),
        Poison("trial", "detail", "CAST(x'61eda080' AS TEXT)"),
        Poison("trial", "started_at", "'{broken'", "max"),
        Poison("proposal", "edits", "'{broken'", "max"),
        Poison("proposal", "edits", "'[1]'", "max"),
        Poison("proposal", "hypothesis", "CAST(x'61eda080' AS TEXT)"),
        Poison("proposal", "cost_usd", "9e999"),
        Poison("decision", "verdict", "'unheard of'", "max"),
        Poison("decision", "effect", "'much'", "max"),
        Poison("run", "config", "'{broken'"),
        Poison("run", "config", "'[1]'"),
        Poison("run", "created_at", "'{broken'"),
        Poison("candidate", "commit_sha", "'{broken'", "max"),
        Poison("candidate", "commit_sha", "CAST(x'61eda080' AS TEXT)"),
        Poison("round", "started_at", "x'ff00'"),
        Poison("task", "split", "'unheard of'", "max"),
    ],
    ids=lambda poison: f"{poison.table}.{poison.column}={poison.value}",
)
def test_a_poisoned_row_is_no_crash(
    poison: Poison, home: Path, played_template: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    poison.apply(restored(home, played_template))
    check_commands(home, capsys)


def test_any_poisoned_rows_are_no_crash(home: Path, played_template: Path, capsys: pytest.CaptureFixture[str]) -> None:
    known = poisons(restored(home, played_template))

    @given(st.lists(st.sampled_from(known), min_size=1, max_size=3), st.sampled_from(COMMANDS))
    @settings(deadline=None, suppress_health_check=list(HealthCheck), database=None)
    def check(chosen: list[Poison], command: str) -> None:
        database = restored(home, played_template)
        for poison in chosen:
            poison.apply(database)
        check_commands(home, capsys, (command,))

    check()
