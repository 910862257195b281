"""Which tests need parts of the client that are not here yet: they are expected to fail, and must."""

from __future__ import annotations

from pathlib import Path

import pytest

NOT_YET: frozenset[str] = frozenset()
REASON = "the client does not know how to deal with this endpoint yet"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == Path(__file__).parent and item.name in NOT_YET:
            item.add_marker(pytest.mark.xfail(strict=True, reason=REASON))
