"""Rows that the store returns besides the records of `evolve.core.records`: frozen, without SQL."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from evolve.core.config import ModelRole
from evolve.core.records import (
    Candidate,
    Decision,
    Fault,
    Grading,
    Outcome,
    Proposal,
    Split,
    StoredFile,
    TrialCondition,
    Usage,
    Verdict,
    VerifierMode,
)


@dataclass(frozen=True)
class RunRow:
    """One run as it was started. `config` and `engine` are JSON text; `repository` is a path."""

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
    """One task of a run's suite. `digest`: sha256 of its files at the start of the run.

    `excluded`: why the run does without the task; None if it uses the task.
    """

    name: str
    split: Split
    difficulty: str
    digest: str
    excluded: str | None = None


@dataclass(frozen=True)
class RoundRow:
    """One round; what has not happened yet is None. Round 0 has no parent and no proposal.

    `race`: number of the first round in the same race; its own if it races alone.
    """

    number: int
    parent: Candidate | None
    started_at: str
    candidate: Candidate | None
    proposal: Proposal | None
    decision: Decision | None
    race: int

    @property
    def is_null_copy(self) -> bool:
        """Whether the round judges an unchanged copy of the tip."""
        return self.proposal is not None and self.proposal.null_copy


class RoundMark(NamedTuple):
    """What a standing takes from a round besides trials: None where a round has none of it."""

    number: int
    race: int
    verdict: str | None
    fate: str | None
    back_to: int | None
    commit: str | None
    parent: str | None
    ablates: int | None


class RoundOutline(NamedTuple):
    """What the oldest rounds are remembered by."""

    round: int
    verdict: Verdict
    hypothesis: str


class PairedReward(NamedTuple):
    """A candidate's reward in a trial, and `before` that of another one on the same task and attempt, if it has one."""

    task: str
    reward: float
    before: float | None


class Decided(Protocol):
    """What a reader of decisions needs of a round."""

    @property
    def number(self) -> int: ...
    @property
    def candidate(self) -> Candidate | None: ...
    @property
    def decision(self) -> Decision | None: ...


@dataclass(frozen=True)
class Milestone:
    """A decided round that may have moved the champion or the tip, or that judged a null copy."""

    number: int
    candidate: Candidate | None
    decision: Decision


class TrialScore(NamedTuple):
    """What of a trial its scaffold's scores are made of: a `Scored`, without what only single trials show."""

    candidate: str
    task: str
    split: Split
    attempt: int
    outcome: Outcome
    reward: float | None
    verifier: VerifierMode
    fault: Fault
    outage: bool

    @property
    def counts(self) -> bool:
        """Whether the trial is evidence about its candidate."""
        return self.outcome is not Outcome.INFRA_ERROR


@dataclass(frozen=True)
class TaskScore:
    """How the candidate of a round did at one task, in the trials that count. `mean_reward`: in [0, 1]."""

    round: int
    commit: str
    trials: int
    passes: int
    mean_reward: float


@dataclass(frozen=True)
class RoundScore:
    """How the candidate of a round did on one split, in the trials that count. `mean_reward`: over tasks, in [0, 1]."""

    round: int
    split: Split
    trials: int
    mean_reward: float


@dataclass(frozen=True)
class LookRow:
    """One use of the holdout: which commit was scored on it, and why; `run`: by which run, if it was asked for."""

    commit: str
    why: str
    looked_at: str
    run: str = ""


@dataclass(frozen=True)
class EndRow:
    """One end of a run; a resumed run has several."""

    reason: str
    ended_at: str


@dataclass(frozen=True)
class SessionRow:
    """One process that worked on a run. `caps`: JSON text. `id`: assigned by the database; 0 before that."""

    started_at: str
    evolve_version: str
    host: str
    pid: int
    caps: str
    id: int = 0


@dataclass(frozen=True)
class ConditionedTrial:
    """Under which conditions a trial of a candidate (its commit) ran at a task; None: unknown."""

    candidate: str
    task: str
    condition: TrialCondition | None


@dataclass(frozen=True)
class DatedFile:
    """A file of a trial: a `trajectory`, a `recording` or a `state`; when its trial began, and whether that counts."""

    kind: str
    file: StoredFile
    started_at: str
    counts: bool


@dataclass(frozen=True)
class PreflightRow:
    """One check of an endpoint before a session's first trial. `report`: JSON text; `session`: 0 before it is stored.

    `role`: what the model is for.
    """

    checked_at: str
    role: ModelRole
    model: str
    base_url: str | None
    report: str
    usage: Usage
    session: int = 0


@dataclass(frozen=True)
class LossRow:
    """What a session spent on work that has no row of its own."""

    session: int
    what: str
    usage: Usage
    noticed_at: str


@dataclass(frozen=True)
class Regrade:
    """One more grading of the state that an ungraded trial left. `trial`: the id of its row.

    `reward`: in [0, 1]; None if there was none again, and then `why` says why. `detail`: the end of the tests' output.
    `passed`: whether the reward passes by the task's scale; None if an older version graded it, or there is none.
    `grading`: what the tests asked a model; it is stored, and not read back.
    """

    trial: int
    graded_at: str
    seconds: float
    reward: float | None
    why: str = ""
    detail: str = ""
    passed: bool | None = None
    grading: Grading | None = field(default=None, compare=False)

    @property
    def is_pass(self) -> bool:
        """Whether its trial counts as passed."""
        return self.reward is not None and self.reward >= 1.0 if self.passed is None else self.passed

    def __post_init__(self) -> None:
        if (self.reward is None) != bool(self.why):
            raise ValueError(f"either there is a reward or a reason for none: {self.reward}, {self.why!r}")
