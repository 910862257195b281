"""The command that brings a run's patches home."""

from __future__ import annotations

from pathlib import Path

from evolve.core.escaping import plain
from evolve.report.tables import show
from evolve.runs.adopting import Adoption, AdoptRequest, adopt_run
from evolve.runs.settings import Settings


def adopt(settings: Settings, request: AdoptRequest, as_json: bool) -> None:
    done = adopt_run(settings.runs, request, Path.cwd())
    if as_json:
        rows = [
            {"step": one.step.name, "branch": one.step.branch, "commit": one.commit, "files": list(one.files)}
            for one in done.commits
        ]
        show([{"run": done.run, "on": done.on, "confirmed": done.confirmed, "commits": rows}], True)
        return
    print("\n".join(plain(line) for line in _lines(done)))


def _lines(done: Adoption) -> list[str]:
    what = "champion" if done.confirmed else "tip, which is not shown to be better than the champion,"
    head = done.on[:12] if done.on else "nothing: HEAD has no commit yet"
    lines = [f"run {done.run}: the {what} on {head}"]
    for one in done.commits:
        place = f" on branch {one.step.branch}" if one.step.branch else ""
        made = f"commit {one.commit[:12]}{place}: {', '.join(one.files)}" if one.commit else "HEAD has it already"
        lines.append(f"  {one.step.name}: {made}")
    branches = [one.step.branch for one in done.commits if one.commit and one.step.branch]
    return [*lines, f"merge it, or open a pull request: git merge {branches[-1]}"] if branches else lines
