"""Faults of infrastructure errors, repeated calls, excluded tasks, sessions, and spending without a row.

A migration is frozen once it is released: it imports nothing of `evolve`, whose tables go on changing.
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

FAULTS = "'', 'endpoint', 'account', 'engine', 'disk', 'cap', 'other'"
ASKING = ("proposal", "lesson", "trial")
SPENT = ("calls", "prompt_tokens", "completion_tokens", "cost_usd")


def upgrade() -> None:
    op.execute("ALTER TABLE task ADD COLUMN set_aside TEXT")
    fault = f"DEFAULT '' NOT NULL CONSTRAINT ck_trial_fault CHECK (fault IN ({FAULTS}))"
    op.execute(f"ALTER TABLE trial ADD COLUMN fault TEXT {fault}")
    double = sa.Double().compile(op.get_bind().dialect)
    for table in ASKING:
        check = f"CONSTRAINT ck_{table}_tried_again CHECK (retries >= 0 AND lost_seconds >= 0)"
        op.execute(f"ALTER TABLE {table} ADD COLUMN retries INTEGER DEFAULT 0 NOT NULL")
        op.execute(f"ALTER TABLE {table} ADD COLUMN lost_seconds {double} DEFAULT 0 NOT NULL {check}")
    _make_session()
    _make_loss()
    _make_views("0006_cost.sql", "0006_trials.sql")


def downgrade() -> None:
    _make_views("0005_cost.sql", "0002_trials.sql")
    op.drop_table("loss")
    op.drop_table("session")
    for table in ASKING:
        op.execute(f"ALTER TABLE {table} DROP COLUMN lost_seconds")
        op.execute(f"ALTER TABLE {table} DROP COLUMN retries")
    op.execute("ALTER TABLE trial DROP COLUMN fault")
    op.execute("ALTER TABLE task DROP COLUMN set_aside")


def _make_session() -> None:
    op.create_table(
        "session",
        *_key("session"),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("started_at", "evolve_version", "host")),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("caps", sa.Text, nullable=False),
        sa.UniqueConstraint("run_id", "id", name=op.f("uq_session_run_id_id")),
        _utc("session", "started_at"),
    )


def _make_loss() -> None:
    op.create_table(
        "loss",
        *_key("loss"),
        sa.Column("session_id", sa.Integer, nullable=False),
        sa.Column("what", sa.Text, nullable=False),
        *(sa.Column(name, sa.Integer, nullable=False) for name in SPENT[:3]),
        sa.Column("cost_usd", sa.Double, nullable=False),
        sa.Column("noticed_at", sa.Text, nullable=False),
        sa.UniqueConstraint("session_id", "what", name=op.f("uq_loss_session_id_what")),
        sa.ForeignKeyConstraint(
            ["run_id", "session_id"], ["session.run_id", "session.id"], name=op.f("fk_loss_run_id_session_id")
        ),
        sa.CheckConstraint(" AND ".join(f"{column} >= 0" for column in SPENT), name=op.f("ck_loss_not_negative")),
        _utc("loss", "noticed_at"),
    )


def _key(table: str) -> list[sa.Column[int] | sa.Column[str] | sa.ForeignKeyConstraint | sa.PrimaryKeyConstraint]:
    return [
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f(f"fk_{table}_run_id")),
    ]


def _utc(table: str, column: str) -> sa.CheckConstraint:
    rule = (
        f"substr({column}, 1, 19) LIKE '____-__-__T__:__:__' AND (substr({column}, length({column}), 1) = 'Z' OR "
        f"substr({column}, length({column}) - 5) = '+00:00')"
    )
    return sa.CheckConstraint(rule, name=op.f(f"ck_{table}_{column}_utc"))


def _make_views(*files: str) -> None:
    for file in files:
        name = file.partition("_")[2].removesuffix(".sql")
        op.execute(f"DROP VIEW IF EXISTS {name}")
        op.execute(Path(__file__).with_name(file).read_text(encoding="utf-8"))
