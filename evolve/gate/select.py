"""Published strategies for choosing the next parent among all measured scaffolds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evolve.gate.prior import Floats

MIDPOINT, SHARPNESS = 0.5, 10.0


@dataclass(frozen=True)
class Member:
    """One measured scaffold. `parent`: its place among the members, None for the seed; `rewards`: attempts x tasks."""

    parent: int | None
    rewards: Floats

    @property
    def score(self) -> float:
        return float(self.rewards.mean())


Members = Sequence[Member]
Strategy = Callable[[Members, np.random.Generator], int]


def best(members: Members) -> int:
    """The highest score, the oldest among equals."""
    return int(np.argmax([member.score for member in members]))


def ancestors(members: Members, place: int) -> tuple[int, ...]:
    """The places from this one, which is the first, back to the seed."""
    line = [place]
    while (parent := members[line[-1]].parent) is not None:
        line.append(parent)
    return tuple(line)


def descendants(members: Members, place: int) -> frozenset[int]:
    """The places of all that descend from this one, itself included; parents stand before their children."""
    line = {place}
    for child in range(place + 1, len(members)):
        if members[child].parent in line:
            line.add(child)
    return frozenset(line)


def archive(members: Members, dice: np.random.Generator) -> int:
    """Darwin Goedel Machine (Zhang et al. 2025, arXiv 2505.22954, parent selection).

    The weight is sigmoid(10 (score - 0.5)) / (1 + children).
    """
    scores = np.array([member.score for member in members])
    children = np.bincount([m.parent for m in members if m.parent is not None], minlength=len(members))
    return int(dice.choice(len(members), p=archive_shares(scores, children)))


def archive_shares(scores: Floats, children: NDArray[np.intp]) -> Floats:
    """Chances of being the next parent, by member; `scores` in [0, 1]."""
    weights = 1 / (1 + np.exp(-SHARPNESS * (scores - MIDPOINT))) / (1 + children)
    return np.asarray(weights / weights.sum())


def clade(members: Members, dice: np.random.Generator) -> int:
    """Huxley-Goedel Machine (Wang et al. 2025, arXiv 2510.21614, section 3): a member is worth what its line is.

    Thompson sampling from Beta(1 + successes, 1 + failures) over all trials of a member and its descendants.
    """
    sums = np.array([[member.rewards.sum(), member.rewards.size] for member in members])
    for place in reversed(range(1, len(members))):
        parent = members[place].parent
        assert parent is not None and parent < place
        sums[parent] += sums[place]
    return int(dice.beta(1 + sums[:, 0], 1 + sums[:, 1] - sums[:, 0]).argmax())


def pareto(members: Members, dice: np.random.Generator) -> int:
    """GEPA (Agrawal et al. 2025, arXiv 2507.19457, algorithm 2): weighed by the tasks on which nobody is better.

    A member whose best tasks are all shared with one that scores higher has no weight.
    """
    weights = front_counts(np.array([member.rewards.mean(axis=0) for member in members]))
    return int(dice.choice(len(members), p=weights / weights.sum()))


def front_counts(rewards: Floats) -> NDArray[np.intp]:
    """By member, on how many tasks it is among the best; 0 if dominated. `rewards`: members x tasks.

    As GEPA's `gepa_utils.py`: from the lowest mean upwards, a member is pruned if on each task where it is among the
    best another one is that is left. One pass will do: pruning makes nobody else prunable.
    """
    fronts = rewards == rewards.max(axis=0)
    order = np.argsort(rewards.mean(axis=1), kind="stable")
    sorted_fronts = fronts[order]
    later = sorted_fronts[::-1].cumsum(axis=0)[::-1] - sorted_fronts > 0
    left = np.zeros(rewards.shape[1], bool)
    counts = np.zeros(len(rewards), np.intp)
    # All but the last few have a successor on each of their tasks: the loop is short.
    for row in np.flatnonzero((sorted_fronts & ~later).any(axis=1)):
        if (sorted_fronts[row] & ~later[row] & ~left).any():
            left |= sorted_fronts[row]
            counts[order[row]] = sorted_fronts[row].sum()
    return counts


STRATEGIES: Mapping[str, Strategy] = {"archive": archive, "clade": clade, "pareto": pareto}
