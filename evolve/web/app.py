"""The application: which address leads to which page."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from evolve.core.errors import BadInput, EvolveError
from evolve.runs.places import DATABASE
from evolve.store.changes import ChangeCounter
from evolve.web import assets, control_pages, overview, round_pages, run_pages, task_pages, trial_pages
from evolve.web.address import Address
from evolve.web.controls import Controls
from evolve.web.events import Broadcast
from evolve.web.rendering import make_environment
from evolve.web.security import Guard, Keys
from evolve.web.site import Site, site_of
from evolve.web.stores import Stores

STATIC = Path(__file__).with_name("static")
RUN = "/runs/{run}"
# So many databases are open for what is read in the background.
BACKGROUND = 2
ROUND = RUN + "/rounds/{number:int}"


def create_app(runs: Path, address: Address, keys: Keys) -> ASGIApp:
    """Build the application.

    Args:
        runs: The folder of the results; it may have none yet.
        address: Where it will be served.
        keys: What requests have to show.
    """
    site = Site(runs, keys, Stores(runs), Stores(runs, BACKGROUND), Controls(runs), make_environment())
    counter = ChangeCounter(runs / DATABASE)
    library = assets.ChartLibrary(assets.cache_folder())
    broadcast = Broadcast(lambda: (counter.read(), site.controls.marker(), site.finished))

    async def events(_: Request) -> Response:
        if broadcast.is_full:
            return PlainTextResponse("Too many pages are open.\n", status_code=503)
        return StreamingResponse(broadcast.listen(), media_type="text/event-stream")

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            counter.close()
            site.close()

    app = Starlette(
        routes=[Route("/events", events), Route("/static/vega.js", library.answer), *routes()],
        lifespan=lifespan,
        exception_handlers={HTTPException: _http_error, EvolveError: _error, Exception: _bug},
    )
    app.state.site = site
    return Guard(app, address, keys)


def routes() -> list[Route | Mount]:
    return [
        Route("/", run_pages.runs),
        Route("/static/style.css", assets.style),
        Mount("/static", StaticFiles(directory=STATIC)),
        Route("/compare", overview.compare),
        Route(RUN, overview.run),
        Route(RUN + "/charts/{name}", overview.chart),
        Route(RUN + "/rounds", round_pages.rounds),
        Route(ROUND, round_pages.round_page),
        Route(ROUND + "/patch", round_pages.patch),
        Route(ROUND + "/conversation", round_pages.conversation),
        Route(ROUND + "/trials/{attempt:int}/{task:path}", trial_pages.trial),
        Route(RUN + "/trials", trial_pages.trials),
        Route(RUN + "/tasks", task_pages.tasks),
        Route(RUN + "/tasks/{task:path}", task_pages.task),
        Route(RUN + "/log", run_pages.log),
        Route(RUN + "/control/{action}", control_pages.act, methods=["POST"]),
    ]


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    answer = _problem(request, error.status_code, error.detail)
    answer.headers.update(headers)
    return answer


def _error(request: Request, error: Exception) -> Response:
    """An error that was raised on purpose: its message says what to do."""
    return _problem(request, 409 if isinstance(error, BadInput) else 503, str(error))


def _bug(request: Request, error: Exception) -> Response:
    return _problem(request, 500, f"This is a bug in Evolve: {type(error).__name__}. The terminal shows the details.")


def _problem(request: Request, status: int, text: str) -> Response:
    return site_of(request).page(request, "problem.html", "Problem", (("Runs", "/"),), text=text, status=status)
