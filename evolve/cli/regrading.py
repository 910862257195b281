"""The command that grades kept states again."""

from __future__ import annotations

import sys
from dataclasses import asdict

from evolve.core.caps import Caps
from evolve.core.errors import EXIT_MACHINE
from evolve.core.escaping import plain
from evolve.report.live import Live
from evolve.report.tables import show
from evolve.runs.lookup import open_results, run_row
from evolve.runs.regrade import Regraded, regrade_run
from evolve.runs.settings import Settings


def regrade(settings: Settings, number: int | None, as_json: bool) -> int:
    """Grade kept states again, and print the results.

    Returns:
        The exit status: 1 if one has no reward again, or was left because a cap is reached.
    """
    with open_results(settings.runs) as store, Live(priced=False) as view:
        caps = Caps(usd=settings.budget_usd, tokens=settings.budget_tokens)
        regrading = regrade_run(store, run_row(store, settings.run), settings.runs, number, view, caps)
    found = regrading.done
    if as_json:
        show([{"task": r.trial.task, "attempt": r.trial.attempt, **asdict(r.result)} for r in found], True)
    else:
        for regraded in found:
            print(plain(_line(regraded)))
    graded = sum(regraded.result.reward is not None for regraded in found)
    if not as_json:
        print(f"{graded} of {len(found)} states have a reward now; decisions that were made stay as they are")
    if regrading.left:
        problem = f"{regrading.reached}, so {regrading.left} states whose tests ask a model were not graded"
        print(plain(f"{problem}; set a higher budget in evolve.toml and regrade again"), file=sys.stderr)
    return 0 if graded == len(found) and not regrading.left else EXIT_MACHINE


def _line(regraded: Regraded) -> str:
    trial, result = regraded.trial, regraded.result
    outcome = f"no reward again ({result.why})" if result.reward is None else f"reward {result.reward:g}"
    return f"{trial.task}, attempt {trial.attempt} of {trial.candidate[:12]}: {outcome}"
