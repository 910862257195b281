"""Evolve: improves the scaffold around a language model by measured, reproducible evolution."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evolve.api import (
        Executor,
        Proposer,
        Result,
        Rule,
        Run,
        Watcher,
        calibrate,
        claim,
        claim_against,
        effects,
        evaluate,
        replay,
        run,
    )

__version__ = "0.1.0"
__all__ = [
    "Executor",
    "Proposer",
    "Result",
    "Rule",
    "Run",
    "Watcher",
    "__version__",
    "calibrate",
    "claim",
    "claim_against",
    "effects",
    "evaluate",
    "replay",
    "run",
]


def __getattr__(name: str) -> object:
    """Import the public names when one of them is first used: `import evolve` alone is fast."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from evolve import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
