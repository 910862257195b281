"""Commands that show candidates: who descends from whom, and what each changed."""

from __future__ import annotations

import sys
from pathlib import Path

from evolve.core.errors import BadInput
from evolve.core.escaping import plain
from evolve.report.lineage_graph import lineage_lines
from evolve.report.tables import show
from evolve.runs.ends import ends_of
from evolve.runs.lookup import open_results, run_row
from evolve.runs.patches import patch_of
from evolve.runs.settings import Settings


def lineage(settings: Settings, as_json: bool, every: bool) -> None:
    """Who descends from whom."""
    with open_results(settings.runs) as store:
        run = run_row(store, settings.run).id
        if as_json:
            show(store.view("lineage", run), True)
            return
        rows, ends = store.history(run, 1, store.newest_round(run), figures=False), ends_of(store.milestones(run))
    if ends:
        champion, tip = ends
        print("\n".join([f"run {run}", *lineage_lines(rows, champion.round, tip.round, every)]))


def diff(number: int | None, tip: bool, settings: Settings) -> None:
    """What a round changed in the scaffold, or champion or tip since the seed, for `git apply`.

    A terminal gets control characters as escapes, so that no text of a model's moves its cursor.
    """
    if number is not None and tip:
        raise BadInput("--tip", "a round has one candidate", "give a round or --tip")
    patch = patch_of(settings.runs, settings.run, number, tip, Path.cwd())
    if sys.stdout.isatty():
        print(plain(patch.decode("utf-8", "replace"), lines=True), end="")
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(patch)
    sys.stdout.buffer.flush()
