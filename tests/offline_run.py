"""A run without an engine, `-m tests.offline_run HOME ROUNDS`: the embedded model proposes, trials are played."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from evolve import llm
from evolve.core.caps import Caps
from evolve.core.config import RunConfig
from evolve.core.gate_config import GateConfig
from evolve.loop.watcher import SilentWatcher
from evolve.runs import opening
from tests.faults import victim


def main(home: Path, rounds: int) -> None:
    patch = pytest.MonkeyPatch()
    open_model = llm.open_model
    victim.without_containers(patch)
    patch.setattr(llm, "open_model", open_model)
    gate = GateConfig.model_validate({"passes": (1, 2), "risk": 0.2})
    config = RunConfig(
        scaffold=home / "scaffold",
        suite=home / "tasks",
        model="embedded",
        score_attempts=1,
        holdout_attempts=1,
        gate=gate,
    )
    request = opening.RunRequest(config, home / "runs", "offline", 2, Caps())
    with opening.open_run(request, victim.suite(home), SilentWatcher()) as search:
        search.run_rounds(rounds)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
