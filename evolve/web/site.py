"""What the pages share: the results, the state of runs, the secrets and the templates."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import Environment
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from evolve.pages.charts import Spec
from evolve.pages.views import CostLine
from evolve.store import RunRow, Store
from evolve.web.asking import MOST_NUMBER, Asked
from evolve.web.controls import Controls
from evolve.web.recent import Recent
from evolve.web.rendering import page
from evolve.web.security import TEXT_POLICY, Keys
from evolve.web.stores import Stores
from evolve.web.summary import Summary, summarise, summarise_costs

# The script of a page waits for a chart; the page itself doesn't.
CHART_SECONDS = 60.0

Crumb = tuple[str, str]
Handler = Callable[[Request], Response]


@dataclass(frozen=True)
class Site:
    """One folder of results on pages."""

    runs: Path
    keys: Keys
    stores: Stores
    controls: Controls
    templates: Environment
    summaries: Recent[Summary] = field(default_factory=Recent)
    costs: Recent[tuple[CostLine, ...]] = field(default_factory=Recent)
    charts: Recent[Spec] = field(default_factory=lambda: Recent(CHART_SECONDS))

    def page(self, request: Request, template: str, title: str, crumbs: tuple[Crumb, ...], **values: Any) -> Response:
        """A page. crumbs: name and address of the pages above it, the topmost first."""
        shared = {"title": title, "crumbs": crumbs, "form_token": self.keys.form, "asked": asked(request)}
        status = values.pop("status", 200)
        return page(self.templates, template, status, **shared, **values)

    @contextmanager
    def run(self, request: Request) -> Iterator[tuple[Store, RunRow]]:
        """The store and the run that the address names. Raises HTTPException if there is none."""
        numbers = [value for value in request.path_params.values() if isinstance(value, int)]
        with self.stores.open() as store:
            row = store.run(str(request.path_params["run"]))
            if row is None or max(numbers, default=0) > MOST_NUMBER:
                raise missing("There is no such run, or nothing of that number in it.")
            yield store, row

    def summary(self, store: Store, row: RunRow) -> Summary | None:
        """A run as a whole; None while it is read for the first time. Raises BadInput if its rows can't be read."""

        def make() -> Summary:
            with self.stores.open() as own:
                return summarise(own, row, self.runs)

        return self.summaries.get(row.id, store.state_marker(row.id), make)

    def cost(self, store: Store, row: RunRow) -> tuple[CostLine, ...] | None:
        """What each role of a run spent; None while that is read for the first time."""

        def make() -> tuple[CostLine, ...]:
            with self.stores.open() as own:
                return summarise_costs(own, row)

        return self.costs.get(row.id, store.state_marker(row.id), make)

    def chart(self, store: Store, row: RunRow, name: str, draw: Callable[[Store], Spec]) -> Spec:
        """A chart of a run."""

        def make() -> Spec:
            with self.stores.open() as own:
                return draw(own)

        found = self.charts.get((row.id, name), store.state_marker(row.id), make)
        if found is None:
            raise HTTPException(503, "The chart is still being made.")
        return found

    def close(self) -> None:
        for recent in (self.summaries, self.costs, self.charts):
            recent.close()
        self.stores.close()


def site_of(request: Request) -> Site:
    site = request.app.state.site
    assert isinstance(site, Site)
    return site


def asked(request: Request) -> Asked:
    return Asked(request.scope["path"], dict(request.query_params))


def missing(what: str) -> HTTPException:
    return HTTPException(404, what)


def text_answer(text: str) -> Response:
    """A text as it is, which a browser shows and never runs."""
    headers = {"content-security-policy": TEXT_POLICY, "content-disposition": "inline"}
    data = text.encode("utf-8", "replace")
    return PlainTextResponse(data, headers=headers)
