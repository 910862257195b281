"""A run as one Markdown page, for an issue or a pull request: tables and diffs, no charts."""

from __future__ import annotations

import functools
import re
from datetime import UTC, datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from evolve import __version__
from evolve.core.escaping import markdown, plain
from evolve.pages import wording
from evolve.pages.environment import FILTERS
from evolve.pages.report import GENERATOR, ReportView
from evolve.pages.task_views import CellState

SIGNS = {
    CellState.PASSED: "●",
    CellState.PARTLY: "◐",
    CellState.FAILED: "○",
    CellState.FAULTS: "!",
    CellState.NOT_MEASURED: "",
}
# So many candidates fit into a table that people read.
COLUMNS = 16


class Inert(str):
    """Text of ours, or escaped already."""


def report_markdown(view: ReportView) -> str:
    """The report as Markdown: what comes from models and sandboxes shows as the text that it is."""
    text = (
        _environment()
        .get_template("report.md")
        .render(
            **vars(view),
            ending_names=view.ending_names,
            columns=view.grid.rounds[:1] + view.grid.rounds[1:][-(COLUMNS - 1) :],
            signs=SIGNS,
            generator=f"{GENERATOR} {view.run.id}",
            version=__version__,
            written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        )
    )
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


@functools.cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("evolve.pages"),
        autoescape=False,
        undefined=StrictUndefined,
        finalize=_inert,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(FILTERS, fenced=fenced, code=code)
    made.globals.update(many=wording.many)
    return made


def _inert(value: Any) -> Any:
    if value is None:
        return ""
    return value if isinstance(value, Inert) or not isinstance(value, str) else markdown(value)


def fenced(text: str) -> Inert:
    """A diff in a fence that nothing in it can end."""
    shown = plain(text, lines=True).rstrip("\n")
    longest = max((len(run) for run in re.findall(r"`+", shown)), default=0)
    fence = "`" * max(3, longest + 1)
    return Inert(f"{fence}diff\n{shown}\n{fence}")


def code(text: str) -> Inert:
    """One line of code."""
    shown = plain(text)
    fence = "`" * (1 + max((len(run) for run in re.findall(r"`+", shown)), default=0))
    return Inert(f"{fence}{shown}{fence}")
