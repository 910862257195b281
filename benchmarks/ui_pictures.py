"""Take the pictures of `evolve ui` in the documentation: `python -m benchmarks.ui_pictures [PACK] [FOLDER]`.

It needs Chromium and Playwright (`make test-browser` installs both). PACK is a packed run, by default the recording of
`evolve demo`. A pack with trajectories also gives the picture of a trial. Suite and scaffold are shown by their names,
without the folders of the machine on which the run was made.
"""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

from playwright.sync_api import sync_playwright

from benchmarks.demo_recording import TARGET
from evolve.pack.verify import extract_pack

IMAGES = Path(__file__).parent.parent / "docs" / "img"
SIZE = {"width": 1440, "height": 1240}
MS = 300_000
DRAWN = "[...document.querySelectorAll('[data-chart]')].every((one) => one.childNodes.length)"
# The second step with a command of the first trial that passed.
TRIAL = """
    SELECT c.round, t.attempt, t.task FROM trial t JOIN candidate c ON c.id = t.candidate_id
    WHERE t.trajectory_path IS NOT NULL AND t.outcome = 'passed' ORDER BY t.id LIMIT 1
"""


def main(packed: Path = TARGET, target: Path = IMAGES) -> None:
    with TemporaryDirectory(prefix="evolve-pictures-") as name:
        runs = Path(name) / "runs"
        run = extract_pack(packed, runs).run
        trial = _prepare(runs / "evolve.db")
        with _served(runs) as base, _browser() as browser:
            _take(browser, f"{base}/runs/{run}", "dark", target / "ui-run.png")
            if trial:
                address = "/".join(quote(str(part), safe="") for part in (trial[0], "trials", *trial[1:]))
                _take(browser, f"{base}/runs/{run}/rounds/{address}#step-3", "light", target / "ui-trial.png")


def _prepare(database: Path) -> tuple[int, int, str] | None:
    """Show names in place of folders; the round, attempt and task of a trial to show, if there is one."""
    with closing(sqlite3.connect(database)) as connection, connection:
        for run, suite, scaffold in connection.execute("SELECT id, suite, scaffold FROM run").fetchall():
            values = (Path(suite).name, Path(scaffold).name, run)
            connection.execute("UPDATE run SET suite = ?, scaffold = ? WHERE id = ?", values)
        row = connection.execute(TRIAL).fetchone()
    return None if row is None else (int(row[0]), int(row[1]), str(row[2]))


@contextmanager
def _served(runs: Path) -> Iterator[str]:
    """Serve the results; yields the address."""
    command = [sys.executable, "-m", "evolve", "ui", "--runs", str(runs), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield next(word for word in process.stdout.readline().split() if word.startswith("http")).rstrip("/")
    finally:
        process.terminate()
        process.wait()


@contextmanager
def _browser() -> Iterator[Any]:
    with sync_playwright() as running:
        chromium = running.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield chromium
        chromium.close()


def _take(browser: Any, address: str, scheme: str, target: Path) -> None:
    """Take a picture of a page when what it waits for is there."""
    context = browser.new_context(viewport=SIZE, color_scheme=scheme, bypass_csp=True)
    page = context.new_page()
    page.set_default_timeout(MS)
    page.goto(address, wait_until="load")
    if "/trials/" not in address:
        page.locator(".claim").wait_for()
        page.wait_for_function(DRAWN)
    page.wait_for_timeout(2_000)
    page.screenshot(path=str(target))
    context.close()
    print(target)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
