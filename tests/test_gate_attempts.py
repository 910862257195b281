"""On which attempts scaffolds meet."""

from __future__ import annotations

from itertools import pairwise

from evolve.core.attempts import FRESH, first_attempt, first_fresh_attempt
from evolve.core.records import Candidate

SEED = Candidate("a" * 40, 0, None, "evolve/run/round-0000")


def candidate(number: int) -> Candidate:
    return Candidate(f"{number:040d}", number, SEED.commit, f"evolve/run/round-{number:04d}")


def test_reigns_never_share_attempts_nor_a_score_those_of_a_decision() -> None:
    all_ = [SEED, *map(candidate, range(1, 50))]
    assert first_attempt(SEED) == 0
    assert all(first_fresh_attempt(one) < first_attempt(other) for one, other in pairwise(all_))
    assert all(first_fresh_attempt(one) - first_attempt(one) == FRESH for one in all_[1:])


def test_the_seed_scaffold_was_not_chosen_so_that_all_its_trials_are_fresh() -> None:
    assert first_fresh_attempt(SEED) == 0
