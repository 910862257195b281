"""Check a model's endpoint before anything is spent on trials: what it takes, what it answers, how large and fast."""

from evolve.models.preflight.check import MAX_CALLS, Requests, check_endpoint
from evolve.models.preflight.report import Preflight

__all__ = ["MAX_CALLS", "Preflight", "Requests", "check_endpoint"]
