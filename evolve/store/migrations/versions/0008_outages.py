"""Whether a fault of the endpoint that voided a trial was an outage, in which nobody was answered.

A migration is frozen once it is released: it imports nothing of `evolve`, whose tables go on changing.
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

CHECK = "CONSTRAINT ck_trial_outage CHECK (outage = 0 OR (outage = 1 AND fault = 'endpoint'))"


def upgrade() -> None:
    op.execute(f"ALTER TABLE trial ADD COLUMN outage INTEGER DEFAULT 0 NOT NULL {CHECK}")


def downgrade() -> None:
    op.execute("ALTER TABLE trial DROP COLUMN outage")
