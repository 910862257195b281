"""Format what was measured side by side: the plan with its cost, the scores, the comparisons, the cost of a success."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from evolve.api.comparing import Findings
from evolve.core.escaping import plain
from evolve.gate.arms import ArmFigures
from evolve.gate.comparison import Comparison
from evolve.report.claims import corrected_note, look_lines
from evolve.report.gaps import points
from evolve.runs.side_by_side import Estimate, SideBySide


def plan_lines(plans: Sequence[SideBySide], estimates: Sequence[Estimate]) -> list[str]:
    """What is going to be measured, and about what it costs."""
    return [line for plan, cost in zip(plans, estimates, strict=True) for line in _plan_lines(plan, cost)]


def _plan_lines(plan: SideBySide, cost: Estimate) -> Iterable[str]:
    arms = ", ".join(plain(arm.name) for arm in plan.arms)
    tasks = f"{len(plan.tasks)} tasks of {plain(plan.suite.folder.name)}"
    yield f"{arms}: {plan.attempts} attempts at {tasks}, model {plan.config.model}, {plan.trials} trials side by side"
    if not cost.trials:
        yield "  all of them are stored"
        return
    usd = "" if cost.usd is None else f", ${cost.usd:.2f}"
    about = f"{cost.trials} trials to run, about {cost.tokens / 1000:.0f}k tokens{usd}, {cost.seconds / 60:.0f} min"
    yield f"  {about}, judged by the run's own trials"


def finding_lines(found: Findings) -> list[str]:
    """A table of the arms, then the champion's comparisons with the others, then the looks that are corrected for."""
    first, *others = found.arms
    made = next((one.comparisons for one in found.comparisons if one), 1)
    lines = [f"{plain(found.where)} (trials in run {found.run})", *_table(found.arms)]
    for arm, comparison in zip(others, found.comparisons, strict=True):
        lines += comparison_lines(first.name, arm.name, comparison)
    return [*lines, *look_lines(found.looks, made)] if found.plan.purpose == "claim" else lines


def comparison_lines(name: str, other: str, found: Comparison | None) -> list[str]:
    """The difference of two arms with its interval and test; a null result is said to be one."""
    if found is None:
        return [f"  {plain(name)} - {plain(other)}: fewer than two tasks were measured with both"]
    interval = f"95 % interval {points(found.low)} to {points(found.high)}"
    test = f"p = {found.p_value:.3g}{corrected_note(found.p_corrected, found.comparisons)}"
    note = "" if found.significant else "; no difference is shown"
    tasks = f"{found.better} tasks better, {found.worse} worse"
    return [f"  {plain(name)} - {plain(other)}: {points(found.difference)} points, {interval}; {tasks}, {test}{note}"]


def _table(arms: Sequence[ArmFigures]) -> list[str]:
    cells = [HEADER, *(_row(arm) for arm in arms)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(HEADER))]
    return ["  " + "  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)) for row in cells]


HEADER = (
    "scaffold", "score", "all attempts", "pass@k", "tokens/attempt", "$/attempt", "tokens/solved", "$/solved",
    "commands", "seconds", "without model",
)  # fmt: skip


def _row(arm: ArmFigures) -> tuple[str, ...]:
    return (
        plain(arm.name),
        _percent(arm.mean),
        _percent(arm.every),
        _percent(arm.at_best),
        f"{arm.tokens:.0f}",
        f"{arm.usd:.4f}" if arm.usd else "-",
        "-" if arm.tokens_per_solved is None else f"{arm.tokens_per_solved:.0f}",
        f"{arm.usd_per_solved:.4f}" if arm.usd_per_solved else "-",
        f"{arm.commands:.1f}",
        f"{arm.seconds:.1f}",
        "-" if arm.own_seconds is None else f"{arm.own_seconds:.1f}",
    )


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"
