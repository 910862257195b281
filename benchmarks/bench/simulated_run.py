"""A proposer and an executor that cost nothing: patches change a number and a sentence, rewards are drawn by hash."""

from __future__ import annotations

import math
import re
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

from evolve.core.records import (
    FileEdit,
    Outcome,
    Proposal,
    Split,
    TrialCondition,
    TrialResult,
    TrialSpec,
    Usage,
    stable_hash,
)
from evolve.executor.protocol import OnResult, always
from evolve.loop.propose import Brief, Check
from evolve.trial.self_work import SelfWork, SelfWorkResult

STARTED = "2026-11-23T21:44:00+00:00"
MAIN, CONSTANT = "main.py", "notes.py"
TOML = 'name = "simulated"\nentry = "main.py"\nevolvable = ["*.py"]\n'
SYLLABLES = ("ba", "de", "fi", "go", "lu", "ma", "ne", "po", "ri", "su", "ta", "ve", "wo", "zi")
HELPS, HARMS = 0.03, 0.10
GAIN, LOSS = 0.15, 0.4
# From here on no patch helps, so that a long run's later rounds still have something to measure.
MOST_SKILL = 1.5
CONDITION = TrialCondition(("simulated-1",), (), "sha256:base", "", 2)


def text_of(skill: float, hint: str) -> str:
    """The main file of a scaffold whose tasks are easier by `skill` logits."""
    filler = "".join(f"def step_{number}(state):\n    return state + {number}\n\n" for number in range(40))
    return f'SKILL = {skill:.3f}\nHINT = "{hint}"\n\n{filler}'


def skill_of(text: str) -> float:
    found = re.search(r"SKILL = (-?[0-9.]+)", text)
    return float(found[1]) if found else 0.0


def make_scaffold(folder: Path) -> Path:
    """Write the seed scaffold, in a git repository of its own."""
    scaffold = folder / "repo" / "scaffold"
    scaffold.mkdir(parents=True)
    (scaffold / MAIN).write_text(text_of(0.0, "start"))
    (scaffold / CONSTANT).write_text(
        "".join(f"NOTE_{number} = 'what to do in step {number}'\n" for number in range(120))
    )
    (scaffold / "scaffold.toml").write_text(TOML)
    for words in (["init", "-q"], ["add", "-A"], ["-c", "user.name=b", "-c", "user.email=b@b", "commit", "-qm", "x"]):
        subprocess.run(["git", "-C", str(folder / "repo"), *words], check=True)
    return scaffold


def words(*parts: object) -> str:
    """Eight made-up words, other ones for other parts."""
    number = stable_hash("words", *parts)
    return " ".join(
        "".join(SYLLABLES[(number >> (3 * place + 5 * part)) % len(SYLLABLES)] for part in range(4)) + str(place)
        for place in range(8)
    )


def patch(skill: float, seed: int, train: Iterable[str] = ()) -> Proposal:
    """A patch of a scaffold with this skill. train: names of train tasks, of which two are predicted to be fixed."""
    draw, hint, names = stable_hash("effect", seed) % 1000 / 1000, words(seed), sorted(train)
    gain = GAIN if skill < MOST_SKILL else 0.0
    new = skill + (gain if draw < HELPS else -LOSS if draw < HELPS + HARMS else 0.0)
    fixes = tuple(names[stable_hash("fix", seed, place) % len(names)] for place in range(2)) if names else ()
    edits = (FileEdit(MAIN, text_of(new, hint)),)
    return Proposal(f"say {hint}", "more tasks pass", edits, Usage(3, 9_000, 700, 0.003), fixes=tuple(set(fixes)))


def result(candidate: str, skill: float, task: str, split: Split, attempt: int, seed: int) -> TrialResult:
    """One trial: the luck belongs to task and attempt, so two scaffolds on one attempt share it."""
    ease = stable_hash("ease", task) % 1000 / 250 - 2.2
    luck = stable_hash("luck", seed) % 100_000 / 100_000
    own = stable_hash("own", seed, candidate) % 100_000 / 100_000
    passed = 0.5 * luck + 0.5 * own < 1 / (1 + math.exp(-ease - skill))
    outcome = Outcome.PASSED if passed else Outcome.FAILED
    calls = 4 + stable_hash("calls", seed, candidate) % 9
    usage = Usage(calls, 1_500 * calls, 110 * calls, 0.0005 * calls, commands=calls - 2)
    return TrialResult(
        candidate, task, split, attempt, seed, outcome, float(passed), usage, STARTED, 30.0, condition=CONDITION
    )


class SimulatedProposer:
    """Proposes such patches."""

    name = "simulated-proposer"

    def propose(self, brief: Brief, seed: int, check: Check) -> Proposal:
        return patch(skill_of(brief.files[MAIN]), seed)


class SimulatedExecutor:
    """Runs such trials. `on_trial`: called after each."""

    name = "simulated-executor"
    jobs = 2

    def __init__(self, on_trial: Callable[[], None] = lambda: None) -> None:
        self.on_trial = on_trial

    def measure(self, specs: Iterable[TrialSpec], on_result: OnResult, may_start: Callable[[], bool] = always) -> None:
        for spec in specs:
            if may_start():
                on_result(self.run_one(spec))
                self.on_trial()

    def run_one(self, spec: TrialSpec) -> TrialResult:
        skill = skill_of((spec.scaffold.folder / MAIN).read_text())
        return result(spec.candidate, skill, spec.task.name, spec.task.split, spec.attempt, spec.seed)

    def run_self_work(self, work: SelfWork) -> SelfWorkResult:
        raise NotImplementedError
