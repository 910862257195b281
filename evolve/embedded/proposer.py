"""The proposer role."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evolve.embedded.knobs import Knobs
from evolve.errors import RequestRefused


def propose(body: Mapping[str, Any], knobs: Knobs) -> dict[str, Any]:
    """The assistant's message for a request that offers `propose`."""
    raise RequestRefused(400, "invalid_request", "the proposer role is not available")
