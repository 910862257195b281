"""What pages show of a run, as frozen values: no HTML, no database. What is not known is None, never 0.

Scores and rewards are shares in [0, 1]; effects and gains are differences of shares (0.01 is one point).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from evolve.core.config import RunConfig
from evolve.core.coverage import Coverage
from evolve.core.epochs import Change
from evolve.core.records import Candidate, Evidence, Split, StackFate, Usage, Verdict, VerifierMode
from evolve.core.scores import Gap, Score
from evolve.core.validity import Validity
from evolve.gate.claim import Claim
from evolve.gate.comparison import Comparison
from evolve.store import LookRow, RunRow


class Kind(StrEnum):
    """What a round judged."""

    SEED = "seed scaffold"
    PATCH = "patch"
    ABLATION = "ablation"
    MERGE = "merge"
    NULL_COPY = "null copy"


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


class ClaimState(StrEnum):
    """How far a run's claim has come.

    HELD_BACK: the champion is the seed scaffold, but promising patches are stacked on it. UNMEASURED: there is a new
    champion, without enough trials on the holdout.
    """

    UNDECIDED = "undecided"
    NO_GAIN = "no gain"
    HELD_BACK = "held back"
    UNMEASURED = "unmeasured"
    CLAIMED = "claimed"


class CellState(StrEnum):
    """What a candidate's trials at one task show. FAULTS: only infrastructure errors, which are no evidence."""

    NOT_MEASURED = "not measured"
    FAULTS = "faults only"
    PASSED = "passed"
    PARTLY = "partly passed"
    FAILED = "failed"


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


@dataclass(frozen=True)
class TaskLine:
    """One task of the suite. `excluded`: why the run does without it."""

    name: str
    split: Split
    difficulty: str
    digest: str
    excluded: str | None = None

    @property
    def split_order(self) -> int:
        return list(Split).index(self.split)


@dataclass(frozen=True)
class Cell:
    """A candidate's trials at one task: those that count, those that passed, their mean reward; faults."""

    trials: int = 0
    passes: int = 0
    reward: float | None = None
    faults: int = 0

    @property
    def state(self) -> CellState:
        if not self.trials or self.reward is None:
            return CellState.FAULTS if self.faults else CellState.NOT_MEASURED
        if self.passes == self.trials:
            return CellState.PASSED
        return CellState.PARTLY if self.passes or self.reward > 0 else CellState.FAILED

    @property
    def shade(self) -> str:
        """The name of its colour: by state, and where some passed by their mean reward."""
        if self.state is CellState.PARTLY:
            return "most" if self.reward is not None and self.reward >= 0.5 else "some"
        return {CellState.NOT_MEASURED: "none", CellState.FAULTS: "faults"}.get(self.state, str(self.state))

    @property
    def words(self) -> str:
        """What the cell says."""
        if not self.trials:
            return f"{self.state}: {self.faults} infrastructure errors" if self.faults else str(self.state)
        return f"{self.passes} of {self.trials} passed"


@dataclass(frozen=True)
class TaskGrid:
    """Tasks by candidates. `rounds`: the columns; `left_out`: how many candidates are not among them."""

    tasks: tuple[TaskLine, ...]
    rounds: tuple[int, ...]
    cells: Mapping[tuple[str, int], Cell]
    left_out: int = 0

    def cell(self, task: str, number: int) -> Cell:
        """The cell of a task and a round; one without trials if nothing was measured."""
        return self.cells.get((task, number), Cell())


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
class ClaimView:
    """What a run may claim, in one sentence, with what that rests on.

    Attributes:
        headline: One sentence. `certain`: whether an exact test, corrected for looks, supports the gain.
        detail: Further sentences.
        commands: What to do next: each a command and what it does.
        coverage: Graded holdout attempts of seed scaffold and champion.
    """

    state: ClaimState
    headline: str
    certain: bool = False
    detail: tuple[str, ...] = ()
    commands: tuple[tuple[str, str], ...] = ()
    claim: Claim | None = None
    coverage: tuple[Coverage, ...] = ()
    looks: tuple[LookRow, ...] = ()


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
