"""Apply the migrations. Only a database whose schema changes needs Alembic."""

from __future__ import annotations

from pathlib import Path

from alembic.command import upgrade
from alembic.config import Config
from sqlalchemy import Connection

MIGRATIONS = Path(__file__).with_name("migrations")


def alembic_config() -> Config:
    """Alembic's configuration, without a connection."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


def upgrade_schema(connection: Connection, revision: str = "head") -> None:
    """Bring the schema to a revision, by default the newest, in the connection's transaction."""
    config = alembic_config()
    config.attributes["connection"] = connection
    upgrade(config, revision)
