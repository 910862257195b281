"""A run's claim in words: what was compared, the difference with its interval, and who looked before."""

from __future__ import annotations

from collections.abc import Sequence

from evolve.gate.claim import Claim
from evolve.report.escaping import plain
from evolve.store.rows import LookRow

PLANNED_LOOKS = 2


def claim_lines(run: str, model: str, made: Claim, looks: Sequence[LookRow]) -> list[str]:
    """`looks`: all at this run's holdout; more than the two that a run makes by itself are warned of."""
    lines = [
        f"run {run}, model {model}: seed scaffold against champion on {made.tasks} holdout tasks, {made.trials} trials",
        f"  seed scaffold {100 * made.seed:.1f} %, champion {100 * made.champion:.1f} %",
        f"  difference {_points(made.difference)} points, 95 % interval {_points(made.low)} to {_points(made.high)}",
        f"  {made.better} tasks better, {made.worse} worse; exact paired test, two-sided: p = {made.p_value:.3g}",
        f"  looks at the holdout: {len(looks)}",
    ]
    lines += [f"    {plain(look.looked_at)} {look.commit[:12]} {plain(look.why)}" for look in looks]
    if len(looks) > PLANNED_LOOKS:
        lines.append("  more looks than a run makes by itself: interval and p do not allow for a choice among them")
    return lines


def _points(share: float) -> str:
    return f"{100 * share:+.1f}"
