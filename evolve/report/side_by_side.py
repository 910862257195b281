"""Format what was measured side by side: the plan with its cost, the scores, the comparisons, the cost of a success."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from evolve.api.comparing import Findings
from evolve.core.escaping import plain
from evolve.gate.comparison import Comparison
from evolve.report.arms import arm_table, percent_or_dash
from evolve.report.claims import corrected_note, look_lines
from evolve.report.gaps import points
from evolve.runs.leaving_out import LeftOut
from evolve.runs.side_by_side import Estimate, SideBySide

MOST_WORDS = 100


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
    usd = ", dollars unknown (no price)" if cost.usd is None else f", ${cost.usd:.2f}"
    about = f"{cost.trials} trials to run, about {cost.tokens / 1000:.0f}k tokens{usd}, {cost.seconds / 60:.0f} min"
    yield f"  {about}, judged by the run's own trials"


def finding_lines(found: Findings) -> list[str]:
    """A table of the arms, then the champion's comparisons with the others, then the looks that are corrected for."""
    first, *others = found.arms
    made = next((one.comparisons for one in found.comparisons if one), 1)
    lines = [f"{plain(found.where)} (trials in run {found.run})", *arm_table(found.arms)]
    for arm, comparison in zip(others, found.comparisons, strict=True):
        lines += comparison_lines(first.name, arm.name, comparison)
    return [*lines, *look_lines(found.looks, made)] if found.plan.purpose == "claim" else lines


def effect_lines(patches: Sequence[LeftOut], found: Findings | None) -> list[str]:
    """The effect of each patch of a champion: its score less that of the champion without the patch."""
    known = _by_arm(found)
    lines = [] if found is None else [f"{plain(found.where)} (trials in run {found.run})"]
    if found and found.arms[0].mean is not None:
        lines.append(f"  champion {percent_or_dash(found.arms[0].mean)} over {found.arms[0].attempts} trials")
    return [*lines, *(_effect_line(patch, known) for patch in patches)]


def _effect_line(patch: LeftOut, known: Mapping[str, Comparison | None]) -> str:
    words = plain(" ".join(patch.hypothesis.split()))[:MOST_WORDS]
    if patch.arm is None:
        return f"  round {patch.number}: can't be taken out by itself: {patch.why} ({words})"
    effect = known.get(patch.arm.name)
    if effect is None:
        return f"  round {patch.number}: too few trials ({words})"
    interval = f"95 % interval {points(effect.low)} to {points(effect.high)}"
    test = f"p = {effect.p_value:.3g}{corrected_note(effect.p_corrected, effect.comparisons)}"
    return f"  round {patch.number}: {points(effect.difference)} points, {interval}, {test} ({words})"


def effect_facts(patches: Sequence[LeftOut], found: Findings | None) -> list[dict[str, Any]]:
    """What `--json` has of the effects; the figures are missing for a patch that can't be taken out."""
    known = _by_arm(found)
    return [
        {"round": patch.number, "hypothesis": patch.hypothesis, "problem": patch.why, **_figures_of(patch, known)}
        for patch in patches
    ]


def _figures_of(patch: LeftOut, known: Mapping[str, Comparison | None]) -> dict[str, Any]:
    effect = known.get(patch.arm.name) if patch.arm else None
    if effect is None:
        return {}
    names = ("low", "high", "p_value", "p_corrected", "comparisons", "tasks", "trials")
    return {"effect": effect.difference, **{name: getattr(effect, name) for name in names}}


def _by_arm(found: Findings | None) -> dict[str, Comparison | None]:
    if found is None:
        return {}
    return dict(zip((arm.name for arm in found.arms[1:]), found.comparisons, strict=True))


def comparison_lines(name: str, other: str, found: Comparison | None) -> list[str]:
    """The difference of two arms with its interval and test; a null result is said to be one."""
    if found is None:
        return [f"  {plain(name)} - {plain(other)}: fewer than two tasks were measured with both"]
    interval = f"95 % interval {points(found.low)} to {points(found.high)}"
    test = f"p = {found.p_value:.3g}{corrected_note(found.p_corrected, found.comparisons)}"
    note = "" if found.significant else "; no difference is shown"
    tasks = f"{found.better} tasks better, {found.worse} worse"
    return [f"  {plain(name)} - {plain(other)}: {points(found.difference)} points, {interval}; {tasks}, {test}{note}"]
