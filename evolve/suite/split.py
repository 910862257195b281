"""Which task goes into which split: seeded, and stratified by difficulty."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction

from evolve.core.records import Split, stable_hash

# Half of the tasks for train, a quarter each for validation and holdout; three tasks already fill all three splits.
SHARES = {Split.TRAIN: 0.5, Split.VALIDATION: 0.25, Split.HOLDOUT: 0.25}


def split_tasks(
    difficulties: Mapping[str, str], seed: int = 0, shares: Mapping[Split, float | Fraction] = SHARES
) -> dict[Split, tuple[str, ...]]:
    """Split tasks, given their difficulty by name.

    Each difficulty's tasks are shuffled, and all are dealt in one order, one difficulty after another. So each split
    gets its share of each difficulty, give or take one task. The order of `difficulties` does not matter.

    Args:
        shares: The relative sizes of the splits; at least one is above 0.

    Returns:
        The names by split, sorted; with the default shares, train has at least one if there are any.
    """
    order = sorted(difficulties, key=lambda name: (difficulties[name], stable_hash("split", seed, name), name))
    dealt = list(zip(_deal(shares), order, strict=False))
    return {split: tuple(sorted(name for to, name in dealt if to is split)) for split in Split}


def _deal(shares: Mapping[Split, float | Fraction]) -> Iterator[Split]:
    """Splits without end: each next one is the split that has the most of its share still to get."""
    total = sum(Fraction(share) for share in shares.values())
    dealt = dict.fromkeys(Split, 0)
    count = 0
    while True:
        count += 1
        chosen = max(Split, key=lambda split: Fraction(shares[split]) / total * count - dealt[split])
        dealt[chosen] += 1
        yield chosen
