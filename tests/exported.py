"""A small stored run for tests of exports: two rounds, every outcome, all splits, files as a trial stores them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from evolve.core.config import RunConfig
from evolve.core.records import Candidate, Fault, Outcome, Split, Task, TrialResult, Usage, VerifierMode
from evolve.store import RunRow, Store
from evolve.trial import trajectory
from evolve.trial.recording import TIME_FIELDS
from tests.fakes import chat_event, completion, run_event, task, tool_call, trial_spec

RUN = "20261123-2144-quiet-otter"
KEY = "sk-test-0123456789abcdef"
VERIFIER_OUTPUT = "AssertionError: hidden test wants 4711"
SEED, PATCH = Candidate("c" * 40, 0, None, f"evolve/{RUN}/round-0000"), Candidate("d" * 40, 1, "c" * 40, "b1")
CONFIG = RunConfig(model="scripted", base_url="http://h/v1", prompt_price=1.0, completion_price=2.0)
TOOL = {"type": "function", "function": {"name": "shell", "parameters": {"type": "object"}}}
SLOTS = [
    ("alpha", Split.TRAIN, SEED, Outcome.PASSED),
    ("alpha", Split.TRAIN, PATCH, Outcome.FAILED),
    ("beta", Split.TRAIN, SEED, Outcome.TIMEOUT),
    ("beta", Split.TRAIN, PATCH, Outcome.SCAFFOLD_ERROR),
    ("gamma", Split.VALIDATION, SEED, Outcome.BUDGET),
    ("gamma", Split.VALIDATION, SEED, Outcome.INFRA_ERROR),
    ("delta", Split.HOLDOUT, SEED, Outcome.FAILED),
]


def events(key: str = KEY, timed: bool = True) -> list[dict[str, Any]]:
    """A short conversation whose output holds a key."""
    call = completion("I look.", tool_call("shell", {"command": "ls"}))
    first = chat_event([{"role": "user", "content": "Mend it."}], call)
    first["request"] |= {"tools": [TOOL], "temperature": 0.5, "seed": 7, "max_tokens": 100}
    answer = {"role": "tool", "tool_call_id": "call_1", "content": f"TOKEN={key}"}
    history = [*first["request"]["messages"], call["choices"][0]["message"], answer]
    refused = chat_event(history, error={"status": 400, "code": "too_long", "message": "too long"})
    conversation = [first, run_event(f"echo {key}", 0, f"TOKEN={key}"), refused, chat_event(history, completion("Bye"))]
    return [at(event, second) for second, event in enumerate(conversation)] if timed else conversation


def at(event: dict[str, Any], second: int) -> dict[str, Any]:
    times = [f"2026-11-23T21:44:{second:02}.{part}+00:00" for part in ("100000", "900000")]
    return {**event, **dict(zip(TIME_FIELDS, times, strict=True))}


def run_row(runs: Path, config: RunConfig = CONFIG) -> RunRow:
    return RunRow(
        RUN, "2026-11-23T21:44:00+00:00", 0, config.canonical(), "0" * 64, str(runs / "suite"), "s", config.model,
        config.base_url, "{}", "0", str(runs), None,
    )  # fmt: skip


def store_run(runs: Path, config: RunConfig = CONFIG, timed: bool = True) -> None:
    """Write the run into a folder of results."""
    tasks = {name: split for name, split, *_ in SLOTS}
    with Store.open(runs / "evolve.db") as store:
        row = run_row(runs, config)
        store.create_run(row, [task(name, split) for name, split in tasks.items()])
        for candidate, parent in ((SEED, None), (PATCH, SEED)):
            store.start_race(RUN, [candidate.round], parent, row.created_at)
            store.add_candidate(RUN, candidate)
        for name, split, candidate, outcome in SLOTS:
            store.add_trial(RUN, _result(runs, task(name, split), candidate, outcome, config, timed))


def _result(
    runs: Path, of: Task, candidate: Candidate, outcome: Outcome, config: RunConfig, timed: bool
) -> TrialResult:
    spec = trial_spec(runs / RUN, task=of, candidate=candidate.commit, model=config.model_spec)
    usage = Usage(2, 20, 20, 0.00006 if config.model_spec.priced else 0.0, 1)
    is_infra = outcome is Outcome.INFRA_ERROR
    reward = None if is_infra else float(outcome is Outcome.PASSED)
    result = TrialResult(
        candidate.commit, of.name, of.split, 0, 7, outcome, reward, usage, "2026-11-23T21:44:00+00:00", 2.5,
        VERIFIER_OUTPUT if outcome is Outcome.FAILED else f"it ended: {KEY}",
        verifier=VerifierMode.LIVE if of.name == "beta" else VerifierMode.ISOLATED,
        fault=Fault.ENGINE if is_infra else Fault.NONE,
    )  # fmt: skip
    if is_infra:
        return result
    recorded = events(timed=timed)
    document = trajectory.build(spec, recorded, usage, f"log {KEY}")
    stored = [
        trajectory.store(spec.folder / "trials" / f"{spec.key}.{kind}.gz", runs, lines)
        for kind, lines in (("trajectory", [document]), ("recording", recorded))
    ]
    return replace(result, trajectory=stored[0], recording=stored[1])
