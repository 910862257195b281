"""What the tests of trials ask a model, whether a regraded state passed by its task's scale, and all models' checks.

A migration is frozen once it is released: it imports nothing of `evolve`, whose tables go on changing.
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

ZERO = sa.text("0")
ROLES = "'scaffold', 'proposer'"
ALL_ROLES = "'scaffold', 'proposer', 'small', 'grader'"


def upgrade() -> None:
    _replace_roles(ROLES, ALL_ROLES)
    op.execute("ALTER TABLE regrade ADD COLUMN passed INTEGER")
    op.create_table(
        "grading",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("trial_id", sa.Integer, nullable=False),
        sa.Column("regrade_id", sa.Integer),
        sa.Column("model", sa.Text, nullable=False),
        *(sa.Column(name, sa.Integer, nullable=False) for name in ("calls", "prompt_tokens", "completion_tokens")),
        sa.Column("cost_usd", sa.Double, nullable=False),
        sa.Column("cached_tokens", sa.Integer, nullable=False, server_default=ZERO),
        sa.Column("cache_write_tokens", sa.Integer, nullable=False, server_default=ZERO),
        sa.Column("retries", sa.Integer, nullable=False, server_default=ZERO),
        sa.Column("lost_seconds", sa.Double, nullable=False, server_default=ZERO),
        sa.Column("recording_path", sa.Text),
        sa.Column("recording_sha256", sa.Text),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grading")),
        sa.ForeignKeyConstraint(["trial_id"], ["trial.id"], name=op.f("fk_grading_trial_id")),
        sa.ForeignKeyConstraint(["regrade_id"], ["regrade.id"], name=op.f("fk_grading_regrade_id")),
        _check("cached", "cached_tokens >= 0 AND cache_write_tokens >= 0"),
        _check("tried_again", "retries >= 0 AND lost_seconds >= 0"),
        _check("recording_whole", "(recording_path IS NULL) = (recording_sha256 IS NULL)"),
        _check("not_negative", "calls >= 0 AND prompt_tokens >= 0 AND completion_tokens >= 0 AND cost_usd >= 0"),
    )
    for column in ("run_id", "trial_id"):
        op.create_index(f"ix_grading_{column}", "grading", [column])
    _make_view("0011_cost.sql")


def downgrade() -> None:
    _make_view("0007_cost.sql")
    op.drop_table("grading")
    op.execute("ALTER TABLE regrade DROP COLUMN passed")
    op.execute("UPDATE preflight SET role = 'scaffold' WHERE role IN ('small', 'grader')")
    _replace_roles(ALL_ROLES, ROLES)


def _replace_roles(old: str, new: str) -> None:
    """Allow other roles of checked models; in SQLite by an edit of the table's text, as in 0009."""
    if op.get_bind().dialect.name != "sqlite":
        op.execute("ALTER TABLE preflight DROP CONSTRAINT ck_preflight_role")
        op.execute(f"ALTER TABLE preflight ADD CONSTRAINT ck_preflight_role CHECK (role IN ({new}))")
        return
    edit = sa.text(
        "UPDATE sqlite_master SET sql = replace(sql, :old, :new) WHERE type = 'table' AND name = 'preflight'"
    )
    op.execute("PRAGMA writable_schema = ON")
    op.execute(edit.bindparams(old=f"role IN ({old})", new=f"role IN ({new})"))
    op.execute("PRAGMA writable_schema = RESET")


def _check(name: str, rule: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(rule, name=op.f(f"ck_grading_{name}"))


def _make_view(file: str) -> None:
    op.execute("DROP VIEW IF EXISTS cost")
    op.execute(Path(__file__).with_name(file).read_text(encoding="utf-8"))
