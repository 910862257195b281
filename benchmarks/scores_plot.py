"""Draw the scores of seed scaffold and champion, as `evolve run` prints them at the end, with their intervals.

`python benchmarks/scores_plot.py docs/img/run.json docs/img/run.svg`
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

COLOURS = {"seed scaffold": "#B0B0B0", "champion": "#0072B2"}
BAR_WIDTH = 0.36
Scores = Mapping[str, Mapping[str, tuple[float, float]]]


def draw(scores: Scores, file: Path) -> None:
    """Write the picture. scores: by split and scaffold, the mean and half the width of its interval, in per cent."""
    figure = Figure(figsize=(7, 2.8), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for place, (name, colour) in enumerate(COLOURS.items()):
        _bars(axes, [split[name] for split in scores.values()], (place - 0.5) * BAR_WIDTH, name, colour)
    axes.set_xticks(range(len(scores)), list(scores))
    axes.set(ylabel="tasks solved, %", ylim=(0, 100))
    axes.grid(axis="y", alpha=0.3)
    axes.legend(frameon=False, loc="upper left")
    figure.savefig(file, metadata={"Date": None})


def _bars(axes: Axes, values: list[tuple[float, float]], shift: float, label: str, colour: str) -> None:
    places = [place + shift for place in range(len(values))]
    means, halves = zip(*values, strict=True)
    axes.bar(places, means, BAR_WIDTH, yerr=halves, capsize=4, color=colour, label=label, zorder=2)


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text("utf-8"))["scores"], Path(sys.argv[2]))
