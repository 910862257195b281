"""Check a model's endpoint before anything is spent on trials: what it takes, what it answers, how large and fast."""

from evolve.models.preflight.check import Requests, check_endpoint
from evolve.models.preflight.conversation import MAX_CALLS
from evolve.models.preflight.report import API_NAMES, Preflight, describe_learned

__all__ = ["API_NAMES", "MAX_CALLS", "Preflight", "Requests", "check_endpoint", "describe_learned"]
