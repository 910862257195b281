"""Rounds that judge an unchanged copy of the tip, and the verdicts that these would have got.

A migration is frozen once it is released: it imports nothing of `evolve`, whose tables go on changing.
"""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

NULL_COPY = "CONSTRAINT ck_proposal_null_copy CHECK (null_copy IN (0, 1))"
WOULD_BE = "CONSTRAINT ck_decision_would_be CHECK (would_be IN ('keep', 'stack', 'revert'))"


def upgrade() -> None:
    op.execute(f"ALTER TABLE proposal ADD COLUMN null_copy INTEGER DEFAULT 0 NOT NULL {NULL_COPY}")
    op.execute(f"ALTER TABLE decision ADD COLUMN would_be TEXT {WOULD_BE}")


def downgrade() -> None:
    """A null copy counts as a reverted patch; the older schema knows no better."""
    op.execute("ALTER TABLE decision DROP COLUMN would_be")
    op.execute("ALTER TABLE proposal DROP COLUMN null_copy")
