"""Templates to answers. Everything that a template shows is escaped, also what could move or reverse text."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, FileSystemLoader
from starlette.responses import HTMLResponse, Response

from evolve.pages import wording
from evolve.pages.environment import environment
from evolve.web.asking import parts

TEMPLATES = Path(__file__).with_name("templates")
# Texts are cut where they are read, with a link to the rest.
MOST_TEXT = 200_000


def make_environment() -> Environment:
    """The templates of pages, with those that the report shares; `page` says where rounds and tasks are."""
    made = environment(lambda number: f"#{number}", most_text=MOST_TEXT)
    made.loader = ChoiceLoader([FileSystemLoader(TEMPLATES), *([made.loader] if made.loader else [])])
    made.filters |= {"seconds": seconds, "when": when, "short": short}
    made.globals |= {"path": parts}
    return made


def page(environment: Environment, template: str, status: int = 200, **values: Any) -> Response:
    """A page of a template with these values."""
    return HTMLResponse(environment.get_template(template).render(**values), status_code=status)


def seconds(number: float | None) -> str:
    """A time of seconds, more exactly than minutes say it."""
    if number is None:
        return wording.UNKNOWN
    return f"{number:.1f} s" if number < 100 else wording.duration(number / 60)


def when(moment: str | None) -> str:
    """A stored time, to the minute, in UTC."""
    if not moment:
        return ""
    try:
        return f"{datetime.fromisoformat(moment).astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    except ValueError:
        return moment


def short(text: str | None, most: int = 160) -> str:
    """One line of at most so many characters."""
    line = " ".join((text or "").split())
    return line if len(line) <= most else f"{line[: most - 1]}…"
