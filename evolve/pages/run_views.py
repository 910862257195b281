"""A run as a whole as pages show it: counts, costs, endings, grounds. What is not known is None, never 0."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from evolve.core.config import RunConfig
from evolve.core.coverage import Coverage
from evolve.core.epochs import Change
from evolve.core.records import Split, Usage, VerifierMode
from evolve.core.scores import Gap
from evolve.core.validity import Validity
from evolve.pages.round_views import CandidateView
from evolve.store import RunRow


class Role(StrEnum):
    """What model calls were made for; the values are those of the column `purpose` of the view `cost`."""

    TRIALS = "trials"
    GRADING = "grading"
    PROPOSALS = "proposal"
    LESSONS = "lesson"
    PREFLIGHT = "preflight"
    LOST = "lost"

    @property
    def words(self) -> str:
        """What the calls were for."""
        return ROLE_WORDS[self]


ROLE_WORDS: Mapping[str, str] = {
    "trials": "trials",
    "grading": "tests that ask a model",
    "proposal": "proposals",
    "lesson": "lessons",
    "preflight": "checks of the endpoint",
    "lost": "lost in interruptions",
}


@dataclass(frozen=True)
class CostLine:
    """What one role spent. `usd`: None if a price is not known; `seconds`: None if they are not measured.

    `model`: who answered; "" if several models did.
    """

    role: Role
    model: str
    calls: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    usd: float | None
    seconds: float | None
    retries: int = 0


@dataclass(frozen=True)
class Endings:
    """How a candidate's trials ended: counts by outcome, limit or fault, and their mean seconds. `round` None: all."""

    round: int | None
    trials: int
    counts: Mapping[str, int]
    seconds: float


@dataclass(frozen=True)
class NullCopies:
    """Verdicts on unchanged copies of the tip. `promised`: the share that may be kept."""

    judged: int
    kept: int
    built_upon: int
    promised: float

    @property
    def realised(self) -> float | None:
        return self.kept / self.judged if self.judged else None


@dataclass(frozen=True)
class ConditionsView:
    """What the numbers rest on.

    Attributes:
        changes: Where a new epoch began, and why.
        notes: Lines on drift.
        coverage: Of the fresh scores: by candidate (`seed`, `champion`) and split.
        gap: The champion's gains over the seed scaffold on train and validation.
        predictions: Lines on how often predictions came true.
    """

    validity: Validity
    weak: Mapping[VerifierMode, int]
    networks: Mapping[str, int] | None
    changes: tuple[Change, ...]
    notes: tuple[str, ...]
    null_copies: NullCopies
    coverage: Mapping[str, Mapping[Split, Coverage]]
    gap: Gap | None
    predictions: tuple[str, ...]

    @property
    def epochs(self) -> int:
        return len(self.changes) + 1


@dataclass(frozen=True)
class Verdicts:
    """How many rounds ended in which way. Null copies are no patches, so they are counted by themselves."""

    kept: int = 0
    stacked: int = 0
    reverted: int = 0
    refused: int = 0
    null_copies: int = 0
    undecided: int = 0

    @property
    def rounds(self) -> int:
        """How many are decided."""
        return self.kept + self.stacked + self.reverted + self.refused + self.null_copies

    @property
    def words(self) -> str:
        """The counts that are not 0."""
        copies = "null copy" if self.null_copies == 1 else "null copies"
        names = {**{name: name for name in vars(self)}, "null_copies": copies}
        return ", ".join(f"{count} {names[name]}" for name, count in vars(self).items() if count) or "none"


@dataclass(frozen=True)
class RunView:
    """A run at a glance. `seed`, `champion`, `tip`: None before they are known.

    Attributes:
        ended: How it ended last (`done`, or `budget` at a cap); None: it has not, or was resumed since.
        usd: What it has spent; None if a price is not known.
        patches: How many patches the champion has; `stacked`: how many more the tip has.
    """

    row: RunRow
    config: RunConfig
    verdicts: Verdicts
    newest: int
    seed: CandidateView | None
    champion: CandidateView | None
    tip: CandidateView | None
    patches: int
    stacked: int
    trials: int
    usage: Usage
    usd: float | None
    minutes: float
    ended: str | None

    @property
    def id(self) -> str:
        return self.row.id

    @property
    def holds_back(self) -> bool:
        """Whether patches are stacked on the champion that are not proven better yet."""
        return bool(self.tip and self.champion and self.tip.round != self.champion.round)
