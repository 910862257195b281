"""Trials that could not be graded: a fault of its own, failed gradings, kept states and further gradings of them.

A migration is frozen once it is released: it imports nothing of `evolve`, whose tables go on changing.
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# The values before and after, by column of `trial`.
VALUES = {
    "fault": (
        "'', 'endpoint', 'account', 'engine', 'disk', 'cap', 'other'",
        "'', 'endpoint', 'account', 'engine', 'disk', 'cap', 'grader', 'other'",
    ),
    "verifier": ("'isolated', 'live'", "'isolated', 'live', 'shared'"),
}
STATE = "(state_path IS NULL) = (state_sha256 IS NULL) AND (state_path IS NULL OR fault = 'grader')"
UTC = (
    "substr(graded_at, 1, 19) LIKE '____-__-__T__:__:__' AND (substr(graded_at, length(graded_at), 1) = 'Z' "
    "OR substr(graded_at, length(graded_at) - 5) = '+00:00')"
)


def upgrade() -> None:
    for column, (before, after) in VALUES.items():
        _replace_check(column, before, after)
    check = "CONSTRAINT ck_trial_failed_gradings CHECK (failed_gradings >= 0)"
    op.execute(f"ALTER TABLE trial ADD COLUMN failed_gradings INTEGER DEFAULT 0 NOT NULL {check}")
    op.execute("ALTER TABLE trial ADD COLUMN state_path TEXT")
    op.execute(f"ALTER TABLE trial ADD COLUMN state_sha256 TEXT CONSTRAINT ck_trial_state CHECK ({STATE})")
    _make_regrade()
    _make_views("0009_history.sql", "0009_trials.sql")


def downgrade() -> None:
    """What the older schema doesn't know becomes what comes closest."""
    _make_views("0005_history.sql", "0007_trials.sql")
    op.drop_table("regrade")
    for column in ("state_sha256", "state_path", "failed_gradings"):
        op.execute(f"ALTER TABLE trial DROP COLUMN {column}")
    op.execute("UPDATE trial SET fault = 'other' WHERE fault = 'grader'")
    op.execute("UPDATE trial SET verifier = 'live' WHERE verifier = 'shared'")
    for column, (before, after) in VALUES.items():
        _replace_check(column, after, before)


def _replace_check(column: str, old: str, new: str) -> None:
    """Allow other values in a column of `trial`.

    SQLite can't alter a check; a copy of the table would break its references. So the table's text is edited, as
    https://sqlite.org/lang_altertable.html#otheralter describes for changes that leave the stored rows as they are.
    """
    name, rule = f"ck_trial_{column}", f"{column} IN ({new})"
    if op.get_bind().dialect.name != "sqlite":
        op.execute(f"ALTER TABLE trial DROP CONSTRAINT {name}")
        op.execute(f"ALTER TABLE trial ADD CONSTRAINT {name} CHECK ({rule})")
        return
    edit = sa.text("UPDATE sqlite_master SET sql = replace(sql, :old, :new) WHERE type = 'table' AND name = 'trial'")
    op.execute("PRAGMA writable_schema = ON")
    op.execute(edit.bindparams(old=f"{column} IN ({old})", new=rule))
    op.execute("PRAGMA writable_schema = RESET")


def _make_regrade() -> None:
    op.create_table(
        "regrade",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("trial_id", sa.Integer, nullable=False),
        sa.Column("graded_at", sa.Text, nullable=False),
        sa.Column("seconds", sa.Double, nullable=False),
        sa.Column("reward", sa.Double),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("why", "detail")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_regrade")),
        sa.ForeignKeyConstraint(["trial_id"], ["trial.id"], name=op.f("fk_regrade_trial_id")),
        _check("reward_range", "reward >= 0 AND reward <= 1"),
        _check("reward_or_why", "(reward IS NULL) = (why <> '')"),
        _check("not_negative", "seconds >= 0"),
        _check("graded_at_utc", UTC),
    )
    op.create_index("ix_regrade_run_id", "regrade", ["run_id"])


def _check(name: str, rule: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(rule, name=op.f(f"ck_regrade_{name}"))


def _make_views(*files: str) -> None:
    for file in files:
        name = file.partition("_")[2].removesuffix(".sql")
        op.execute(f"DROP VIEW IF EXISTS {name}")
        op.execute(Path(__file__).with_name(file).read_text(encoding="utf-8"))
