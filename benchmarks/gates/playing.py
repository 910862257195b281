"""Campaigns played in worker processes, and what they come to by rule, mix and budget."""

from __future__ import annotations

import math
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from itertools import product

import numpy as np

from gates.rules import RULES
from gates.world import MIXES, World

HARMFUL = -1.0
CHUNK = 20


@dataclass(frozen=True)
class Cell:
    """What a row of the result is about."""

    rule: str
    mix: str
    budget: int


@dataclass(frozen=True)
class Ended:
    """One campaign. Points: `gain` true over the seed's, `final` true, `reported` as the rule shows it. Else counts."""

    gain: float
    final: float
    reported: float
    kept: int
    harmful_kept: int
    null_kept: int
    proposals: int
    trials: int


@dataclass(frozen=True)
class Row:
    """Means over the seeds of a cell; `_se`: standard errors; shares are of all that was kept, 0 if nothing was."""

    rule: str
    mix: str
    budget: int
    seeds: int
    gain: float
    gain_se: float
    final: float
    reported: float
    inflation: float
    inflation_se: float
    kept: float
    harmful_kept: float
    harmful_keep_share: float
    null_kept: float
    null_keep_share: float
    proposals: float
    trials: float


def campaign(cell: Cell, seed: int) -> Ended:
    world = World(MIXES[cell.mix], cell.budget, seed)
    played = RULES[cell.rule](world)
    final, effects = world.true(played.champion), world.effects(played)
    return Ended(
        gain=final - world.true(world.scaffolds[0]),
        final=final,
        reported=played.reported,
        kept=len(played.kept),
        harmful_kept=sum(effect < HARMFUL for effect in effects),
        null_kept=effects.count(0.0),
        proposals=len(world.scaffolds) - 1,
        trials=world.spent,
    )


def campaigns(cell: Cell, seeds: Sequence[int]) -> list[Ended]:
    return [campaign(cell, seed) for seed in seeds]


def cells(rules: Sequence[str], mixes: Sequence[str], budgets: Sequence[int]) -> list[Cell]:
    return [Cell(rule, mix, budget) for mix, budget, rule in product(mixes, budgets, rules)]


def play(wanted: Sequence[Cell], seeds: int, jobs: int, progress: Callable[[int], None]) -> list[Row]:
    """All campaigns, in chunks of seeds. `progress` hears of campaigns as they end."""
    ended: dict[Cell, list[Ended]] = {cell: [] for cell in wanted}
    for cell, some in _chunks(wanted, seeds, jobs):
        ended[cell] += some
        progress(len(some))
    return [row(cell, some) for cell, some in ended.items()]


def _chunks(wanted: Sequence[Cell], seeds: int, jobs: int) -> Iterator[tuple[Cell, list[Ended]]]:
    work = [(cell, range(start, min(start + CHUNK, seeds))) for cell in wanted for start in range(0, seeds, CHUNK)]
    if jobs == 1:
        yield from ((cell, campaigns(cell, some)) for cell, some in work)
        return
    # Spawned, not forked: the parent has the progress display's thread.
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        waiting = {pool.submit(campaigns, cell, some): cell for cell, some in work}
        for done in as_completed(waiting):
            yield waiting[done], done.result()


def row(cell: Cell, ended: Sequence[Ended]) -> Row:
    gain, gain_se = _mean(one.gain for one in ended)
    inflation, inflation_se = _mean(one.reported - one.final for one in ended)
    kept, harmful, null = (sum(getattr(one, n) for one in ended) for n in ("kept", "harmful_kept", "null_kept"))
    return Row(
        rule=cell.rule,
        mix=cell.mix,
        budget=cell.budget,
        seeds=len(ended),
        gain=gain,
        gain_se=gain_se,
        final=_mean(one.final for one in ended)[0],
        reported=_mean(one.reported for one in ended)[0],
        inflation=inflation,
        inflation_se=inflation_se,
        kept=kept / len(ended),
        harmful_kept=harmful / len(ended),
        harmful_keep_share=harmful / kept if kept else 0.0,
        null_kept=null / len(ended),
        null_keep_share=null / kept if kept else 0.0,
        proposals=_mean(one.proposals for one in ended)[0],
        trials=_mean(one.trials for one in ended)[0],
    )


def _mean(values: Iterator[float]) -> tuple[float, float]:
    """And its standard error, 0 for a single value. Sorted: the order in which workers end changes no digit."""
    found = np.sort(np.fromiter(values, float))
    return float(found.mean()), float(found.std(ddof=1) / math.sqrt(len(found))) if len(found) > 1 else 0.0
