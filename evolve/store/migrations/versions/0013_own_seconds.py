"""How long the scaffold of a trial ran without a call of the model in progress.

A migration is frozen once it is released: it imports nothing of `evolve`, whose tables go on changing.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("trial", sa.Column("own_seconds", sa.Double))


def downgrade() -> None:
    op.execute("ALTER TABLE trial DROP COLUMN own_seconds")
