"""`evolve ui` in a browser during a real run (`make test-browser`): it is live, quiet, inert, and fit for everybody.

Screenshots go to EVOLVE_SCREENSHOTS, if that is set.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.e2e.test_cli import SHORT, home

pytestmark = [
    pytest.mark.skipif(not os.environ.get("EVOLVE_BROWSER"), reason="EVOLVE_BROWSER is not set"),
    pytest.mark.docker,
    pytest.mark.usefixtures("task_images"),
]
__all__ = ["home"]
RUN = f"seen-{os.getpid()}"
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
SECONDS = 300
MS = 60_000
SERIOUS = ("serious", "critical")
# Each chart is there, or says that there is nothing to draw.
DRAWN = "[...document.querySelectorAll('[data-chart]')].every((one) => one.childNodes.length)"
WIDTHS, SCHEMES = {1440: 1000, 390: 844}, ("light", "dark")


@contextmanager
def started(folder: Path, *words: str, **options: Any) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "evolve", *words]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True, **options)
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=SECONDS)


@contextmanager
def browser() -> Iterator[Any]:
    # Only `make test-browser` installs it.
    playwright = pytest.importorskip("playwright.sync_api")
    assert CHROMIUM, "chromium is missing: install it (apt-get install chromium)"
    with playwright.sync_playwright() as running:
        chromium = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


class Watched:
    """A page whose requests stay on this machine, and whose complaints are kept."""

    def __init__(self, chromium: Any, base: str, width: int = 1440, scheme: str = "light") -> None:
        viewport = {"width": width, "height": WIDTHS[width]}
        self.base, self.complaints, self.left = base, list[str](), list[str]()
        self.context = chromium.new_context(viewport=viewport, color_scheme=scheme)
        self.page = self.context.new_page()
        self.page.set_default_timeout(MS)
        self.page.on("console", lambda said: self.complaints.append(said.text) if said.type != "log" else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.route("**/*", self._check)

    def _check(self, route: Any) -> None:
        if urlsplit(route.request.url).netloc == urlsplit(self.base).netloc:
            route.continue_()
        else:
            self.left.append(route.request.url)
            route.abort()

    def open(self, address: str) -> None:
        self.page.goto(self.base + address.lstrip("/"), wait_until="load")
        # Playwright's own waiting evaluates text in the page, which the page's policy forbids.
        deadline = time.monotonic() + MS / 1_000
        while not self.page.evaluate(DRAWN):
            assert time.monotonic() < deadline, address
            self.page.wait_for_timeout(200)

    def close(self) -> None:
        self.context.close()
        assert sorted({*self.complaints}) == [] and self.left == []


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def number(page: Any, selector: str) -> int:
    text = page.locator(selector).first.inner_text()
    return int("".join(character for character in text if character.isdigit()) or 0)


def test_the_pages_during_a_real_run(home: Path) -> None:
    run = ("run", "--rounds", "2", "--run", RUN, *SHORT)
    with (
        started(home, "ui", "--port", "0") as server,
        browser() as chromium,
        started(home, *run, stderr=subprocess.DEVNULL) as process,
    ):
        base = first_line(server)
        watch_numbers_change(chromium, base, process)
        process.wait(SECONDS)
        addresses = see_every_kind_of_page(chromium, base)
        look_at_all(chromium, base, addresses)


def watch_numbers_change(chromium: Any, base: str, process: subprocess.Popen[str]) -> None:
    """The list shows the run when it begins, and its page counts trials, without a reload."""
    watched = Watched(chromium, base)
    watched.page.goto(base)
    link = watched.page.locator(f'a.open[href="/runs/{RUN}"]')
    deadline = time.monotonic() + SECONDS
    while not link.count():
        assert time.monotonic() < deadline and process.poll() is None
        watched.page.wait_for_timeout(1_000)
    link.click()
    watched.page.evaluate("window.mark = 'the same page'")
    rows = watched.page.locator("#trials tbody tr a.open")
    seen = rows.count()
    while rows.count() < seen + 2:
        assert time.monotonic() < deadline
        watched.page.wait_for_timeout(500)
    assert watched.page.evaluate("window.mark") == "the same page"
    watched.close()


def see_every_kind_of_page(chromium: Any, base: str) -> list[str]:
    """From the claim's trials down to a command's output, by clicks; -> an address of each kind of page."""
    watched = Watched(chromium, base)
    page, addresses = watched.page, list[str]()

    def note() -> None:
        addresses.append(page.url.removeprefix(base))

    watched.open("/")
    note()
    page.locator(f'a.open[href="/runs/{RUN}"]').click()
    note()
    page.locator('a[href*="split=validation"]').first.click()
    note()
    page.locator("a.open").first.click()
    page.locator(".text-command pre, .text-file pre").first.wait_for()
    note()
    page.locator(".text-head a").first.click()
    page.go_back()
    for name in ("Rounds", "Tasks", "Compare"):
        page.goto(f"{base}runs/{RUN}")
        page.get_by_role("navigation", name="Pages of the run").get_by_role("link", name=name, exact=True).click()
        note()
    page.goto(f"{base}compare?a={RUN}&b={RUN}")
    note()
    page.goto(f"{base}runs/{RUN}/tasks")
    page.locator("a.open").first.click()
    note()
    page.goto(f"{base}runs/{RUN}/rounds")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/rounds/*")
    note()
    if page.get_by_role("link", name="The conversation").count():
        page.get_by_role("link", name="The conversation").click()
        note()
    page.wait_for_load_state("load")
    page.keyboard.press("?")
    page.locator("#keys").wait_for()
    watched.close()
    return addresses


def look_at_all(chromium: Any, base: str, addresses: list[str]) -> None:
    """Every kind of page at each width in each scheme: nothing serious for axe, and no sideways scrolling."""
    axe_module = pytest.importorskip("axe_playwright_python.sync_playwright")
    folder = os.environ.get("EVOLVE_SCREENSHOTS")
    for width in WIDTHS:
        for scheme in SCHEMES:
            watched = Watched(chromium, base, width, scheme)
            for place, address in enumerate(addresses):
                watched.open(address)
                assert watched.page.evaluate("document.documentElement.scrollWidth") <= width, address
                found = axe_module.Axe().run(watched.page).response["violations"]
                assert [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in SERIOUS] == [], (
                    address
                )
                if folder:
                    watched.page.screenshot(path=f"{folder}/{place}-{width}-{scheme}.png")
            watched.close()
