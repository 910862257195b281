"""Check a model's endpoint before anything is spent on trials: what it takes, what it answers, how large and fast."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evolve.core.config import AskedModel
from evolve.models.preflight.report import API_NAMES, Preflight, describe_learned
from evolve.models.preflight.requests import MAX_CALLS, USUAL, Requests

if TYPE_CHECKING:
    from evolve.models.preflight.conversation import Open

__all__ = ["API_NAMES", "MAX_CALLS", "Preflight", "Requests", "check_endpoint", "describe_learned"]


def check_endpoint(asked: AskedModel, requests: Requests = USUAL, open_model: Open | None = None) -> Preflight:
    """Check the endpoint of a model; see `check.check_endpoint`, which is slow to import and needed for endpoints only.

    Raises:
        BadInput, RequestsRefused, InfraError: As there.
    """
    from evolve.models.preflight import check

    return check.check_endpoint(asked, requests, open_model or check.open_unchecked)
