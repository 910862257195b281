"""The claim of a run: one paired test, seed scaffold against champion, on the holdout. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evolve.core.records import Split, TrialResult
from evolve.core.scores import Gap
from evolve.core.task_format import IN_PLACE
from evolve.gate.comparison import Comparison, Slot, compare
from evolve.gate.comparison import sign_flip_p as sign_flip_p

# What looks at a holdout that choose nothing begin with: at seed scaffolds, and at the champion of a claim.
BASELINES = ("seed scaffold", "claim: champion")


def comparisons_made(reasons: Iterable[str]) -> int:
    """How many comparisons on a holdout one may have chosen among, given why each look at it was taken; at least 1.

    Looks at seed scaffolds are what others are compared with; each other look is a comparison.
    """
    return max(1, sum(not why.startswith(BASELINES) for why in reasons))


@dataclass(frozen=True)
class Claim:
    """The comparison of seed and champion. Rewards: means over tasks of means over attempts, in [0, 1].

    `low`, `high`: interval of the difference; each of `comparisons` such intervals covers with 95 % together.
    `p_value`: two-sided, of the exact test; 1 where no task differs. `better`, `worse`: numbers of tasks.
    `seed_answers`, `champion_answers`: the names and fingerprints with which the endpoint answered the trials of each,
    as far as they are known. `gap`: the champion's gains on train and validation, if both were measured there.
    `weaker`: ways of verifying, other than in isolation, in which some trials were judged.
    """

    tasks: int
    trials: int
    seed: float
    champion: float
    low: float
    high: float
    p_value: float
    better: int
    worse: int
    seed_answers: tuple[str, ...] = ()
    champion_answers: tuple[str, ...] = ()
    gap: Gap | None = None
    weaker: tuple[str, ...] = ()
    comparisons: int = 1

    @property
    def difference(self) -> float:
        return self.champion - self.seed

    @property
    def p_corrected(self) -> float:
        """The p-value corrected for the number of comparisons on this holdout (Bonferroni)."""
        return min(1.0, self.comparisons * self.p_value)

    @property
    def drifted(self) -> bool:
        """Whether another model, or another version of it, answered the one than the other."""
        return bool(self.seed_answers and self.champion_answers) and self.seed_answers != self.champion_answers


def claim(seed: Sequence[TrialResult], champion: Sequence[TrialResult], comparisons: int = 1) -> Claim | None:
    """Compare on the holdout slots (task, attempt) that both have; None if there are fewer than two such tasks.

    See `compare` for interval and test.

    Args:
        comparisons: How many comparisons were made on this holdout, this one included.
    """
    old, new = _rewards(seed), _rewards(champion)
    shared = old.keys() & new.keys()
    found = compare(old, new, comparisons)
    if found is None:
        return None
    return Claim(
        **_figures(found),
        seed_answers=_answers(seed, shared),
        champion_answers=_answers(champion, shared),
        weaker=_weaker_modes([*seed, *champion], shared),
        comparisons=comparisons,
    )


def _figures(found: Comparison) -> dict[str, Any]:
    names = ("tasks", "trials", "low", "high", "p_value", "better", "worse")
    return {"seed": found.first, "champion": found.second, **{name: getattr(found, name) for name in names}}


def _weaker_modes(trials: Sequence[TrialResult], slots: Collection[Slot]) -> tuple[str, ...]:
    judged = (t for t in trials if t.split is Split.HOLDOUT and t.counts and (t.task, t.attempt) in slots)
    return tuple(sorted({t.verifier.value for t in judged if t.verifier in IN_PLACE}))


def _rewards(trials: Sequence[TrialResult]) -> Mapping[Slot, float]:
    return {(t.task, t.attempt): t.reward for t in trials if t.split is Split.HOLDOUT and t.reward is not None}


def _answers(trials: Sequence[TrialResult], slots: Collection[Slot]) -> tuple[str, ...]:
    """The names, then the fingerprints, with which the endpoint answered on these slots; distinct and sorted."""
    conditions = [t.condition for t in trials if t.condition and t.counts and (t.task, t.attempt) in slots]
    names = {name for condition in conditions for name in condition.endpoint_models}
    fingerprints = {mark for condition in conditions for mark in condition.fingerprints}
    return (*sorted(names), *sorted(fingerprints))
