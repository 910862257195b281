"""Play campaigns in worker processes, and average their figures by rule, mix and budget."""

from __future__ import annotations

import math
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from itertools import product

import numpy as np

from gates.cell import CampaignFigures, Cell
from gates.kept import KeptCampaigns
from gates.rules import RULES
from gates.world import MIXES, World

HARMFUL = -1.0
CHUNK = 5

Chunk = tuple[Cell, Sequence[int]]


@dataclass(frozen=True)
class Row:
    """Means over the seeds of a cell. `_se`: standard errors; shares: of all that was kept, 0 if nothing was.

    promised_keep_share: the share of harmful keeps that the rule itself expects; None if it says nothing.
    """

    rule: str
    mix: str
    budget: int
    tasks: int
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
    promised_keep_share: float | None
    null_kept: float
    null_keep_share: float
    proposals: float
    trials: float


def play_campaign(cell: Cell, seed: int) -> CampaignFigures:
    world = World(MIXES[cell.mix], cell.budget, seed, cell.tasks)
    result = RULES[cell.rule](world)
    final, effects = world.true_score(result.champion), world.effects(result)
    return CampaignFigures(
        gain=final - world.true_score(world.scaffolds[0]),
        final=final,
        reported=result.reported,
        kept=len(result.kept),
        harmful_kept=sum(effect < HARMFUL for effect in effects),
        null_kept=effects.count(0.0),
        proposals=len(world.scaffolds) - 1,
        trials=world.spent,
        promised=result.promised,
    )


def play_campaigns(cell: Cell, seeds: Sequence[int]) -> list[CampaignFigures]:
    return [play_campaign(cell, seed) for seed in seeds]


def cells(
    rules: Sequence[str], mixes: Sequence[str], budgets: Sequence[int], tasks: Sequence[int] = (40,)
) -> list[Cell]:
    return [Cell(rule, mix, budget, count) for mix, count, budget, rule in product(mixes, tasks, budgets, rules)]


def play(
    requested: Sequence[Cell],
    seeds: Sequence[int],
    jobs: int,
    progress: Callable[[int], None],
    kept: KeptCampaigns | None = None,
) -> list[Row]:
    """Play all campaigns, in chunks of seeds, all cells with the first seeds first.

    progress: called with the number of campaigns that have ended. kept: those that are known need not be played.
    """
    figures = {cell: kept.of(cell, seeds) if kept else [] for cell in requested}
    progress(sum(map(len, figures.values())))
    for cell, chunk, campaigns in _play_chunks(_chunks(requested, seeds, kept), jobs):
        figures[cell] += campaigns
        if kept:
            kept.add(cell, chunk, campaigns)
        progress(len(chunk))
    return [row(cell, campaigns) for cell, campaigns in figures.items()]


def _chunks(requested: Sequence[Cell], seeds: Sequence[int], kept: KeptCampaigns | None) -> list[Chunk]:
    parts = [seeds[start : start + CHUNK] for start in range(0, len(seeds), CHUNK)]
    chunks = ((cell, kept.missing(cell, part) if kept else part) for part in parts for cell in requested)
    return [(cell, chunk) for cell, chunk in chunks if chunk]


def _play_chunks(chunks: Sequence[Chunk], jobs: int) -> Iterator[tuple[Cell, Sequence[int], Sequence[CampaignFigures]]]:
    if jobs == 1:
        yield from ((cell, chunk, play_campaigns(cell, chunk)) for cell, chunk in chunks)
        return
    # Spawned, not forked: the parent runs the progress display's thread.
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        futures = {pool.submit(play_campaigns, *chunk): chunk for chunk in chunks}
        for future in as_completed(futures):
            yield *futures[future], future.result()


def row(cell: Cell, campaigns: Sequence[CampaignFigures]) -> Row:
    gain, gain_se = _mean(c.gain for c in campaigns)
    inflation, inflation_se = _mean(c.reported - c.final for c in campaigns)
    kept, harmful, null = (sum(getattr(c, name) for c in campaigns) for name in ("kept", "harmful_kept", "null_kept"))
    return Row(
        rule=cell.rule,
        mix=cell.mix,
        budget=cell.budget,
        tasks=cell.tasks,
        seeds=len(campaigns),
        gain=gain,
        gain_se=gain_se,
        final=_mean(c.final for c in campaigns)[0],
        reported=_mean(c.reported for c in campaigns)[0],
        inflation=inflation,
        inflation_se=inflation_se,
        kept=kept / len(campaigns),
        harmful_kept=harmful / len(campaigns),
        harmful_keep_share=harmful / kept if kept else 0.0,
        promised_keep_share=_promised_share(campaigns, kept),
        null_kept=null / len(campaigns),
        null_keep_share=null / kept if kept else 0.0,
        proposals=_mean(c.proposals for c in campaigns)[0],
        trials=_mean(c.trials for c in campaigns)[0],
    )


def _promised_share(campaigns: Sequence[CampaignFigures], kept: int) -> float | None:
    promised = [campaign.promised for campaign in campaigns if campaign.promised is not None]
    if len(promised) < len(campaigns):
        return None
    return math.fsum(promised) / kept if kept else 0.0


def _mean(values: Iterator[float]) -> tuple[float, float]:
    """The mean and its standard error (0 for a single value). Sorts, so that the order of workers changes no digit."""
    numbers = np.sort(np.fromiter(values, float))
    return float(numbers.mean()), float(numbers.std(ddof=1) / math.sqrt(len(numbers))) if len(numbers) > 1 else 0.0
