"""A history for long runs: no join in it grows as the square of the rounds.

A migration is frozen once it is released: it imports nothing of `evolve`, whose tables go on changing.
"""

from pathlib import Path

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _make_view("0012_history.sql")


def downgrade() -> None:
    _make_view("0009_history.sql")


def _make_view(file: str) -> None:
    op.execute("DROP VIEW IF EXISTS history")
    op.execute(Path(__file__).with_name(file).read_text(encoding="utf-8"))
