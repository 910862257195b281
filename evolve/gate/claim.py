"""The claim of a run: one paired test, seed scaffold against champion, on the holdout. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from evolve.core.records import Split, TrialResult
from evolve.core.scores import Gap
from evolve.core.task_format import IN_PLACE

# Differences are rounded to this, so that the exact test stays small.
STEP = 1e-3
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Claim:
    """The comparison of seed and champion. Rewards: means over tasks of means over attempts, in [0, 1].

    `low`, `high`: 95 % interval of the difference. `p_value`: two-sided, of the exact test; 1 where no task differs.
    `better`, `worse`: numbers of tasks. `seed_answers`, `champion_answers`: the names and fingerprints with which the
    endpoint answered the trials of each, as far as they are known. `gap`: the champion's gains on train and validation,
    if both were measured there. `weaker`: ways of verifying, other than in isolation, in which some trials were judged.
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

    @property
    def difference(self) -> float:
        return self.champion - self.seed

    @property
    def drifted(self) -> bool:
        """Whether another model, or another version of it, answered the one than the other."""
        return bool(self.seed_answers and self.champion_answers) and self.seed_answers != self.champion_answers


def claim(seed: Sequence[TrialResult], champion: Sequence[TrialResult]) -> Claim | None:
    """Compare on the holdout slots (task, attempt) that both have; None if there are fewer than two such tasks.

    The interval is Student's t over the tasks' differences, tasks taken as a sample; the test is Fisher's
    randomisation test over the same differences (Fisher 1935, The Design of Experiments, section 21).
    """
    old, new = _rewards(seed), _rewards(champion)
    shared = sorted(old.keys() & new.keys())
    by_task: dict[str, list[tuple[float, float]]] = {}
    for slot in shared:
        by_task.setdefault(slot[0], []).append((old[slot], new[slot]))
    if len(by_task) < 2:
        return None
    means = np.array([np.mean(pairs, axis=0) for pairs in by_task.values()])
    differences = means[:, 1] - means[:, 0]
    half = _half_width(differences)
    middle = float(differences.mean())
    return Claim(
        tasks=len(by_task),
        trials=2 * len(shared),
        seed=float(means[:, 0].mean()),
        champion=float(means[:, 1].mean()),
        low=max(middle - half, -1.0),
        high=min(middle + half, 1.0),
        p_value=sign_flip_p(differences.tolist()),
        better=int((differences > 0).sum()),
        worse=int((differences < 0).sum()),
        seed_answers=_answers(seed, shared),
        champion_answers=_answers(champion, shared),
        weaker=_weaker_modes([*seed, *champion], shared),
    )


def _weaker_modes(trials: Sequence[TrialResult], slots: Sequence[tuple[str, int]]) -> tuple[str, ...]:
    counted = set(slots)
    judged = (t for t in trials if t.split is Split.HOLDOUT and t.counts and (t.task, t.attempt) in counted)
    return tuple(sorted({t.verifier.value for t in judged if t.verifier in IN_PLACE}))


def _rewards(trials: Sequence[TrialResult]) -> Mapping[tuple[str, int], float]:
    return {(t.task, t.attempt): t.reward for t in trials if t.split is Split.HOLDOUT and t.reward is not None}


def _answers(trials: Sequence[TrialResult], slots: Sequence[tuple[str, int]]) -> tuple[str, ...]:
    """The names, then the fingerprints, with which the endpoint answered on these slots; distinct and sorted."""
    conditions = [t.condition for t in trials if t.condition and t.counts and (t.task, t.attempt) in slots]
    names = {name for condition in conditions for name in condition.endpoint_models}
    fingerprints = {mark for condition in conditions for mark in condition.fingerprints}
    return (*sorted(names), *sorted(fingerprints))


def _half_width(differences: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    count = len(differences)
    quantile = float(stdtrit(count - 1, (1 + CONFIDENCE) / 2))
    return quantile * float(differences.std(ddof=1)) / math.sqrt(count)


def sign_flip_p(differences: Sequence[float]) -> float:
    """Share of all ways to flip the differences' signs whose sum is at least as far from 0. Exact, by convolution."""
    sizes = [round(abs(d) / STEP) for d in differences]
    total = sum(sizes)
    chances = np.zeros(2 * total + 1)
    chances[total] = 1.0
    for size in sizes:
        if size:
            chances = (np.roll(chances, size) + np.roll(chances, -size)) / 2
    observed = abs(sum(round(d / STEP) for d in differences))
    far = np.abs(np.arange(-total, total + 1)) >= observed
    return min(float(chances[far].sum()), 1.0)
