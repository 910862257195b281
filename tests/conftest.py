"""Shared by all tests: tests marked `docker` are left out, loudly, where no engine answers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from evolve.sandbox import engine
from tests.upstream import Upstream, scripted_upstream


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    marked = [item for item in items if item.get_closest_marker("docker")]
    if marked and "not docker" not in (config.option.markexpr or "") and not engine.answers():
        reason = pytest.mark.skip(reason="no container engine answers: `make setup` brings one")
        for item in marked:
            item.add_marker(reason)


@pytest.fixture(scope="session")
def upstream_process() -> Iterator[Upstream]:
    with scripted_upstream() as running:
        yield running


@pytest.fixture
def upstream(upstream_process: Upstream) -> Upstream:
    """The scripted endpoint of tests/upstream.py, without a script."""
    upstream_process.script()
    return upstream_process
