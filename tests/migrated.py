"""Bring a database to another version of the schema, as an earlier or a later program would have it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from alembic.config import Config
from sqlalchemy import create_engine

from evolve.store import database

MIGRATIONS = Path(database.__file__).parent / "migrations"


def migrated(file: Path, action: Callable[..., None], revision: str) -> None:
    """Apply alembic's `upgrade` or `downgrade` to a SQLite file."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    engine = create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        action(config, revision)
    engine.dispose()
