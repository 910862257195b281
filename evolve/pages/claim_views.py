"""What a run may claim, as pages show it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from evolve.core.coverage import Coverage
from evolve.gate.claim import Claim
from evolve.store import LookRow


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
