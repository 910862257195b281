"""Which limit of a container a trial met, and whether its verifier had a container of its own.

A migration is frozen once it is released: it imports nothing of `evolve`, whose tables go on changing.
"""

from pathlib import Path

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Written out, since SQLite takes a check along with a new column only in this form.
COLUMNS = {
    "cause": "DEFAULT '' NOT NULL CONSTRAINT ck_trial_cause CHECK (cause IN ('', 'oom', 'pids'))",
    "verifier": "DEFAULT 'isolated' NOT NULL CONSTRAINT ck_trial_verifier CHECK (verifier IN ('isolated', 'live'))",
}


def upgrade() -> None:
    for name, rest in COLUMNS.items():
        op.execute(f"ALTER TABLE trial ADD COLUMN {name} TEXT {rest}")
    _replace_view("0002_trials.sql")


def downgrade() -> None:
    _replace_view("0001_trials.sql")
    for name in COLUMNS:
        op.execute(f"ALTER TABLE trial DROP COLUMN {name}")


def _replace_view(file: str) -> None:
    op.execute("DROP VIEW trials")
    op.execute(Path(__file__).with_name(file).read_text(encoding="utf-8"))
