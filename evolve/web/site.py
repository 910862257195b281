"""What the pages share: the results, the state of runs, the secrets and the templates."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from jinja2 import Environment
from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from evolve.pages.charts import Spec
from evolve.pages.reading import task_grid
from evolve.pages.redaction import redacted
from evolve.pages.run_views import CostLine
from evolve.pages.task_views import TaskGrid
from evolve.store import RunRow, Store
from evolve.web.asking import MOST_NUMBER, Asked, parts
from evolve.web.controls import Controls
from evolve.web.recent import Recent
from evolve.web.rendering import page
from evolve.web.secrets import Secrets
from evolve.web.security import TEXT_POLICY, Keys
from evolve.web.stores import Stores
from evolve.web.summary import OwnEffect, Summary, own_effect_of, summarise, summarise_costs

# The script of a page waits for a chart; the page itself doesn't.
CHART_SECONDS = 60.0
# So many candidates are columns of the tasks by candidates.
COLUMNS = 30

Value = TypeVar("Value")
Crumb = tuple[str, str]
Handler = Callable[[Request], Response]


@dataclass(frozen=True)
class Site:
    """One folder of results on pages."""

    runs: Path
    keys: Keys
    stores: Stores
    background: Stores
    controls: Controls
    templates: Environment
    secrets: Secrets = field(default_factory=Secrets)
    summaries: Recent[Summary] = field(default_factory=Recent)
    costs: Recent[tuple[CostLine, ...]] = field(default_factory=Recent)
    grids: Recent[Markup] = field(default_factory=Recent)
    effects: Recent[OwnEffect] = field(default_factory=Recent)
    charts: Recent[Spec] = field(default_factory=lambda: Recent(CHART_SECONDS))

    def page(self, request: Request, template: str, title: str, crumbs: tuple[Crumb, ...], **values: Any) -> Response:
        """A page without secrets. crumbs: name and address of the pages above it, the topmost first."""
        status = values.pop("status", 200)
        shared: dict[str, Any] = {"title": title, "crumbs": crumbs, "asked": asked(request)}
        shown = redacted({**shared, **values}, self.secrets.redactor)
        own = {"form_token": self.keys.form, **places(str(shown.get("run", "")))}
        return page(self.templates, template, status, **own, **shown)

    def text(self, text: str) -> Response:
        """A text as it is but for secrets, which a browser shows and never runs."""
        headers = {"content-security-policy": TEXT_POLICY, "content-disposition": "inline"}
        data = self.secrets.redactor.text(text).encode("utf-8", "replace")
        return PlainTextResponse(data, headers=headers)

    def json(self, value: Any) -> Response:
        """A value without secrets for the script of a page."""
        return JSONResponse(redacted(value, self.secrets.redactor))

    @contextmanager
    def run(self, request: Request) -> Iterator[tuple[Store, RunRow]]:
        """The store and the run that the address names. Raises HTTPException if there is none."""
        numbers = [value for value in request.path_params.values() if isinstance(value, int)]
        with self.stores.open() as store:
            row = store.run(str(request.path_params["run"]))
            if row is None or max(numbers, default=0) > MOST_NUMBER:
                raise missing("There is no such run, or nothing of that number in it.")
            self.secrets.learn(row)
            yield store, row

    def summary(self, row: RunRow, marker: Hashable) -> Summary | None:
        """A run as a whole; None while it is read for the first time. Raises BadInput if its rows can't be read.

        Here and below, `marker` is the state of the run's rows, as of `store.state_marker`.
        """
        return self._read(self.summaries, row.id, marker, lambda own: summarise(own, row, self.runs))

    def cost(self, row: RunRow, marker: Hashable) -> tuple[CostLine, ...] | None:
        """What each role of a run spent; None while that is read for the first time."""
        return self._read(self.costs, row.id, marker, lambda own: summarise_costs(own, row))

    def grid(self, row: RunRow, marker: Hashable) -> Markup | None:
        """The tasks of a run by candidates, as the part of a page; None while that is made for the first time."""
        return self._read(self.grids, row.id, marker, lambda own: self._grid(task_grid(own, row.id, COLUMNS), row.id))

    def _grid(self, grid: TaskGrid, run: str) -> Markup:
        shown = redacted(grid, self.secrets.redactor)
        return Markup(self.templates.get_template("parts/grid.html").render(grid=shown, **places(run)))

    def effect(self, row: RunRow, marker: Hashable, number: int, commits: tuple[str, str]) -> OwnEffect | None:
        """What a patch did, of the commits of its parent and itself; None while that is read for the first time."""
        return self._read(self.effects, (row.id, number), marker, lambda own: own_effect_of(own, row.id, *commits))

    def chart(self, run: str, name: str, marker: Hashable, draw: Callable[[Store], Spec]) -> Spec:
        """A chart of a run."""
        found = self._read(self.charts, (run, name), marker, draw)
        if found is None:
            raise HTTPException(503, "The chart is still being made.")
        return found

    @property
    def finished(self) -> int:
        """How many values for pages were made, so that pages can be told of new ones."""
        return sum(one.finished for one in (self.summaries, self.costs, self.grids, self.effects))

    def _read(
        self, known: Recent[Value], key: Hashable, marker: Hashable, make: Callable[[Store], Value]
    ) -> Value | None:
        """A value that is made from a run's rows, with a store of its own: requests hold the others."""

        def read() -> Value:
            with self.background.open() as own:
                return make(own)

        return known.get(key, marker, read)

    def close(self) -> None:
        for recent in (self.summaries, self.costs, self.grids, self.effects, self.charts):
            recent.close()
        self.stores.close()
        self.background.close()


def places(run: str) -> dict[str, Any]:
    """Where the rounds and tasks of a run are shown."""
    return {
        "round_url": lambda number: parts("runs", run, "rounds", number),
        "task_url": lambda name: parts("runs", run, "tasks", name),
    }


def site_of(request: Request) -> Site:
    site = request.app.state.site
    assert isinstance(site, Site)
    return site


def asked(request: Request) -> Asked:
    return Asked(request.scope["path"], dict(request.query_params))


def missing(what: str) -> HTTPException:
    return HTTPException(404, what)
