"""An executor for tests of the Python API: trials are played here, with recordings, and need no engine."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from evolve.core.records import Outcome, TrialResult, TrialSpec, Usage
from evolve.trial import trajectory
from evolve.trial.self_work import SelfWork, SelfWorkResult
from tests.fakes import chat_event


class Simulated:
    """The more turns `main.py` allows, the more tasks pass."""

    jobs = 2

    def measure(
        self,
        specs: Iterable[TrialSpec],
        on_result: Callable[[TrialResult], None],
        may_start: Callable[[], bool] = lambda: True,
    ) -> None:
        for spec in specs:
            if not may_start():
                return
            on_result(self.run_one(spec))

    def run_one(self, spec: TrialSpec) -> TrialResult:
        turns = re.search(r"MAX_TURNS = (\d+)", (spec.scaffold.folder / "main.py").read_text())
        assert turns is not None
        passed = spec.seed % 8 < int(turns[1])
        document = {"steps": [{"step_id": 1, "source": "agent", "message": "done", "llm_call_count": 1}]}
        events = [chat_event([], error={"status": 400, "code": "x", "message": "x"})]
        stored = [
            trajectory.store(spec.folder / "trials" / f"{spec.key}.{kind}.gz", spec.folder.parent, lines)
            for kind, lines in (("trajectory", [document]), ("recording", events))
        ]
        return TrialResult(
            spec.candidate, spec.task.name, spec.task.split, spec.attempt, spec.seed,
            Outcome.PASSED if passed else Outcome.FAILED, float(passed), Usage(2, 20, 20, 0.0, 1),
            "2026-11-23T21:44:00+00:00", 0.1, "", *stored,
        )  # fmt: skip

    def run_self_work(self, work: SelfWork) -> SelfWorkResult:
        raise NotImplementedError
