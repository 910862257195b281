"""Templates to answers. Everything that a template shows is escaped, also what could move or reverse text."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse, Response

from evolve.core.escaping import plain
from evolve.report.gaps import points
from evolve.web.asking import parts

TEMPLATES = Path(__file__).with_name("templates")
UNKNOWN = "unknown"


def make_environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader([TEMPLATES]),
        autoescape=True,
        finalize=shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": percent, "points": points, "dollars": dollars, "count": count, "duration": duration,
        "when": when, "short": short,
    }  # fmt: skip
    environment.globals |= {"path": parts}
    return environment


def page(environment: Environment, template: str, status: int = 200, **values: Any) -> Response:
    """A page of a template with these values."""
    return HTMLResponse(environment.get_template(template).render(**values), status_code=status)


def shown(value: object) -> object:
    """Text as a page shows it: without characters that nobody sees, or that change the direction of others."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return plain(value, lines=True)
    return value


def percent(share: float | None) -> str:
    return "not measured" if share is None else f"{100 * share:.1f} %"


def dollars(usd: float | None) -> str:
    """An amount that may be unknown, which is not the same as nothing."""
    return UNKNOWN if usd is None else f"${usd:,.4f}" if 0 < usd < 1 else f"${usd:,.2f}"


def count(number: int | None) -> str:
    return UNKNOWN if number is None else f"{number:,}"


def duration(seconds: float | None) -> str:
    """Seconds as people say them."""
    if seconds is None:
        return UNKNOWN
    if seconds < 100:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"


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
