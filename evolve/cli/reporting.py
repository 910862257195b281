"""The command that writes a run as one file to mail."""

from __future__ import annotations

from pathlib import Path

from evolve.core.errors import BadInput
from evolve.core.escaping import plain
from evolve.host import disk
from evolve.pages.markdown import report_markdown
from evolve.pages.report import GENERATOR, report_html, report_view
from evolve.runs.lookup import open_results, run_row
from evolve.runs.settings import Settings

# A mark of who wrote a file stands within so many bytes.
MARKED_WITHIN = 4_096


def report(settings: Settings, to: Path | None, as_markdown: bool, force: bool) -> None:
    """Write the report of a run, and print where.

    Raises:
        BadInput: There is no such run, or the file is there and is no report of this run.
    """
    with open_results(settings.runs) as store:
        row = run_row(store, settings.run)
        path = to or Path(default_name(row.id, as_markdown))
        check_target(path, row.id, force)
        view = report_view(store, row, settings.runs)
    text = report_markdown(view) if as_markdown else report_html(view)
    disk.write_atomically(path, text.encode("utf-8", "replace"))
    print(plain(f"{view.claim.headline}\nwritten to {path}", lines=True))


def default_name(run: str, as_markdown: bool = False) -> str:
    """The name of a report's file in the current folder, unless another one is given."""
    return f"evolve-report-{run}.{'md' if as_markdown else 'html'}"


def check_target(path: Path, run: str, force: bool) -> None:
    """Refuse to write where another file, or a folder, is; an earlier report of the run may be replaced."""
    if path.is_dir():
        raise BadInput(str(path), "is a folder", f"give a file, such as {path / default_name(run)}")
    if path.exists() and not force and not is_report(path, run):
        raise BadInput(str(path), "exists, and is no report of this run", "give another file with -o, or --force")


def is_report(path: Path, run: str) -> bool:
    """Whether a file is an earlier report of this run."""
    with disk.convert_os_errors(path), path.open("rb") as file:
        return f"{GENERATOR} {run}".encode() in file.read(MARKED_WITHIN)
