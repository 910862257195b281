"""The round of its stack that a tip gave way to.

A migration is frozen once it is released: it imports nothing of `evolve`, whose tables go on changing.
"""

from pathlib import Path

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

RULE = "back_to IS NULL OR (back_to >= 1 AND back_to < round AND fate <> 'open')"


def upgrade() -> None:
    op.execute(f"ALTER TABLE decision ADD COLUMN back_to INTEGER CONSTRAINT ck_decision_back_to CHECK ({RULE})")
    _make_view("0016_history.sql")


def downgrade() -> None:
    """An older version takes such a stack as given up whole, or as promoted whole."""
    _make_view("0015_history.sql")
    op.execute("ALTER TABLE decision DROP COLUMN back_to")


def _make_view(file: str) -> None:
    op.execute("DROP VIEW IF EXISTS history")
    op.execute(Path(__file__).with_name(file).read_text(encoding="utf-8"))
