"""Pages of tasks: the list, and one task across candidates."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from evolve.core.records import Split
from evolve.store.paging import Page
from evolve.web.asking import ROWS, parts
from evolve.web.site import asked, missing, site_of
from evolve.web.trial_pages import neighbours, run_crumbs


def tasks(request: Request) -> Response:
    """The tasks of a run with their splits."""
    site, ask = site_of(request), asked(request)
    with site.run(request) as (store, row):
        known = store.tasks(row.id)
    split, text = ask.choice("split", [*Split]), ask.text("text")
    found = [task for task in known if split in ("", task.split) and text.lower() in task.name.lower()]
    first = ask.number("from") or 0
    older, newer = neighbours(ask, first, len(found[first : first + ROWS]))
    return site.page(
        request,
        "tasks.html",
        "Tasks",
        run_crumbs(row.id),
        run=row.id,
        tasks=found[first : first + ROWS],
        total=len(found),
        split=split,
        text=text,
        splits=list(Split),
        older=older,
        newer=newer,
    )


def task(request: Request) -> Response:
    """One task across candidates, the newest first."""
    site, ask, name = site_of(request), asked(request), request.path_params["task"]
    with site.run(request) as (store, row):
        known = next((one for one in store.tasks(row.id) if one.name == name), None)
        if known is None:
            raise missing("The run has no such task.")
        first = ask.number("from") or 0
        found = store.task_page(row.id, name, Page(first, ROWS))
        every = store.candidates_count(row.id)
    older, newer = neighbours(ask, first, len(found))
    return site.page(
        request,
        "task.html",
        name,
        (*run_crumbs(row.id), ("Tasks", parts("runs", row.id, "tasks"))),
        run=row.id,
        task=known,
        rows=found,
        every=every,
        older=older,
        newer=newer,
    )
