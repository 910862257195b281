"""The endpoints of all probes, and the run that others are compared with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.imitated.endpoint import ImitatedEndpoints, imitated
from tests.probes.probing import SECONDS, Played, play

Probe = Callable[..., Played]


@pytest.fixture(scope="session")
def endpoints() -> Iterator[ImitatedEndpoints]:
    with imitated(SECONDS) as running:
        yield running


@pytest.fixture
def probe(tmp_path: Path, endpoints: ImitatedEndpoints) -> Probe:
    """Play a run against the endpoint of this name; see `play` for the rest."""
    return lambda name, *options, **changes: play(tmp_path / name, endpoints.endpoint(name), *options, **changes)


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory, endpoints: ImitatedEndpoints, task_images: str) -> Played:
    """A run with an endpoint that has no traits."""
    return play(tmp_path_factory.mktemp("plain"), endpoints.endpoint("plain"))
