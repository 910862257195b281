"""The templates, and what fills them: every text is escaped for HTML, and no control character is left in it.

What comes from models and sandboxes is text wherever it stands: `plain` makes control, format and direction characters
visible before the template escapes the rest.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import DiffLexer

from evolve.core.escaping import plain
from evolve.pages import wording
from evolve.report.gaps import points

# Characters of one text on a page; the command line shows the whole.
MOST_TEXT = 4_000

FILTERS: Mapping[str, Callable[..., Any]] = {
    "percent": wording.percent,
    "with_interval": wording.with_interval,
    "effect": wording.effect,
    "estimate": wording.estimate,
    "dollars": wording.dollars,
    "count": wording.count,
    "duration": wording.duration,
    "points": points,
}


def environment(
    round_url: Callable[[int], str], task_url: Callable[[str], str] | None = None, most_text: int = MOST_TEXT
) -> Environment:
    """The templates.

    Args:
        round_url: Where a round is shown.
        task_url: Where a task is shown across candidates; None: nowhere.
        most_text: Characters of one text.
    """
    made = Environment(
        loader=PackageLoader("evolve.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=functools.partial(inert, most=most_text),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(FILTERS, diff=coloured_diff, data=data)
    made.globals.update(round_url=round_url, task_url=task_url, many=wording.many)
    return made


def inert(value: Any, most: int = MOST_TEXT) -> Any:
    """A text without control characters and of bounded length; nothing for None. Other values as they are."""
    if value is None:
        return ""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return plain(value if len(value) <= most else f"{value[:most]} [...]", lines=True)


def coloured_diff(text: str) -> Markup:
    """A unified diff as HTML: a span with a class for each kind of line."""
    formatter = HtmlFormatter(nowrap=True, classprefix="d-")
    return Markup(highlight(plain(text, lines=True), _lexer(), formatter).rstrip("\n"))


@functools.cache
def _lexer() -> DiffLexer:
    return DiffLexer(stripnl=False, ensurenl=False)


def data(value: Any) -> Markup:
    """A value as JSON for a `<script type="application/json">`: nothing in it can end the element."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)
