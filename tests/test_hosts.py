"""The hosts of an allowlist."""

from __future__ import annotations

import pytest

from evolve.suite.hosts import normal_host


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        (" PyPI.org. ", "pypi.org"),
        ("*.example.com", "*.example.com"),
        ("192.0.2.1", "192.0.2.1"),
        ("2001:DB8::0:1", "2001:db8::1"),
        ("10.0.0.0/8", "10.0.0.0/8"),
    ],
)
def test_an_entry_has_one_spelling(given: str, normal: str) -> None:
    assert normal_host(given) == normal


@pytest.mark.parametrize(
    "given", ["", "http://x", "x:80", "a b", "*", "*.10.0.0.1", "10.0.0.1/8", "-a.example", "a..b"]
)
def test_anything_else_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match="must be a name"):
        normal_host(given)
