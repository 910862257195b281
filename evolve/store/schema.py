"""The tables. Rows are facts, written once and never changed; sums and rates are views (`views.py`).

`migrations/` creates the same tables; a test compares them. Times are ISO-8601 text in UTC, so that they sort as text
and look the same in SQLite and PostgreSQL.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from evolve.core.records import Cause, Fault, Outcome, Split, StackFate, Verdict, VerifierMode

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


def _one_of(column: str, values: type[StrEnum]) -> CheckConstraint:
    listed = ", ".join(f"'{member.value}'" for member in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


def _utc(column: str) -> CheckConstraint:
    """Allow only `2026-01-31T12:34:56`, any fraction, then `Z` or `+00:00`."""
    shape = f"substr({column}, 1, 19) LIKE '____-__-__T__:__:__'"
    zulu = f"substr({column}, length({column}), 1) = 'Z'"
    offset = f"substr({column}, length({column}) - 5) = '+00:00'"
    return CheckConstraint(f"{shape} AND ({zulu} OR {offset})", name=f"{column}_utc")


def _not_negative(*columns: str) -> CheckConstraint:
    return CheckConstraint(" AND ".join(f"{column} >= 0" for column in columns), name="not_negative")


def _both_or_none(kind: str) -> CheckConstraint:
    rule = f"({kind}_path IS NULL) = ({kind}_sha256 IS NULL)"
    return CheckConstraint(rule, name=f"{kind}_whole")


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)


def _integer(name: str) -> Column[int]:
    return Column(name, Integer, nullable=False)


def _double(name: str) -> Column[float]:
    return Column(name, Double, nullable=False)


def _spent() -> list[Column[Any]]:
    """The cost of model calls: number, tokens, US dollars."""
    return [_integer("calls"), _integer("prompt_tokens"), _integer("completion_tokens"), _double("cost_usd")]


def _tried_again() -> list[Column[Any] | CheckConstraint]:
    """Number of failed calls that were repeated, and the seconds that they took."""
    return [
        Column("retries", Integer, nullable=False, server_default=text("0")),
        Column("lost_seconds", Double, nullable=False, server_default=text("0")),
        CheckConstraint("retries >= 0 AND lost_seconds >= 0", name="tried_again"),
    ]


def _cached() -> list[Column[Any] | CheckConstraint]:
    """How many of the prompt tokens the endpoint read from its cache, and wrote into it."""
    return [
        Column("cached_tokens", Integer, nullable=False, server_default=text("0")),
        Column("cache_write_tokens", Integer, nullable=False, server_default=text("0")),
        CheckConstraint("cached_tokens >= 0 AND cache_write_tokens >= 0", name="cached"),
    ]


def _key(name: str) -> Column[str]:
    return Column(name, Text, primary_key=True)


def _number(name: str) -> Column[int]:
    """Second part of a key (run_id, number): assigned by the loop, never by the database."""
    return Column(name, Integer, primary_key=True, autoincrement=False)


def _of_round(column: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["run_id", column], ["round.run_id", "round.number"])


def _of_candidate(column: str) -> ForeignKeyConstraint:
    """Reference a candidate of the same run."""
    return ForeignKeyConstraint(["run_id", column], ["candidate.run_id", "candidate.id"])


run = Table(
    "run",
    metadata,
    _key("id"),
    _text("created_at"),
    Column("seed", BigInteger, nullable=False),
    _text("config"),
    _text("config_sha256"),
    _text("suite"),
    _text("scaffold"),
    _text("model"),
    Column("base_url", Text),
    _text("engine"),
    _text("evolve_version"),
    _text("repository"),
    Column("base_commit", Text),
    _utc("created_at"),
)

# One row for each process that works on a run. `caps`: JSON of its caps.
session = Table(
    "session",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run_id", Text, ForeignKey("run.id"), nullable=False),
    _text("started_at"),
    _text("evolve_version"),
    _text("host"),
    _integer("pid"),
    _text("caps"),
    UniqueConstraint("run_id", "id"),
    _utc("started_at"),
)

# What a session spent on work that has no row of its own: a trial or a conversation that was killed.
loss = Table(
    "loss",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run_id", Text, ForeignKey("run.id"), nullable=False),
    _integer("session_id"),
    _text("what"),
    *_spent(),
    _text("noticed_at"),
    UniqueConstraint("session_id", "what"),
    ForeignKeyConstraint(["run_id", "session_id"], ["session.run_id", "session.id"]),
    _not_negative("calls", "prompt_tokens", "completion_tokens", "cost_usd"),
    _utc("noticed_at"),
    *_cached(),
)

# What the check of an endpoint found out before a session's first trial. `report`: JSON.
preflight = Table(
    "preflight",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run_id", Text, ForeignKey("run.id"), nullable=False),
    _integer("session_id"),
    _text("checked_at"),
    _text("role"),
    _text("model"),
    Column("base_url", Text),
    _text("report"),
    *_spent(),
    *_cached(),
    *_tried_again(),
    ForeignKeyConstraint(["run_id", "session_id"], ["session.run_id", "session.id"]),
    CheckConstraint("role IN ('scaffold', 'proposer', 'small', 'grader')", name="role"),
    _not_negative("calls", "prompt_tokens", "completion_tokens", "cost_usd"),
    _utc("checked_at"),
)

run_end = Table(
    "run_end",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run_id", Text, ForeignKey("run.id"), nullable=False),
    _text("ended_at"),
    _text("reason"),
    _utc("ended_at"),
)

task = Table(
    "task",
    metadata,
    Column("run_id", Text, ForeignKey("run.id"), primary_key=True),
    _key("name"),
    _text("split"),
    _text("difficulty"),
    _text("digest"),
    Column("set_aside", Text),
    _one_of("split", Split),
)

# A round refers to its parent by number, not by candidate, so that no two tables refer to each other.
round_ = Table(
    "round",
    metadata,
    Column("run_id", Text, ForeignKey("run.id"), primary_key=True),
    _number("number"),
    Column("parent_round", Integer),
    _text("started_at"),
    Column("race", Integer),
    _of_round("parent_round"),
    CheckConstraint("number >= 0", name="number"),
    CheckConstraint("(number = 0) = (parent_round IS NULL)", name="root"),
    CheckConstraint("parent_round < number", name="parent_first"),
    CheckConstraint("race > 0 AND race <= number", name="race"),
    _utc("started_at"),
)

candidate = Table(
    "candidate",
    metadata,
    Column("id", Integer, primary_key=True),
    _text("run_id"),
    _integer("round"),
    _text("commit_sha"),
    Column("parent_id", Integer),
    _text("branch"),
    UniqueConstraint("run_id", "id"),
    UniqueConstraint("run_id", "round"),
    UniqueConstraint("run_id", "commit_sha"),
    _of_round("round"),
    _of_candidate("parent_id"),
    CheckConstraint("(round = 0) = (parent_id IS NULL)", name="root"),
)

proposal = Table(
    "proposal",
    metadata,
    _key("run_id"),
    _number("round"),
    _text("hypothesis"),
    _text("prediction"),
    _text("note"),
    _text("edits"),
    _text("prompt_sha256"),
    _text("model"),
    *_spent(),
    _text("created_at"),
    Column("ablates", Integer),
    Column("merges", Integer),
    Column("null_copy", Integer, nullable=False, server_default=text("0")),
    _of_round("round"),
    CheckConstraint("ablates > 0 AND ablates < round", name="ablates"),
    CheckConstraint("null_copy IN (0, 1)", name="null_copy"),
    CheckConstraint("merges > 0 AND merges < round AND (merges IS NULL OR ablates IS NULL)", name="merges"),
    Column("transcript_path", Text),
    Column("transcript_sha256", Text),
    _both_or_none("transcript"),
    _not_negative("calls", "prompt_tokens", "completion_tokens", "cost_usd"),
    _utc("created_at"),
    *_tried_again(),
    *_cached(),
)

prediction = Table(
    "prediction",
    metadata,
    _key("run_id"),
    _number("round"),
    _key("task"),
    _key("kind"),
    _of_round("round"),
    ForeignKeyConstraint(["run_id", "task"], ["task.run_id", "task.name"]),
    CheckConstraint("kind IN ('fix', 'break')", name="kind"),
)

lesson = Table(
    "lesson",
    metadata,
    _key("run_id"),
    _number("round"),
    _text("text"),
    _text("problem"),
    _text("prompt_sha256"),
    _text("model"),
    *_spent(),
    _text("created_at"),
    _of_round("round"),
    _not_negative("calls", "prompt_tokens", "completion_tokens", "cost_usd"),
    _utc("created_at"),
    *_tried_again(),
    *_cached(),
)

decision = Table(
    "decision",
    metadata,
    _key("run_id"),
    _number("round"),
    _text("verdict"),
    _text("reason"),
    _text("decided_at"),
    Column("fate", Text, nullable=False, server_default=text("'open'")),
    Column("effect", Double),
    Column("error", Double),
    Column("doubt", Double),
    Column("would_be", Text),
    Column("back_to", Integer),
    _of_round("round"),
    _one_of("verdict", Verdict),
    _one_of("fate", StackFate),
    CheckConstraint("fate = 'open' OR verdict = 'revert'", name="fate_of_revert"),
    CheckConstraint("(effect IS NULL) = (error IS NULL) AND (effect IS NULL) = (doubt IS NULL)", name="evidence_whole"),
    CheckConstraint("error >= 0 AND doubt >= 0 AND doubt <= 1", name="evidence_range"),
    CheckConstraint("(round = 0) = (verdict = 'baseline')", name="baseline"),
    CheckConstraint("would_be IN ('keep', 'stack', 'revert')", name="would_be"),
    CheckConstraint("back_to IS NULL OR (back_to >= 1 AND back_to < round AND fate <> 'open')", name="back_to"),
    _utc("decided_at"),
)

# `reuse`: whether it had the answers of its parent's trial; `reused_...`: how much of its usage was taken over.
REUSED_COUNTS = ("reused_calls", "reused_prompt_tokens", "reused_completion_tokens")
trial = Table(
    "trial",
    metadata,
    Column("id", Integer, primary_key=True),
    _text("run_id"),
    _integer("candidate_id"),
    _text("task"),
    _text("split"),
    _integer("attempt"),
    Column("seed", BigInteger, nullable=False),
    _text("outcome"),
    Column("reward", Double),
    _text("started_at"),
    _double("seconds"),
    *_spent(),
    _integer("commands"),
    _text("detail"),
    Column("trajectory_path", Text),
    Column("trajectory_sha256", Text),
    Column("recording_path", Text),
    Column("recording_sha256", Text),
    Column("cause", Text, nullable=False, server_default=text("''")),
    Column("verifier", Text, nullable=False, server_default=text("'isolated'")),
    Column("fault", Text, nullable=False, server_default=text("''")),
    Column("outage", Integer, nullable=False, server_default=text("0")),
    Column("failed_gradings", Integer, nullable=False, server_default=text("0")),
    Column("state_path", Text),
    Column("state_sha256", Text),
    Column("rewards", Text),
    Column("own_seconds", Double),
    Column("reuse", Integer, nullable=False, server_default=text("0")),
    *(Column(name, Integer, nullable=False, server_default=text("0")) for name in REUSED_COUNTS),
    Column("reused_cost_usd", Double, nullable=False, server_default=text("0")),
    _of_candidate("candidate_id"),
    ForeignKeyConstraint(["run_id", "task"], ["task.run_id", "task.name"]),
    _one_of("split", Split),
    _one_of("outcome", Outcome),
    _one_of("cause", Cause),
    _one_of("verifier", VerifierMode),
    _one_of("fault", Fault),
    *_tried_again(),
    *_cached(),
    CheckConstraint("outage = 0 OR (outage = 1 AND fault = 'endpoint')", name="outage"),
    CheckConstraint("failed_gradings >= 0", name="failed_gradings"),
    CheckConstraint("reuse IN (0, 1)", name="reuse"),
    CheckConstraint("reused_calls >= 0 AND (reused_calls = 0 OR reuse = 1)", name="reused_calls"),
    CheckConstraint("reused_prompt_tokens >= 0", name="reused_prompt_tokens"),
    CheckConstraint("reused_completion_tokens >= 0", name="reused_completion_tokens"),
    CheckConstraint("reused_cost_usd >= 0", name="reused_cost_usd"),
    CheckConstraint(
        "(state_path IS NULL) = (state_sha256 IS NULL) AND (state_path IS NULL OR fault = 'grader')", name="state"
    ),
    CheckConstraint("(reward IS NULL) = (outcome = 'infra_error')", name="reward_counts"),
    CheckConstraint("reward >= 0 AND reward <= 1", name="reward_range"),
    _not_negative("attempt", "seconds", "calls", "prompt_tokens", "completion_tokens", "cost_usd", "commands"),
    _both_or_none("trajectory"),
    _both_or_none("recording"),
    _utc("started_at"),
)

_counts = text("outcome <> 'infra_error'")
# An attempt counts once, but may have any number of infrastructure errors. PostgreSQL's condition is in the migration
# alone: to name it here would import that dialect with every command.
Index(
    "uq_trial_counted",
    trial.c.candidate_id,
    trial.c.task,
    trial.c.attempt,
    unique=True,
    sqlite_where=_counts,
)
Index("ix_trial_run_id_candidate_id", trial.c.run_id, trial.c.candidate_id)

# Under which conditions a trial ran. Several values of one trial are sorted and joined with commas.
trial_condition = Table(
    "trial_condition",
    metadata,
    Column("trial_id", Integer, ForeignKey("trial.id"), primary_key=True, autoincrement=False),
    _text("endpoint_models"),
    _text("fingerprints"),
    _text("base_image"),
    _text("task_image"),
    _integer("concurrency"),
    CheckConstraint("concurrency >= 1", name="concurrency"),
)

# One more grading of the state that an ungraded trial left; the trial's own row stays as it is. `why`: why it gave no
# reward again. `passed`: by the task's scale; NULL in rows of versions in which only a reward of 1 passed.
regrade = Table(
    "regrade",
    metadata,
    Column("id", Integer, primary_key=True),
    _text("run_id"),
    Column("trial_id", Integer, ForeignKey("trial.id"), nullable=False),
    _text("graded_at"),
    _double("seconds"),
    Column("reward", Double),
    _text("why"),
    _text("detail"),
    Column("passed", Integer),
    CheckConstraint("reward >= 0 AND reward <= 1", name="reward_range"),
    CheckConstraint("(reward IS NULL) = (why <> '')", name="reward_or_why"),
    _not_negative("seconds"),
    _utc("graded_at"),
)
Index("ix_regrade_run_id", regrade.c.run_id)

# What the tests of a trial asked a model, or those of a regrade of its state.
grading = Table(
    "grading",
    metadata,
    Column("id", Integer, primary_key=True),
    _text("run_id"),
    Column("trial_id", Integer, ForeignKey("trial.id"), nullable=False),
    Column("regrade_id", Integer, ForeignKey("regrade.id")),
    _text("model"),
    *_spent(),
    *_cached(),
    *_tried_again(),
    Column("recording_path", Text),
    Column("recording_sha256", Text),
    _both_or_none("recording"),
    _not_negative("calls", "prompt_tokens", "completion_tokens", "cost_usd"),
)
Index("ix_grading_run_id", grading.c.run_id)
Index("ix_grading_trial_id", grading.c.trial_id)

holdout_look = Table(
    "holdout_look",
    metadata,
    Column("id", Integer, primary_key=True),
    _text("run_id"),
    _integer("candidate_id"),
    _text("why"),
    _text("looked_at"),
    _of_candidate("candidate_id"),
    _utc("looked_at"),
)
