"""Draw a run: the score of each measured patch, and of the champion, over the rounds.

`python benchmarks/run_plot.py runs/evolve.db RUN docs/img/run.svg`
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from evolve.core.records import Split, TrialResult
from evolve.store import Store

KEPT, REVERTED = "#0072B2", "#B0B0B0"
UPON = {"keep", "stack", "baseline"}


@dataclass(frozen=True)
class Point:
    """One candidate: mean reward in per cent over its train and validation trials, and 1.96 standard errors."""

    round: int
    score: float
    interval: float
    kept: bool


def point(row: Mapping[str, Any], trials: Sequence[TrialResult]) -> Point | None:
    """The candidate of a round as a point; None if nothing of it was measured."""
    rewards = [t.reward for t in trials if t.counts and t.reward is not None and t.split is not Split.HOLDOUT]
    if not rewards:
        return None
    mean = sum(rewards) / len(rewards)
    error = math.sqrt(mean * (1 - mean) / len(rewards))
    return Point(row["round"], 100 * mean, 196 * error, row["verdict"] in UPON)


def read(database: Path, run: str) -> tuple[list[Point], list[int]]:
    """The measured candidates, and for each round the round of the champion after it."""
    with Store.open(database) as store:
        rows = store.view("history", run)
        points = [point(row, store.trials(run, row["commit_sha"])) for row in rows if row["commit_sha"]]
    return [p for p in points if p is not None], [row["champion_round"] for row in rows]


def draw(points: Sequence[Point], champions: Sequence[int], file: Path) -> None:
    """Write the picture; its format follows the file's suffix."""
    figure = Figure(figsize=(8, 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    _champion_line(axes, {p.round: p for p in points}, champions)
    _candidates(axes, [p for p in points if not p.kept], REVERTED, "reverted patch")
    _candidates(axes, [p for p in points if p.kept], KEPT, "patch built upon")
    axes.set(xlabel="round", ylabel="tasks solved, %", ylim=(0, None), xlim=(-0.5, len(champions) - 0.5))
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, loc="upper left")
    figure.savefig(file, metadata={"Date": None})


def _champion_line(axes: Axes, by_round: Mapping[int, Point], champions: Sequence[int]) -> None:
    line = [by_round[champion] for champion in champions]
    rounds = range(len(line))
    axes.step(rounds, [p.score for p in line], where="post", color="black", label="champion")
    low, high = [p.score - p.interval for p in line], [p.score + p.interval for p in line]
    axes.fill_between(rounds, low, high, step="post", color="black", alpha=0.12, linewidth=0)


def _candidates(axes: Axes, points: Sequence[Point], colour: str, label: str) -> None:
    axes.plot([p.round for p in points], [p.score for p in points], "o", color=colour, markersize=4, label=label)


if __name__ == "__main__":
    draw(*read(Path(sys.argv[1]), sys.argv[2]), Path(sys.argv[3]))
