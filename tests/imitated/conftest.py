"""One process with all endpoints, and what the check before a run finds out about each."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from evolve.models.preflight import Preflight, check_endpoint
from tests.imitated.endpoint import SECONDS, ImitatedEndpoints, imitated
from tests.imitated.rows import Row

Check = Callable[[Row], Preflight]


@pytest.fixture(scope="session")
def process() -> Iterator[ImitatedEndpoints]:
    with imitated(SECONDS) as running:
        yield running


@pytest.fixture(scope="session")
def check(process: ImitatedEndpoints) -> Check:
    """Checks an endpoint, once for all tests."""
    checked: dict[str, Preflight] = {}

    def check(row: Row) -> Preflight:
        if row.id not in checked:
            checked[row.id] = check_endpoint(row.asked(process.endpoint(row.name)))
        return checked[row.id]

    return check
