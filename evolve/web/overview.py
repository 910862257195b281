"""The page of one run, its charts, and two runs side by side."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from evolve.core.errors import EvolveError
from evolve.core.records import Evidence, Split, Verdict
from evolve.core.scores import Score, score_of_moments
from evolve.pages import charts
from evolve.pages.round_views import Kind, RoundView
from evolve.report.compare_runs import comparison_rows, difference_lines
from evolve.runs.control import proposed_resumption
from evolve.runs.stored_config import is_measurement
from evolve.store import RunRow, Store
from evolve.store.paging import Page, RoundFilter, TrialFilter
from evolve.web.asking import parts
from evolve.web.round_pages import rounds_with_figures
from evolve.web.site import Site, asked, missing, site_of
from evolve.web.summary import Summary, compared

LOG_SHOWN = 3_000
LATEST = 8
# So many of the newest rounds are on the charts.
CHARTED = 200


def run(request: Request) -> Response:
    """One run: what it may claim, what it does now, its newest rounds, and what may be done with it."""
    site = site_of(request)
    with site.run(request) as (store, row):
        situation = site.controls.situation(store, row.id)
        marker = store.state_marker(row.id)
        whole, problem = _summary_or_problem(site, row, marker)
        newest = rounds_with_figures(store, row.id, RoundFilter(), Page(0, LATEST, "round", True))
        latest = store.newest_trials(row.id, TrialFilter(), 0, 2 * LATEST)[0]
        costs, grid = (site.cost(row, marker), site.grid(row, marker)) if whole else (None, None)
        newest_number = store.newest_round(row.id)
    return site.page(
        request,
        "run.html",
        row.id,
        (("Runs", "/"),),
        run=row.id,
        row=row,
        whole=whole,
        problem=problem,
        situation=situation,
        resumption=proposed_resumption(situation),
        is_measurement=is_measurement(row),
        rounds=newest,
        trials=latest,
        newest=newest_number,
        splits=list(Split),
        log=site.controls.log_tail(row.id, LOG_SHOWN),
        costs=costs,
        grid=grid,
    )


def _summary_or_problem(site: Site, row: RunRow, marker: Hashable) -> tuple[Summary | None, str]:
    """The run as a whole; None and why not, where its rows can't be read: the rest of the page needs none of that."""
    try:
        return site.summary(row, marker), ""
    except EvolveError as error:
        return None, str(error)


def chart(request: Request) -> Response:
    """The specification of a chart, for the script of the page; an empty one if there is nothing to draw."""
    site, name = site_of(request), request.path_params["name"]
    if name not in CHARTS:
        raise missing("There is no such chart.")
    with site.run(request) as (store, row):
        run, marker = row.id, store.state_marker(row.id)
    return site.json(site.chart(run, name, marker, lambda own: CHARTS[name](own, run)))


def _scores(store: Store, run: str) -> charts.Spec:
    rounds = charted_rounds(store, run)
    return charts.scores_chart(rounds) if any(one.scores.values() for one in rounds) else {}


def _evidence(store: Store, run: str) -> charts.Spec:
    rounds = charted_rounds(store, run)
    return charts.evidence_chart(rounds) if any(one.evidence for one in rounds) else {}


CHARTS: Mapping[str, Callable[[Store, str], charts.Spec]] = {"scores": _scores, "evidence": _evidence}


def charted_rounds(store: Store, run: str) -> list[RoundView]:
    """The newest rounds, in order, with what the charts show of them."""
    newest = rounds_with_figures(store, run, RoundFilter(), Page(0, CHARTED, "round", True))
    return [_charted(row) for row in reversed(newest)]


def _charted(row: Mapping[str, Any]) -> RoundView:
    known = row["effect"] is not None
    return RoundView(
        number=row["number"],
        kind=Kind.NULL_COPY if row["null_copy"] else Kind.PATCH if row["number"] else Kind.SEED,
        started_at=row["started_at"],
        verdict=Verdict(row["verdict"]) if row["verdict"] else None,
        would_be=Verdict(row["would_be"]) if row["would_be"] else None,
        parent=row["parent_round"],
        hypothesis=row["hypothesis"] or "",
        evidence=Evidence(row["effect"], row["error"], row["doubt"]) if known else None,
        scores={Split(split): score for split, one in row["figures"].items() if (score := _score(one))},
    )


def _score(figures: Mapping[str, Any]) -> Score | None:
    known = figures["reward"] is not None and figures["tasks"]
    return score_of_moments(figures["reward"], figures["square"], figures["tasks"]) if known else None


def compare(request: Request) -> Response:
    """Two runs side by side."""
    site, ask = site_of(request), asked(request)
    names = (ask.text("a"), ask.text("b"))
    with site.stores.open() as store:
        known = [row.id for row in store.runs()]
        rows = [store.run(name) for name in names if name]
        for row in rows:
            if row is not None:
                site.secrets.learn(row)
        if None in rows:
            raise missing("There is no such run.")
        summaries = [site.summary(row, store.state_marker(row.id)) for row in rows if row is not None]
        pair = [compared(store, one) for one in summaries if one is not None]
    both = len(pair) == 2
    return site.page(
        request,
        "compare.html",
        "Compare",
        (("Runs", "/"), *(((names[0], parts("runs", names[0])),) if names[0] else ())),
        names=names,
        known=known,
        rows=comparison_rows(pair[0], pair[1]) if both else [],
        differences=difference_lines(pair[0], pair[1]) if both else [],
        is_reading=len(pair) < len([name for name in names if name]),
        same=both and names[0] == names[1],
    )
