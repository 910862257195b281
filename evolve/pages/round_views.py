"""Rounds, candidates and patches as pages show them. What has not happened is None or "", never 0.

Scores and rewards are shares in [0, 1]; effects and gains are differences of shares (0.01 is one point).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from evolve.core.coverage import Coverage
from evolve.core.records import Candidate, Evidence, Split, StackFate, Verdict
from evolve.core.scores import Gap, Score
from evolve.gate.comparison import Comparison


class Kind(StrEnum):
    """What a round judged."""

    SEED = "seed scaffold"
    PATCH = "patch"
    ABLATION = "ablation"
    MERGE = "merge"
    NULL_COPY = "null copy"


@dataclass(frozen=True)
class CandidateView:
    """A candidate and its scores from trials that did not choose it; None: not measured."""

    candidate: Candidate
    scores: Mapping[Split, Score | None]

    @property
    def round(self) -> int:
        return self.candidate.round


@dataclass(frozen=True)
class Predictions:
    """How many train tasks a proposal named, and how many of them moved so; None: it named none."""

    predicted: int | None = None
    fixed: int | None = None
    feared: int | None = None
    broken: int | None = None


@dataclass(frozen=True)
class TaskMoves:
    """Train tasks that a candidate passed more often than its parent, those less often, and how many both ran."""

    fixed: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    compared: int = 0


@dataclass(frozen=True)
class RoundView:
    """One round; what has not happened is None or "".

    Attributes:
        parent, champion, tip: Rounds: of the candidate that was patched, and who was champion and tip after the round.
        evidence: The gate's estimate of the effect when it decided.
        own_effect: The candidate against its parent's own trials on train and validation.
        paired: Whether that is on the same attempts.
        scores: From all of the candidate's trials, by split.
        usd: What the round cost; None if the prices are not known.
        would_be: Of a null copy, the verdict that a patch with its trials would have got.
    """

    number: int
    kind: Kind
    started_at: str
    verdict: Verdict | None = None
    fate: StackFate = StackFate.OPEN
    would_be: Verdict | None = None
    reason: str = ""
    parent: int | None = None
    champion: int | None = None
    tip: int | None = None
    commit: str | None = None
    branch: str | None = None
    hypothesis: str = ""
    prediction: str = ""
    note: str = ""
    lesson: str = ""
    fixes: tuple[str, ...] = ()
    breaks: tuple[str, ...] = ()
    about: int | None = None
    evidence: Evidence | None = None
    own_effect: Comparison | None = None
    paired: bool = True
    scores: Mapping[Split, Score | None] = field(default_factory=dict)
    gap: Gap | None = None
    predictions: Predictions = field(default_factory=Predictions)
    moves: TaskMoves = field(default_factory=TaskMoves)
    trials: int = 0
    coverage: Coverage = field(default_factory=Coverage)
    ungraded: int = 0
    faults: int = 0
    voided: int = 0
    epoch: int | None = None
    usd: float | None = None
    minutes: float | None = None

    @property
    def decided(self) -> bool:
        return self.verdict is not None

    @property
    def built_upon(self) -> bool:
        """Whether later rounds started from its candidate, at least for a while."""
        return self.verdict in (Verdict.BASELINE, Verdict.STACK, Verdict.KEEP)

    @property
    def reference(self) -> str:
        """What its own effect is measured against."""
        return f"round {self.parent}'s trials, {'same' if self.paired else 'other'} attempts"

    @property
    def outcome(self) -> str:
        """The verdict in one word; of a null copy, what would have been decided."""
        if self.would_be is not None:
            return f"null copy, would be {self.would_be}"
        return str(self.verdict or "undecided")


@dataclass(frozen=True)
class LineageNode:
    """A candidate on the way from the seed scaffold to the tip.

    `dropped`: how many patches of it were not built upon, by outcome; `branches`: those that were, and given up later.
    """

    round: RoundView
    is_champion: bool
    is_tip: bool
    dropped: Mapping[str, int]
    branches: tuple[RoundView, ...] = ()


@dataclass(frozen=True)
class PatchView:
    """A round's patch as a unified diff; None if the run's repository is missing. `omitted`: lines left out."""

    round: RoundView
    diff: str | None
    omitted: int = 0
    in_champion: bool = False
    in_tip: bool = False
