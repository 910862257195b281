"""Patches that are stacked before the champion moves, the evidence of each decision, and patches left out.

A migration is frozen once it is released: it imports nothing of `evolve`, whose tables go on changing.
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ABLATES = "CONSTRAINT ck_proposal_ablates CHECK (ablates > 0 AND ablates < round)"
OLD = ("run_id", "round", "verdict", "reason", "decided_at")
UTC = (
    "substr(decided_at, 1, 19) LIKE '____-__-__T__:__:__' AND (substr(decided_at, length(decided_at), 1) = 'Z' OR "
    "substr(decided_at, length(decided_at) - 5) = '+00:00')"
)


def upgrade() -> None:
    op.execute(f"ALTER TABLE proposal ADD COLUMN ablates INTEGER {ABLATES}")
    _made_anew("'baseline', 'keep', 'stack', 'revert', 'refused'", new_columns(), new_checks())
    _make_views("0003_history.sql")


def downgrade() -> None:
    """What was stacked counts as reverted; the older schema knows no better."""
    _made_anew("'baseline', 'keep', 'revert', 'refused'", [], [])
    _make_views("0001_history.sql")
    op.execute("ALTER TABLE proposal DROP COLUMN ablates")


def new_columns() -> list[sa.Column[str] | sa.Column[float]]:
    fate = sa.Column("fate", sa.Text, nullable=False, server_default=sa.text("'open'"))
    return [fate, *(sa.Column(name, sa.Double, nullable=True) for name in ("effect", "error", "doubt"))]


def new_checks() -> list[sa.CheckConstraint]:
    whole = "(effect IS NULL) = (error IS NULL) AND (effect IS NULL) = (doubt IS NULL)"
    return [
        _check("fate", "fate IN ('open', 'promoted', 'given_up')"),
        _check("fate_of_revert", "fate = 'open' OR verdict = 'revert'"),
        _check("evidence_whole", whole),
        _check("evidence_range", "error >= 0 AND doubt >= 0 AND doubt <= 1"),
    ]


def _made_anew(
    verdicts: str, columns: list[sa.Column[str] | sa.Column[float]], checks: list[sa.CheckConstraint]
) -> None:
    """The table with its rows copied: SQLite can't change a check."""
    for view in ("history", "lineage"):
        op.execute(f"DROP VIEW {view}")
    rows = op.get_bind().execute(sa.text(f"SELECT {', '.join(OLD)} FROM decision")).mappings().all()
    op.drop_table("decision")
    table = op.create_table(
        "decision",
        *(sa.Column(name, sa.Text, nullable=False) for name in OLD[:1]),
        sa.Column("round", sa.Integer, autoincrement=False, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in OLD[2:]),
        *columns,
        sa.ForeignKeyConstraint(
            ["run_id", "round"], ["round.run_id", "round.number"], name=op.f("fk_decision_run_id_round")
        ),
        _check("verdict", f"verdict IN ({verdicts})"),
        _check("baseline", "(round = 0) = (verdict = 'baseline')"),
        *checks,
        _check("decided_at_utc", UTC),
        sa.PrimaryKeyConstraint("run_id", "round", name=op.f("pk_decision")),
    )
    known = {word.strip(" '") for word in verdicts.split(",")}
    kept = [{**row, "verdict": row["verdict"] if row["verdict"] in known else "revert"} for row in rows]
    if kept:
        op.bulk_insert(table, kept)


def _check(name: str, rule: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(rule, name=op.f(f"ck_decision_{name}"))


def _make_views(history: str) -> None:
    for file in (history, "0001_lineage.sql"):
        op.execute(Path(__file__).with_name(file).read_text(encoding="utf-8"))
