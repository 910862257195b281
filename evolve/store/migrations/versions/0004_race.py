"""Rounds that are raced against each other, and patches that are merged into what won.

A migration is frozen once it is released: it imports nothing of `evolve`, whose tables go on changing.
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

RACE = "CONSTRAINT ck_round_race CHECK (race > 0 AND race <= number)"
MERGES = "CONSTRAINT ck_proposal_merges CHECK (merges > 0 AND merges < round AND (merges IS NULL OR ablates IS NULL))"


def upgrade() -> None:
    op.execute(f"ALTER TABLE round ADD COLUMN race INTEGER {RACE}")
    op.execute(f"ALTER TABLE proposal ADD COLUMN merges INTEGER {MERGES}")


def downgrade() -> None:
    op.execute("ALTER TABLE proposal DROP COLUMN merges")
    op.execute("ALTER TABLE round DROP COLUMN race")
