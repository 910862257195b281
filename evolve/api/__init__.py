"""The public names, which `evolve` imports when they are first used: see docs/api.md."""

from evolve.api.functions import calibrate, claim, evaluate, replay, run
from evolve.api.results import Result
from evolve.api.side_by_side import claim_against, effects
from evolve.api.stored import Run
from evolve.executor.protocol import Executor
from evolve.gate.ruling import Rule
from evolve.loop.proposer import Proposer
from evolve.loop.watcher import Watcher

__all__ = [
    "Executor",
    "Proposer",
    "Result",
    "Rule",
    "Run",
    "Watcher",
    "calibrate",
    "claim",
    "claim_against",
    "effects",
    "evaluate",
    "replay",
    "run",
]
