"""What answered the trials of a run and where they ran, and the report when that changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from evolve.budget import run_budget
from evolve.core.caps import Caps
from evolve.core.records import Candidate, TrialCondition, TrialResult, TrialSpec
from evolve.executor.protocol import OnResult
from evolve.gate import Slot
from evolve.host.signals import Stop
from evolve.loop.drift import MOST_VALUES, Drift
from evolve.loop.measuring import Measurer
from evolve.loop.watcher import SilentWatcher
from evolve.store import RunRow, Store
from evolve.trial.conditions import MAX_NAME, condition_of
from tests.fakes import chat_event, completion, result, run_event, task, trial_spec

RUN = "20261123-2144-quiet-otter"


def answered(name: str = "m-1", mark: str = "fp_1", task: str = "alpha", **images: str) -> TrialResult:
    return result(task, condition=TrialCondition((name,), (mark,), **images))


def answer(**fields: Any) -> dict[str, Any]:
    return chat_event([], {**completion(), **fields})


def test_a_trials_conditions_are_those_of_its_answers() -> None:
    events = [
        run_event("ls"),
        answer(model="m-2", system_fingerprint="fp"),
        answer(model="m-1"),
        answer(model="m-2", system_fingerprint=None),
        answer(model=["odd"], system_fingerprint="x" * 999),
        chat_event([], error={"status": 400, "code": "c", "message": "m"}),
    ]
    spec = trial_spec(concurrency=3)
    expected = TrialCondition(("m-1", "m-2"), ("fp", "x" * MAX_NAME), "sha256:1", "sha256:2", 3)
    assert condition_of(spec, events, ("sha256:1", "sha256:2")) == expected
    assert condition_of(spec, [], ("", "")) == TrialCondition(concurrency=3)


def test_each_change_is_reported_once() -> None:
    drift = Drift()
    trials = [answered(), answered(), answered("m-2"), answered("m-1"), answered("m-2", "fp_2"), result()]
    assert [drift.add(trial) for trial in trials] == [
        [],
        [],
        ["the endpoint now answers as m-2 (before: m-1)"],
        [],
        ["the endpoint's fingerprint is now fp_2 (before: fp_1)"],
        [],
    ]


def test_a_resumed_run_reports_only_what_is_new_since() -> None:
    drift = Drift([answered(), answered("m-2")])
    assert drift.add(answered("m-2")) == []
    assert drift.add(answered("m-3")) == ["the endpoint now answers as m-3 (before: m-2)"]


def test_images_are_compared_by_task() -> None:
    drift = Drift()
    assert drift.add(answered(base_image="b1", task_image="a1")) == []
    assert drift.add(answered(task="beta", base_image="b1", task_image="c1")) == []
    assert drift.add(answered(base_image="b2", task_image="a2")) == [
        "the scaffolds' image is now b2 (before: b1)",
        "the image of alpha is now a2 (before: a1)",
    ]


def test_an_endpoint_that_always_changes_is_not_reported_for_ever() -> None:
    drift = Drift()
    lines = [line for number in range(50) for line in drift.add(answered(mark=f"fp_{number}"))]
    assert len(lines) == MOST_VALUES - 1


class Specs:
    """Describes trials of the seed scaffold."""

    def trials(self, commit: str, slots: Iterable[Slot]) -> list[TrialSpec]:
        return [trial_spec(candidate=commit, task=task(name), attempt=attempt) for name, attempt in slots]


class Renamed:
    """Runs trials that the endpoint answers under these names, one after another."""

    jobs = 1

    def __init__(self, *names: str) -> None:
        self.names = list(names)

    def measure(self, specs: Iterable[TrialSpec], on_result: OnResult, may_start: Callable[[], bool]) -> None:
        for spec in specs:
            condition = TrialCondition((self.names.pop(0),))
            trial = result(spec.task.name, 1.0, spec.attempt, candidate=spec.candidate, condition=condition)
            on_result(trial)


class Said(SilentWatcher):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def measure(store: Store, folder: Path, names: Sequence[str], attempts: Sequence[int]) -> list[str]:
    """Measure the seed scaffold in a session of its own; returns what is shown."""
    watcher, budget = Said(), run_budget.begin(store, RUN, folder, Caps(), free=False)
    parts: Any = (Specs(), Renamed(*names), budget, Stop(), watcher, (folder,), Drift(store.trials(RUN)))
    Measurer(RUN, store, *parts, least_room=0).measure(["c" * 40], [("alpha", attempt) for attempt in attempts])
    return watcher.lines


def test_a_run_reports_a_change_in_one_line_also_if_it_happened_in_a_pause(tmp_path: Path) -> None:
    with Store.open(tmp_path / "evolve.db") as store:
        row = ("2026-11-23T21:44:00+00:00", 0, "{}", "0" * 64, "s", "s", "m", None, "{}", "0", "r", None)
        store.create_run(RunRow(RUN, *row), [task("alpha")])
        store.start_race(RUN, [0], None, "2026-11-23T21:44:00+00:00")
        store.add_candidate(RUN, Candidate("c" * 40, 0, None, "branch"))
        assert measure(store, tmp_path, ["m-1", "m-1"], [0, 1]) == []
        assert measure(store, tmp_path, ["m-2", "m-2"], [2, 3]) == ["the endpoint now answers as m-2 (before: m-1)"]
        assert measure(store, tmp_path, ["m-2", "m-3"], [4, 5]) == ["the endpoint now answers as m-3 (before: m-2)"]
