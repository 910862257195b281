"""The numbers of attempts, where the gate's modules look for them."""

from evolve.core.attempts import (
    AGAIN,
    ATTEMPTS_PER_TIP,
    FRESH,
    first_attempt,
    first_attempt_again,
    first_fresh_attempt,
)

__all__ = ["AGAIN", "ATTEMPTS_PER_TIP", "FRESH", "first_attempt", "first_attempt_again", "first_fresh_attempt"]
