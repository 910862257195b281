"""How much of a trial's calls were answers of its parent's trial on the same attempt.

A migration is frozen once it is released: it imports nothing of `evolve`, whose tables go on changing.
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

# The rule of each column.
COLUMNS = {
    "reuse": "reuse IN (0, 1)",
    "reused_calls": "reused_calls >= 0 AND (reused_calls = 0 OR reuse = 1)",
    "reused_prompt_tokens": "reused_prompt_tokens >= 0",
    "reused_completion_tokens": "reused_completion_tokens >= 0",
    "reused_cost_usd": "reused_cost_usd >= 0",
}


def upgrade() -> None:
    double = sa.Double().compile(op.get_bind().dialect)
    for name, rule in COLUMNS.items():
        kind = double if name.endswith("usd") else "INTEGER"
        check = f"CONSTRAINT ck_trial_{name} CHECK ({rule})"
        op.execute(f"ALTER TABLE trial ADD COLUMN {name} {kind} DEFAULT 0 NOT NULL {check}")
    _make_views("0015_cost.sql", "0015_history.sql", "0015_trials.sql")


def downgrade() -> None:
    """An older version counts what was taken over as if it had been paid for."""
    _make_views("0011_cost.sql", "0012_history.sql", "0010_trials.sql")
    for name in reversed(COLUMNS):
        op.execute(f"ALTER TABLE trial DROP COLUMN {name}")


def _make_views(*files: str) -> None:
    for file in files:
        op.execute(f"DROP VIEW IF EXISTS {file.partition('_')[2].removesuffix('.sql')}")
        op.execute(Path(__file__).with_name(file).read_text(encoding="utf-8"))
