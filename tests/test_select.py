"""Which candidate comes next."""

from __future__ import annotations

from itertools import pairwise

from evolve.records import Candidate, Decision, Verdict
from evolve.select import ATTEMPTS_PER_REIGN, champion, first_attempt

SEED = Candidate("a" * 40, 0, None, "evolve/run/round-0000")


def candidate(number: int) -> Candidate:
    return Candidate(f"{number:040d}", number, SEED.commit, f"evolve/run/round-{number:04d}")


def decided(*verdicts: Verdict) -> list[tuple[Candidate, Decision]]:
    rounds = [(candidate(number), Decision(verdict, "")) for number, verdict in enumerate(verdicts, 1)]
    return [(SEED, Decision(Verdict.BASELINE, "")), *rounds]


def test_the_baseline_is_champion_until_something_is_kept() -> None:
    assert champion(decided()) == SEED
    assert champion(decided(Verdict.REVERT, Verdict.REFUSED)) == SEED


def test_the_candidate_kept_last_is_champion() -> None:
    rounds = decided(Verdict.KEEP, Verdict.REVERT, Verdict.KEEP, Verdict.REFUSED, Verdict.REVERT)
    assert champion(rounds) == candidate(3)


def test_reigns_never_share_attempts() -> None:
    first = [first_attempt(SEED), *(first_attempt(candidate(number)) for number in range(1, 50))]
    assert first[0] == 0
    assert all(later - earlier >= ATTEMPTS_PER_REIGN for earlier, later in pairwise(first))
