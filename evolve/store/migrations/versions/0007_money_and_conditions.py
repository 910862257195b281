"""Cached tokens, the conditions of each trial, and the checks of endpoints before a run.

A migration is frozen once it is released: it imports nothing of `evolve`, whose tables go on changing.
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

PAID = ("trial", "proposal", "lesson", "loss")
CACHED = ("cached_tokens", "cache_write_tokens")
COUNTS = ("calls", "prompt_tokens", "completion_tokens")


def upgrade() -> None:
    for table in PAID:
        check = f"CONSTRAINT ck_{table}_cached CHECK (cached_tokens >= 0 AND cache_write_tokens >= 0)"
        op.execute(f"ALTER TABLE {table} ADD COLUMN cached_tokens INTEGER DEFAULT 0 NOT NULL")
        op.execute(f"ALTER TABLE {table} ADD COLUMN cache_write_tokens INTEGER DEFAULT 0 NOT NULL {check}")
    _make_trial_condition()
    _make_preflight()
    _make_views("0007_cost.sql", "0007_trials.sql")


def downgrade() -> None:
    _make_views("0006_cost.sql", "0006_trials.sql")
    op.drop_table("preflight")
    op.drop_table("trial_condition")
    for table in PAID:
        op.execute(f"ALTER TABLE {table} DROP COLUMN cache_write_tokens")
        op.execute(f"ALTER TABLE {table} DROP COLUMN cached_tokens")


def _make_trial_condition() -> None:
    texts = ("endpoint_models", "fingerprints", "base_image", "task_image")
    op.create_table(
        "trial_condition",
        sa.Column("trial_id", sa.Integer, nullable=False, autoincrement=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in texts),
        sa.Column("concurrency", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("trial_id", name=op.f("pk_trial_condition")),
        sa.ForeignKeyConstraint(["trial_id"], ["trial.id"], name=op.f("fk_trial_condition_trial_id")),
        sa.CheckConstraint("concurrency >= 1", name=op.f("ck_trial_condition_concurrency")),
    )


def _make_preflight() -> None:
    zero = sa.text("0")
    op.create_table(
        "preflight",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("session_id", sa.Integer, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("checked_at", "role", "model")),
        sa.Column("base_url", sa.Text),
        sa.Column("report", sa.Text, nullable=False),
        *(sa.Column(name, sa.Integer, nullable=False) for name in COUNTS),
        sa.Column("cost_usd", sa.Double, nullable=False),
        *(sa.Column(name, sa.Integer, nullable=False, server_default=zero) for name in CACHED),
        sa.Column("retries", sa.Integer, nullable=False, server_default=zero),
        sa.Column("lost_seconds", sa.Double, nullable=False, server_default=zero),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_preflight")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_preflight_run_id")),
        sa.ForeignKeyConstraint(
            ["run_id", "session_id"], ["session.run_id", "session.id"], name=op.f("fk_preflight_run_id_session_id")
        ),
        *(sa.CheckConstraint(rule, name=op.f(f"ck_preflight_{name}")) for name, rule in _preflight_checks().items()),
    )


def _preflight_checks() -> dict[str, str]:
    return {
        "role": "role IN ('scaffold', 'proposer')",
        "not_negative": " AND ".join(f"{column} >= 0" for column in (*COUNTS, "cost_usd")),
        "cached": "cached_tokens >= 0 AND cache_write_tokens >= 0",
        "tried_again": "retries >= 0 AND lost_seconds >= 0",
        "checked_at_utc": (
            "substr(checked_at, 1, 19) LIKE '____-__-__T__:__:__' AND (substr(checked_at, length(checked_at), 1) = 'Z' "
            "OR substr(checked_at, length(checked_at) - 5) = '+00:00')"
        ),
    }


def _make_views(*files: str) -> None:
    for file in files:
        name = file.partition("_")[2].removesuffix(".sql")
        op.execute(f"DROP VIEW IF EXISTS {name}")
        op.execute(Path(__file__).with_name(file).read_text(encoding="utf-8"))
