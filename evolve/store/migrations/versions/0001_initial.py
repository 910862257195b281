"""The first schema: nine tables, five views.

A migration is frozen once it is released: it imports nothing of `evolve`, whose tables go on changing.
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

VIEWS = ("history", "lineage", "task_matrix", "cost", "trials")
TABLES = ("run", "run_end", "task", "round", "candidate", "proposal", "decision", "trial", "holdout_look")
SPLITS = "split IN ('train', 'validation', 'holdout')"


def upgrade() -> None:
    create_run()
    create_round()
    create_proposal_and_decision()
    create_trial()
    create_holdout_look()
    for view in VIEWS:
        op.execute(Path(__file__).with_name(f"0001_{view}.sql").read_text(encoding="utf-8"))


def downgrade() -> None:
    for view in VIEWS:
        op.execute(f"DROP VIEW {view}")
    for table in reversed(TABLES):
        op.drop_table(table)


def texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def integers(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.Integer, nullable=False) for name in names]


def row_id() -> sa.Column[int]:
    return sa.Column("id", sa.Integer, nullable=False)


def number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, autoincrement=False, nullable=False)


def double(name: str, *, nullable: bool = False) -> sa.Column[float]:
    return sa.Column(name, sa.Double, nullable=nullable)


def maybe(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=True)


def check(table: str, name: str, rule: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(rule, name=op.f(f"ck_{table}_{name}"))


def not_negative(table: str, *columns: str) -> sa.CheckConstraint:
    return check(table, "not_negative", " AND ".join(f"{column} >= 0" for column in columns))


def utc(table: str, column: str) -> sa.CheckConstraint:
    shape = f"substr({column}, 1, 19) LIKE '____-__-__T__:__:__'"
    zulu = f"substr({column}, length({column}), 1) = 'Z'"
    offset = f"substr({column}, length({column}) - 5) = '+00:00'"
    return check(table, f"{column}_utc", f"{shape} AND ({zulu} OR {offset})")


def primary(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns, name=op.f(f"pk_{table}"))


def unique(table: str, *columns: str) -> sa.UniqueConstraint:
    return sa.UniqueConstraint(*columns, name=op.f(f"uq_{table}_{'_'.join(columns)}"))


def foreign(table: str, columns: list[str], target: str, target_columns: list[str]) -> sa.ForeignKeyConstraint:
    targets = [f"{target}.{column}" for column in target_columns]
    return sa.ForeignKeyConstraint(columns, targets, name=op.f(f"fk_{table}_{'_'.join(columns)}"))


def of_run(table: str) -> sa.ForeignKeyConstraint:
    return foreign(table, ["run_id"], "run", ["id"])


def of_round(table: str, column: str) -> sa.ForeignKeyConstraint:
    return foreign(table, ["run_id", column], "round", ["run_id", "number"])


def of_candidate(table: str, column: str) -> sa.ForeignKeyConstraint:
    return foreign(table, ["run_id", column], "candidate", ["run_id", "id"])


def create_run() -> None:
    op.create_table(
        "run",
        *texts("id", "created_at"),
        sa.Column("seed", sa.BigInteger, nullable=False),
        *texts("config", "config_sha256", "suite", "scaffold", "model"),
        maybe("base_url"),
        *texts("engine", "evolve_version", "repository"),
        maybe("base_commit"),
        utc("run", "created_at"),
        primary("run", "id"),
    )
    op.create_table(
        "run_end",
        row_id(),
        *texts("run_id", "ended_at", "reason"),
        of_run("run_end"),
        utc("run_end", "ended_at"),
        primary("run_end", "id"),
    )
    op.create_table(
        "task",
        *texts("run_id", "name", "split", "difficulty", "digest"),
        of_run("task"),
        check("task", "split", SPLITS),
        primary("task", "run_id", "name"),
    )


def create_round() -> None:
    op.create_table(
        "round",
        *texts("run_id"),
        number("number"),
        sa.Column("parent_round", sa.Integer, nullable=True),
        *texts("started_at"),
        of_run("round"),
        of_round("round", "parent_round"),
        check("round", "number", "number >= 0"),
        check("round", "root", "(number = 0) = (parent_round IS NULL)"),
        check("round", "parent_first", "parent_round < number"),
        utc("round", "started_at"),
        primary("round", "run_id", "number"),
    )
    op.create_table(
        "candidate",
        row_id(),
        *texts("run_id"),
        *integers("round"),
        *texts("commit_sha"),
        sa.Column("parent_id", sa.Integer, nullable=True),
        *texts("branch"),
        unique("candidate", "run_id", "id"),
        unique("candidate", "run_id", "round"),
        unique("candidate", "run_id", "commit_sha"),
        of_round("candidate", "round"),
        of_candidate("candidate", "parent_id"),
        check("candidate", "root", "(round = 0) = (parent_id IS NULL)"),
        primary("candidate", "id"),
    )


def create_proposal_and_decision() -> None:
    op.create_table(
        "proposal",
        *texts("run_id"),
        number("round"),
        *texts("hypothesis", "prediction", "note", "edits", "prompt_sha256", "model"),
        *integers("calls", "prompt_tokens", "completion_tokens"),
        double("cost_usd"),
        *texts("created_at"),
        of_round("proposal", "round"),
        not_negative("proposal", "calls", "prompt_tokens", "completion_tokens", "cost_usd"),
        utc("proposal", "created_at"),
        primary("proposal", "run_id", "round"),
    )
    op.create_table(
        "decision",
        *texts("run_id"),
        number("round"),
        *texts("verdict", "reason", "decided_at"),
        of_round("decision", "round"),
        check("decision", "verdict", "verdict IN ('baseline', 'keep', 'revert', 'refused')"),
        check("decision", "baseline", "(round = 0) = (verdict = 'baseline')"),
        utc("decision", "decided_at"),
        primary("decision", "run_id", "round"),
    )


def create_trial() -> None:
    outcomes = "'passed', 'failed', 'scaffold_error', 'timeout', 'budget', 'infra_error'"
    amounts = ("attempt", "seconds", "calls", "prompt_tokens", "completion_tokens", "cost_usd", "commands")
    op.create_table(
        "trial",
        row_id(),
        *texts("run_id"),
        *integers("candidate_id"),
        *texts("task", "split"),
        *integers("attempt"),
        sa.Column("seed", sa.BigInteger, nullable=False),
        *texts("outcome"),
        double("reward", nullable=True),
        *texts("started_at"),
        double("seconds"),
        *integers("calls", "prompt_tokens", "completion_tokens"),
        double("cost_usd"),
        *integers("commands"),
        *texts("detail"),
        maybe("trajectory_path"),
        maybe("trajectory_sha256"),
        maybe("recording_path"),
        maybe("recording_sha256"),
        of_candidate("trial", "candidate_id"),
        foreign("trial", ["run_id", "task"], "task", ["run_id", "name"]),
        check("trial", "split", SPLITS),
        check("trial", "outcome", f"outcome IN ({outcomes})"),
        check("trial", "reward_counts", "(reward IS NULL) = (outcome = 'infra_error')"),
        check("trial", "reward_range", "reward >= 0 AND reward <= 1"),
        not_negative("trial", *amounts),
        check("trial", "trajectory_whole", "(trajectory_path IS NULL) = (trajectory_sha256 IS NULL)"),
        check("trial", "recording_whole", "(recording_path IS NULL) = (recording_sha256 IS NULL)"),
        utc("trial", "started_at"),
        primary("trial", "id"),
    )
    counts = sa.text("outcome <> 'infra_error'")
    counted = ["candidate_id", "task", "attempt"]
    op.create_index("uq_trial_counted", "trial", counted, unique=True, sqlite_where=counts, postgresql_where=counts)
    op.create_index("ix_trial_run_id_candidate_id", "trial", ["run_id", "candidate_id"])


def create_holdout_look() -> None:
    op.create_table(
        "holdout_look",
        row_id(),
        *texts("run_id"),
        *integers("candidate_id"),
        *texts("why", "looked_at"),
        of_candidate("holdout_look", "candidate_id"),
        utc("holdout_look", "looked_at"),
        primary("holdout_look", "id"),
    )
