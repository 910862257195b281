"""A run as one HTML file to mail: everything is in it, nothing is loaded, and only our own scripts run."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

from jinja2 import Environment
from markupsafe import Markup

from evolve import __version__
from evolve.export.redaction import Redactor
from evolve.pages import charts
from evolve.pages.claim_views import ClaimView
from evolve.pages.claiming import claim_view
from evolve.pages.conditions import conditions_view, doubts
from evolve.pages.environment import environment
from evolve.pages.patches import patch_views, within
from evolve.pages.pictures import STATIC, Picture, chart_scripts, picture
from evolve.pages.provenance import Provenance, provenance
from evolve.pages.reading import cost_lines, ending_lines, run_view, task_grid, with_total
from evolve.pages.redaction import redacted
from evolve.pages.round_views import LineageNode, PatchView, RoundView
from evolve.pages.rounds import ancestors, lineage_nodes, round_views
from evolve.pages.run_views import ConditionsView, CostLine, Endings, RunView
from evolve.pages.task_views import TaskGrid
from evolve.store import RunRow, Store

# So many rounds are shown: those on the path to the tip, then the newest.
MOST_ROUNDS = 300
# Lines of the diff of a patch that was not built upon.
DROPPED_LINES = 80
# Of the file, so that a later report of the same run may replace it.
GENERATOR = "evolve report"
SECTIONS = (
    ("claim", "Claim"), ("scores", "Scores"), ("lineage", "Lineage"), ("tasks", "Tasks"), ("rounds", "Rounds"),
    ("patches", "Patches"), ("costs", "Costs"), ("endings", "Endings"), ("conditions", "Conditions"),
    ("replay", "Replay"),
)  # fmt: skip


@dataclass(frozen=True)
class ReportView:
    """Everything that a report shows. `rounds`: those shown; `left_out`: how many are not."""

    run: RunView
    claim: ClaimView
    rounds: tuple[RoundView, ...]
    left_out: int
    lineage: tuple[LineageNode, ...]
    kept: tuple[PatchView, ...]
    dropped: tuple[PatchView, ...]
    grid: TaskGrid
    costs: tuple[CostLine, ...]
    endings: tuple[Endings, ...]
    conditions: ConditionsView
    doubts: tuple[int, float]
    provenance: Provenance

    @property
    def ending_names(self) -> tuple[str, ...]:
        """How trials ended, the most frequent first."""
        total = self.endings[-1].counts if self.endings else {}
        return tuple(sorted(total, key=lambda name: (name.startswith("fault"), -total[name], name)))


def report_view(store: Store, row: RunRow, runs: Path) -> ReportView:
    """Read what a report shows of a run. `runs`: the folder with the results."""
    run = run_view(store, row)
    every = round_views(store, row.id, runs, priced=run.config.priced)
    shown = shown_rounds(every)
    patches = [one for one in shown if one.parent is not None]
    shown_patches = {patch.round.number: patch for patch in _patches(row, runs, every, patches)}
    return ReportView(
        run=run,
        claim=claim_view(store, run),
        rounds=shown,
        left_out=len(every) - len(shown),
        lineage=lineage_nodes(every),
        kept=tuple(shown_patches[one.number] for one in patches if one.built_upon),
        dropped=tuple(shown_patches[one.number] for one in patches if not one.built_upon),
        grid=task_grid(store, row.id),
        costs=cost_lines(store, row.id, run.config),
        endings=with_total(ending_lines(store, row.id)),
        conditions=conditions_view(store, run, runs, every),
        doubts=doubts(every),
        provenance=provenance(store, run),
    )


def _patches(row: RunRow, runs: Path, every: Sequence[RoundView], rounds: Sequence[RoundView]) -> Iterable[PatchView]:
    """The patches that were built upon, then the others, shorter; and those of rounds without one, without a diff."""
    kept = [one for one in rounds if one.built_upon]
    others = [one for one in rounds if not one.built_upon]
    known = chain(patch_views(row, runs, every, kept), patch_views(row, runs, every, others, DROPPED_LINES))
    return chain((PatchView(one, None) for one in rounds), within(known))


def shown_rounds(rounds: Sequence[RoundView], most: int = MOST_ROUNDS) -> tuple[RoundView, ...]:
    """The rounds of a report: all, or those on the path to the tip and the newest."""
    last = next((one for one in reversed(rounds) if one.decided), None)
    path = set(ancestors(rounds, last.tip if last else None)[: most - 1]) | {0}
    others = [one.number for one in rounds if one.number not in path]
    wanted = path | set(others[max(len(others) - (most - len(path)), 0) :])
    return tuple(one for one in rounds if one.number in wanted)


def pictures_of(view: ReportView) -> dict[str, Picture | None]:
    """The charts of a report; None where there is nothing to draw."""
    measured = any(score for one in view.rounds for score in one.scores.values())
    spent = any(line.calls for line in view.costs)
    return {
        "scores": picture(
            "scores",
            "Scores of all candidates over rounds with 95 % intervals; the line is the path to the tip.",
            charts.scores_chart(view.rounds),
        )
        if measured
        else None,
        "evidence": picture(
            "evidence",
            "The gate's estimate of each patch's effect when it decided, with its 95 % interval.",
            charts.evidence_chart(view.rounds),
        )
        if any(one.evidence for one in view.rounds)
        else None,
        "costs": picture("costs", "What each role spent.", charts.cost_chart(view.costs)) if spent else None,
    }


def report_html(view: ReportView) -> str:
    """The report as one HTML document, without the secrets of this process's environment."""
    known = {*(one.number for one in view.rounds)}
    pages = environment(lambda number: f"#round-{number}" if number in known and number else "#rounds")
    view = redacted(view, Redactor.of(view.run.config))
    body = pages.get_template("report.html").render(
        **vars(view), ending_names=view.ending_names, pictures=pictures_of(view), sections=SECTIONS, **_written()
    )
    return document(pages, f"{view.run.id}: {view.claim.state}", f"{GENERATOR} {view.run.id}", body)


def _written() -> dict[str, str]:
    return {"version": __version__, "written": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")}


def document(pages: Environment, title: str, generator: str, body: str) -> str:
    """A whole HTML document around a body that is escaped already; the policy lets nothing else run or be loaded."""
    library, script = chart_scripts(), (STATIC / "pages.js").read_text("utf-8")
    style = (STATIC / "style.css").read_text("utf-8")
    return pages.get_template("document.html").render(
        title=title,
        generator=generator,
        body=Markup(body),
        policy=policy((library, script), style),
        library=Markup(library),
        script=Markup(script),
        style=Markup(style),
    )


def policy(scripts: Iterable[str], style: str) -> str:
    """A content security policy that lets these scripts and this style be used, and nothing be loaded."""
    rules: Mapping[str, Iterable[str]] = {
        "default-src": ["'none'"],
        "script-src": [_hash(script) for script in scripts],
        "style-src": [_hash(style)],
        "img-src": ["data:"],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
    }
    return "; ".join(" ".join(chain([name], values)) for name, values in rules.items())


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"
