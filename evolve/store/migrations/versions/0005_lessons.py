"""Lessons of rounds, the tasks that a proposal predicts to fix or break, and the proposer's conversation.

A migration is frozen once it is released: it imports nothing of `evolve`, whose tables go on changing.
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

WHOLE = "CONSTRAINT ck_proposal_transcript_whole CHECK ((transcript_path IS NULL) = (transcript_sha256 IS NULL))"
UTC = (
    "substr(created_at, 1, 19) LIKE '____-__-__T__:__:__' AND (substr(created_at, length(created_at), 1) = 'Z' OR "
    "substr(created_at, length(created_at) - 5) = '+00:00')"
)
SPENT = ("calls", "prompt_tokens", "completion_tokens", "cost_usd")


def upgrade() -> None:
    op.execute("ALTER TABLE proposal ADD COLUMN transcript_path TEXT")
    op.execute(f"ALTER TABLE proposal ADD COLUMN transcript_sha256 TEXT {WHOLE}")
    _make_prediction()
    _make_lesson()
    _make_views("0005_history.sql", "0005_cost.sql", "0005_predictions.sql")


def downgrade() -> None:
    op.execute("DROP VIEW predictions")
    _make_views("0003_history.sql", "0001_cost.sql")
    op.drop_table("lesson")
    op.drop_table("prediction")
    op.execute("ALTER TABLE proposal DROP COLUMN transcript_sha256")
    op.execute("ALTER TABLE proposal DROP COLUMN transcript_path")


def _make_prediction() -> None:
    op.create_table(
        "prediction",
        *_key("prediction"),
        sa.Column("task", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id", "task"], ["task.run_id", "task.name"], name=op.f("fk_prediction_run_id_task")
        ),
        sa.CheckConstraint("kind IN ('fix', 'break')", name=op.f("ck_prediction_kind")),
        sa.PrimaryKeyConstraint("run_id", "round", "task", "kind", name=op.f("pk_prediction")),
    )


def _make_lesson() -> None:
    op.create_table(
        "lesson",
        *_key("lesson"),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("text", "problem", "prompt_sha256", "model")),
        *(sa.Column(name, sa.Integer, nullable=False) for name in SPENT[:3]),
        sa.Column("cost_usd", sa.Double, nullable=False),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.CheckConstraint(" AND ".join(f"{column} >= 0" for column in SPENT), name=op.f("ck_lesson_not_negative")),
        sa.CheckConstraint(UTC, name=op.f("ck_lesson_created_at_utc")),
        sa.PrimaryKeyConstraint("run_id", "round", name=op.f("pk_lesson")),
    )


def _key(table: str) -> list[sa.Column[str] | sa.Column[int] | sa.ForeignKeyConstraint]:
    return [
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("round", sa.Integer, autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id", "round"], ["round.run_id", "round.number"], name=op.f(f"fk_{table}_run_id_round")
        ),
    ]


def _make_views(*files: str) -> None:
    for file in files:
        name = file.partition("_")[2].removesuffix(".sql")
        op.execute(f"DROP VIEW IF EXISTS {name}")
        op.execute(Path(__file__).with_name(file).read_text(encoding="utf-8"))
