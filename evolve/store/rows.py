"""What the store hands out beyond the nouns of `evolve.core.records`: frozen, plain, without SQL."""

from __future__ import annotations

from dataclasses import dataclass

from evolve.core.records import Candidate, Decision, Proposal, Split, Usage


@dataclass(frozen=True)
class RunRow:
    """One run as it was begun. `config` and `engine` are JSON text; `repository` is a path."""

    id: str
    created_at: str
    seed: int
    config: str
    config_sha256: str
    suite: str
    scaffold: str
    model: str
    base_url: str | None
    engine: str
    evolve_version: str
    repository: str
    base_commit: str | None


@dataclass(frozen=True)
class TaskRow:
    """One task of a run's suite; `digest` is the sha256 of its files at the run's start.

    `set_aside`: why the run does without it; None where it does not.
    """

    name: str
    split: Split
    difficulty: str
    digest: str
    set_aside: str | None = None


@dataclass(frozen=True)
class RoundRow:
    """One round as far as it came: None is what has not happened. Round 0 has no parent and no proposal.

    `race`: the first of the rounds that it is raced against; itself if there are none.
    """

    number: int
    parent: Candidate | None
    started_at: str
    candidate: Candidate | None
    proposal: Proposal | None
    decision: Decision | None
    race: int


@dataclass(frozen=True)
class LookRow:
    """One look at the holdout: which commit was scored on it, and why."""

    commit: str
    why: str
    looked_at: str


@dataclass(frozen=True)
class EndRow:
    """One end of a run; a resumed run has several."""

    reason: str
    ended_at: str


@dataclass(frozen=True)
class SessionRow:
    """One process that worked on a run. `caps`: JSON text. `id`: given by the database; 0 before that."""

    started_at: str
    evolve_version: str
    host: str
    pid: int
    caps: str
    id: int = 0


@dataclass(frozen=True)
class LossRow:
    """What was spent in a session on work that left no row of its own."""

    session: int
    what: str
    usage: Usage
    noticed_at: str
