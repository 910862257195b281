"""The demo: a real recorded run, played in the view of a run, and its report. Needs no engine, key or network."""

from __future__ import annotations

import contextlib
import sys
import tempfile
import webbrowser
from importlib import resources
from pathlib import Path

from evolve.core.escaping import plain
from evolve.host import disk
from evolve.host.temporary import temporary_folder
from evolve.pack.verify import extract_pack
from evolve.pages.report import report_html, report_view
from evolve.report.live import Live
from evolve.report.recording import PlayedClock, moments_of, play
from evolve.runs.lookup import open_results, run_row
from evolve.runs.stored_config import stored_config

RECORDING = "demo.evolve.zip"


def demo(file: Path | None, speed: float | None, opens: bool) -> None:
    """Play a recording, write its report, and open that where somebody is looking."""
    watched = sys.stdout.isatty()
    with temporary_folder("pack") as place, contextlib.ExitStack() as stack:
        packed = file or stack.enter_context(resources.as_file(resources.files("evolve.report") / RECORDING))
        extract_pack(packed, place / "runs")
        report = _show(place / "runs", speed if watched else 0.0)
    print(plain(f"its report: {report}"))
    if opens and watched:
        _open(report)
    print("\n".join(_next_lines()))


def _show(runs: Path, speed: float | None) -> Path:
    """Play the run of a folder; -> the file with its report."""
    with open_results(runs) as store:
        row = run_row(store, None)
        moments, clock = moments_of(store, row.id), PlayedClock()
        config = stored_config(row)
        with Live(config.priced, clock=clock) as view:
            rounds = len(store.rounds_in_brief(row.id)) - 1
            view.say(f"a recording of a real run ({row.id}: {rounds} rounds, model {config.model}); nothing runs now")
            play(moments, view, clock, speed)
        text = report_html(report_view(store, row, runs))
    target = Path(tempfile.mkdtemp(prefix="evolve-demo-")) / f"evolve-report-{row.id}.html"
    disk.write_atomically(target, text.encode("utf-8", "replace"))
    return target


def _open(report: Path) -> None:
    """Open a page in a browser with a window; one in the terminal would take its place."""
    try:
        browser = webbrowser.get()
    except webbrowser.Error:
        return
    if type(browser) is not webbrowser.GenericBrowser:
        browser.open(report.as_uri())


def _next_lines() -> list[str]:
    return ["that was a recording. Next: `evolve run` starts a run of your own (docs/getting-started.md)"]
