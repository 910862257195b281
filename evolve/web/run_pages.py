"""Pages of runs: the list, and what its processes print."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from evolve.core.errors import BadInput
from evolve.runs import control
from evolve.runs.stored_config import is_measurement
from evolve.store import RunRow, Store
from evolve.web.asking import ROWS
from evolve.web.site import asked, missing, site_of
from evolve.web.trial_pages import neighbours

LOG_MOST = 8 << 20


def runs(request: Request) -> Response:
    """All runs, the newest first."""
    site, ask = site_of(request), asked(request)
    text, kind, first = ask.text("text"), ask.choice("kind", ("search", "measurement")), ask.number("from") or 0
    try:
        with site.stores.open() as store:
            found = [row for row in store.runs() if _is_chosen(row, text, kind)]
            shown = found[first : first + ROWS]
            for row in shown:
                site.secrets.learn(row)
            states = site.controls.situations(store, [row.id for row in shown])
            newest = store.newest_rounds([row.id for row in shown])
            rows = [
                (row, states[row.id], is_measurement(row), newest.get(row.id, 0), _champion(store, row.id))
                for row in shown
            ]
        problem = ""
    except BadInput as error:
        found, rows, problem = [], [], str(error)
    older, newer = neighbours(ask, first, len(rows))
    return site.page(
        request,
        "runs.html",
        "Runs",
        (),
        runs=rows,
        total=len(found),
        text=text,
        kind=kind,
        problem=problem,
        folder=str(site.runs),
        older=older,
        newer=newer,
    )


def _is_chosen(row: RunRow, text: str, kind: str) -> bool:
    named = any(text.lower() in value.lower() for value in (row.id, row.model, row.scaffold, row.suite))
    return named and kind in ("", "measurement" if is_measurement(row) else "search")


def _champion(store: Store, run: str) -> int:
    """The round of a run's champion; -1 where there is none yet."""
    try:
        return store.champion(run).round
    except LookupError:
        return -1


def log(request: Request) -> Response:
    """What a run that was resumed from a page has printed."""
    site = site_of(request)
    with site.run(request) as (_, row):
        text = site.controls.log_tail(row.id, LOG_MOST)
    if not text:
        raise missing(f"The run has no {control.LOG}: it was not resumed from a page.")
    return site.text(text)
