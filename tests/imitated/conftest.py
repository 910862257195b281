"""One process with all endpoints; and which tests need parts of the client that are not here yet."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.imitated.endpoint import SECONDS, ImitatedEndpoints, imitated


@pytest.fixture(scope="session")
def process() -> Iterator[ImitatedEndpoints]:
    with imitated(SECONDS) as running:
        yield running
