"""What long runs need: indexes for lineage and failed trials, and a history without a join that grows as a square.

A migration is frozen once it is released: it imports nothing of `evolve`, whose tables go on changing.
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0011"
branch_labels = None
depends_on = None

FAILED = sa.text("outcome = 'infra_error'")


def upgrade() -> None:
    op.create_index("ix_candidate_parent_id", "candidate", ["parent_id"])
    op.create_index("ix_trial_failed", "trial", ["run_id"], sqlite_where=FAILED, postgresql_where=FAILED)
    _make_view("0013_history.sql")


def downgrade() -> None:
    _make_view("0009_history.sql")
    op.drop_index("ix_trial_failed", "trial")
    op.drop_index("ix_candidate_parent_id", "candidate")


def _make_view(file: str) -> None:
    op.execute("DROP VIEW IF EXISTS history")
    op.execute(Path(__file__).with_name(file).read_text(encoding="utf-8"))
