"""Which task goes into which split: seeded, and stratified by difficulty."""

from __future__ import annotations

from collections.abc import Mapping

from evolve.core.records import Split, stable_hash

# Half of the tasks for train, a quarter each for validation and holdout; three tasks already fill all three splits.
PATTERN = (Split.TRAIN, Split.VALIDATION, Split.HOLDOUT, Split.TRAIN)


def split_tasks(difficulties: Mapping[str, str], seed: int = 0) -> dict[Split, tuple[str, ...]]:
    """Split tasks, given their difficulty by name.

    Each difficulty's tasks are shuffled, and all are dealt in the order of PATTERN, one difficulty after another. So
    each split gets its share of each difficulty, give or take one task. The order of `difficulties` does not matter.

    Returns:
        The names by split, sorted; train has at least one if there are any.
    """
    order = sorted(difficulties, key=lambda name: (difficulties[name], stable_hash("split", seed, name), name))
    dealt = [(PATTERN[place % len(PATTERN)], name) for place, name in enumerate(order)]
    return {split: tuple(sorted(name for to, name in dealt if to is split)) for split in Split}
