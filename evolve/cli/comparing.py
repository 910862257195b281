"""The commands that measure scaffolds of a run side by side: the claim against opponents, and effects of patches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from evolve.api import comparing
from evolve.api.comparing import ClaimRequest, Findings
from evolve.core.caps import Caps
from evolve.report.arms import arm_facts
from evolve.report.claims import print_null
from evolve.report.live import Live
from evolve.report.side_by_side import effect_facts, effect_lines, finding_lines, plan_lines
from evolve.report.tables import show
from evolve.runs.lookup import open_results, run_row
from evolve.runs.results import has_new_champion
from evolve.runs.settings import Settings
from evolve.runs.side_by_side import SideBySide


def claim_against(settings: Settings, request: ClaimRequest, plan_only: bool, as_json: bool) -> None:
    """Compare the champion with opponents on fresh trials, side by side; prints the plan and its cost first."""
    with open_results(settings.runs) as store:
        row = run_row(store, settings.run)
        if has_new_champion(store, row.id) is False:
            show([{"run": row.id, "claim": None}], True) if as_json else print_null(store, row.id)
            return
    found = measure_all(comparing.claim_plans(settings, request), settings, request.caps, plan_only)
    if plan_only:
        return
    if as_json:
        show([facts(one) for one in found], True)
        return
    print("\n".join(line for one in found for line in finding_lines(one)))


def show_effects(settings: Settings, attempts: int | None, caps: Caps, plan_only: bool, as_json: bool) -> None:
    """Print the effect of each kept patch, from the champion beside itself without it."""
    with open_results(settings.runs) as store:
        row = run_row(store, settings.run)
        if has_new_champion(store, row.id) is False:
            show([{"run": row.id, "effects": None}], True) if as_json else print_null(store, row.id)
            return
    effects = comparing.effects_plan(settings, attempts)
    plans = [effects.plan] if effects.plan else []
    found = next(iter(measure_all(plans, settings, caps, plan_only)), None)
    if plan_only:
        return
    if as_json:
        show(effect_facts(effects.patches, found), True)
    else:
        print("\n".join(effect_lines(effects.patches, found)))


def measure_all(plans: Sequence[SideBySide], settings: Settings, caps: Caps, plan_only: bool) -> list[Findings]:
    """Show the plans with their cost, and measure what is missing; nothing if only the plan is wanted."""
    with Live(any(plan.config.priced for plan in plans)) as view:
        for line in plan_lines(plans, comparing.estimates(plans, settings)):
            view.say(line)
        for plan in () if plan_only else plans:
            comparing.measure(plan, settings, caps, view)
    return [] if plan_only else [comparing.findings(plan, settings) for plan in plans]


def facts(found: Findings) -> dict[str, Any]:
    """What `--json` has of a measurement."""
    arms = [arm_facts(arm) for arm in found.arms]
    comparisons = [
        {"against": arm.name, **({} if one is None else {**asdict(one), "p_corrected": one.p_corrected})}
        for arm, one in zip(found.arms[1:], found.comparisons, strict=True)
    ]
    rests = {"splits": [str(split) for split in found.plan.splits], "model": found.plan.config.model}
    return {
        "run": found.plan.origin.id,
        "measured_in": found.run,
        "suite": str(found.plan.suite.folder),
        **rests,
        "arms": arms,
        "comparisons": comparisons,
        "looks": [asdict(look) for look in found.looks],
    }
