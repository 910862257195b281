"""Shared by all tests: tests marked `docker` are left out, loudly, where no engine answers."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from evolve.sandbox import engine
from tests.played import play
from tests.upstream import Upstream, scripted_upstream


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    marked = [item for item in items if item.get_closest_marker("docker")]
    if marked and "not docker" not in (config.option.markexpr or "") and not engine.answers():
        reason = pytest.mark.skip(reason="no container engine answers: `make setup` brings one")
        for item in marked:
            item.add_marker(reason)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Interrupts are heard, also where the tests run in the background of a shell, which lets programs ignore them."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def upstream_process() -> Iterator[Upstream]:
    with scripted_upstream() as running:
        yield running


@pytest.fixture
def upstream(upstream_process: Upstream) -> Upstream:
    """The scripted endpoint of tests/upstream.py, without a script."""
    upstream_process.script()
    return upstream_process


@pytest.fixture(scope="session")
def played_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top, before = tmp_path_factory.mktemp("played"), Path.cwd()
    os.chdir(top)
    try:
        play()
    finally:
        os.chdir(before)
    return top


@pytest.fixture
def played_home(
    played_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Path:
    """A finished run in the current folder; without an engine, but in tests that are marked to need one."""
    place = tmp_path / "home"
    shutil.copytree(played_template, place)
    monkeypatch.chdir(place)
    if not request.node.get_closest_marker("docker"):
        monkeypatch.setattr(engine, "answers", lambda: False)
    return place
