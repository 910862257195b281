"""Plot the rows: for each mix and number of tasks the gain by budget, and below it the inflation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from gates.campaigns import Row
from gates.rules import RULES

ACROSS = 4
OURS = "evolve"
QUANTITIES = {"gain": "gain, points", "inflation": "reported - true, points"}
# Okabe and Ito's colours, which colour-blind people can distinguish: one per family (a name up to its first hyphen).
COLOURS = ("#0072B2", "#D55E00", "#CC79A7", "#009E73", "#E69F00", "#56B4E9", "#8C6D31")
MARKERS = ("o", "D", "v", "s", "P", "X", "^")
DASHES = ("-", "--", ":", "-.")


def draw(rows: Sequence[Row], file: Path) -> None:
    """Write a PNG. A point is a mean over seeds, its bar two standard errors in each direction."""
    panels = list(dict.fromkeys((row.mix, row.tasks) for row in rows))
    across = min(ACROSS, len(panels))
    blocks = -(-len(panels) // across)
    figure = Figure(figsize=(2 + 3.3 * across, 1 + 5.2 * blocks), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2 * blocks, across, sharex=True, squeeze=False)
    for number, panel in enumerate(panels):
        block, column = divmod(number, across)
        for line, quantity in enumerate(QUANTITIES):
            _panel(axes[2 * block + line, column], [row for row in rows if (row.mix, row.tasks) == panel], quantity)
        axes[2 * block, column].set_title(f"{panel[0]}, {panel[1]} tasks")
    _decorate(figure, axes, len(panels))
    figure.savefig(file, dpi=120)


def _panel(axes: Axes, rows: Sequence[Row], quantity: str) -> None:
    rules = list(dict.fromkeys(row.rule for row in rows))
    budgets = sorted({row.budget for row in rows})
    # Shift the rules within a budget, so that their bars don't overlap.
    shifts = np.linspace(0.92, 1.08, len(rules)) if len(rules) > 1 else np.ones(1)
    for rule, shift in zip(rules, shifts, strict=True):
        line = sorted((row for row in rows if row.rule == rule), key=lambda row: row.budget)
        axes.errorbar(
            [row.budget * shift for row in line],
            [getattr(row, quantity) for row in line],
            yerr=[2 * getattr(row, f"{quantity}_se") for row in line],
            label=rule,
            **_style(rule),
        )
    axes.axhline(0, color="0.6", linewidth=0.8, zorder=1)
    axes.set_xscale("log")
    axes.set_xticks(budgets, [f"{budget:,}" for budget in budgets])
    axes.minorticks_off()
    axes.grid(alpha=0.3)


def _style(rule: str) -> dict[str, Any]:
    """Evolve's rule is black; another's style depends on its place in RULES, not on the rules selected."""
    if rule == OURS:
        return {"color": "black", "marker": "*", "markersize": 10, "linewidth": 2.4, "zorder": 3}
    family = _family(rule)
    place = list(dict.fromkeys(map(_family, RULES))).index(family) % len(COLOURS)
    dashes = DASHES[[name for name in RULES if _family(name) == family].index(rule) % len(DASHES)]
    return {"color": COLOURS[place], "marker": MARKERS[place], "markersize": 5, "linewidth": 1.2, "linestyle": dashes}


def _family(rule: str) -> str:
    return rule.partition("-")[0]


def _decorate(figure: Figure, axes: np.ndarray, panels: int) -> None:
    """Add labels and one legend, and hide the unused panels of the last block."""
    across = axes.shape[1]
    for line in range(axes.shape[0]):
        axes[line, 0].set_ylabel(list(QUANTITIES.values())[line % 2])
    for number in range(panels, axes.size // 2):
        block, column = divmod(number, across)
        for line in range(2):
            axes[2 * block + line, column].set_visible(False)
    for column in range(across):
        axes[-1, column].set_xlabel("budget, trials")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=min(len(labels), 5), frameon=False)
