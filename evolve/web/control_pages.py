"""What forms of the pages do: pause, stop and resume a run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from evolve.core.caps import Caps
from evolve.core.errors import BadInput
from evolve.runs.control import Action, Resumption
from evolve.web.asking import parts
from evolve.web.security import same
from evolve.web.site import Site, missing, site_of

MOST_BYTES = 10_000
FORM_TYPE = "application/x-www-form-urlencoded"
MOST = 10**12


async def act(request: Request) -> Response:
    """Do what a form asks for, then lead back to the run."""
    site, values = site_of(request), await form_values(request)
    if not same(values.get("form_token", ""), site.keys.form):
        raise HTTPException(403, "The page is of an earlier start of this server: reload it, then try again.")
    action = next((one for one in Action if one == request.path_params["action"]), None)
    if action is None:
        raise missing("There is no such action.")
    run = str(request.path_params["run"])
    await run_in_threadpool(_act, site, run, action, resumption_of(values))
    return RedirectResponse(parts("runs", run), status_code=303)


def _act(site: Site, run: str, action: Action, resumption: Resumption) -> None:
    with site.stores.open() as store:
        row = store.run(run)
        if row is None:
            raise missing("There is no such run.")
        site.controls.act(store, row, action, resumption)


async def form_values(request: Request) -> Mapping[str, str]:
    """The fields of a form. Raises HTTPException for what is none, or too large for one of ours."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM_TYPE:
        raise HTTPException(415, "Only forms are taken.")
    data = bytearray()
    async for piece in request.stream():
        data += piece
        if len(data) > MOST_BYTES:
            raise HTTPException(413, "The form is too large.")
    return dict(parse_qsl(data.decode("utf-8", "replace"), keep_blank_values=True))


def resumption_of(values: Mapping[str, str]) -> Resumption:
    """How a form asks for a run to be resumed. Raises BadInput for fields that are no numbers."""
    caps = Caps(
        usd=_number(values, "usd"), tokens=_whole(values, "tokens"), seconds=_number(values, "seconds"),
        trials=_whole(values, "trials"),
    )  # fmt: skip
    return Resumption(_whole(values, "rounds"), caps)


def _number(values: Mapping[str, str], name: str) -> float | None:
    text = values.get(name, "").strip()
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not (math.isfinite(number) and 0 <= number <= MOST):
        raise BadInput(name, "is no number", "leave it empty, or give a number of at least 0")
    return number


def _whole(values: Mapping[str, str], name: str) -> int | None:
    number = _number(values, name)
    if number is None or number == int(number):
        return None if number is None else int(number)
    raise BadInput(name, "is no whole number", "leave it empty, or give one of at least 0")
