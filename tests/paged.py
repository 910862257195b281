"""A small stored run for tests of pages: six rounds with real commits, in which every text may be hostile."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from evolve.core.attempts import first_attempt, first_fresh_attempt
from evolve.core.config import RunConfig
from evolve.core.records import (
    Candidate,
    Decision,
    Evidence,
    Fault,
    FileEdit,
    Lesson,
    Proposal,
    Split,
    Task,
    TrialResult,
    Usage,
    Verdict,
)
from evolve.repo import Lineage
from evolve.repo.objects import Author
from evolve.store import EndRow as EndRow
from evolve.store import RunRow, Store
from tests.fakes import result, task

RUN = "20261123-2144-quiet-otter"
AT = "2026-11-23T21:44:00+00:00"
PLAIN = "ask for the tests first"
HOSTILE = (
    "</script><script>alert(1)</script>\"><img src=x onerror=alert(2)> '<svg/onload=alert(3)> \x1b[31mred\x1b]0;t\x07 "
    "\u202egnp.exe\u2066 {{ 7*7 }} {% raw %} javascript:alert(4) ${x} <!-- &lt; https://evil.invalid/a.js"
)
UNPRICED = RunConfig(model="scripted", base_url="http://h/v1")
PRICED = RunConfig(model="scripted", base_url="http://h/v1", prompt_price=1.0, completion_price=2.0)
AUTHOR = Author("m", "m@m.invalid")


@dataclass(frozen=True)
class Paged:
    """What a test wants of the run.

    text: all that a model or a sandbox wrote. last: the verdict on the patch of round 5. measured: whether seed and
    champion ran on the holdout. started, decided: whether round 0 is.
    """

    text: str = PLAIN
    last: Verdict = Verdict.STACK
    measured: bool = False
    started: bool = True
    decided: bool = True
    config: RunConfig = UNPRICED
    code: str = "x = 1\n"


def store_paged(runs: Path, paged: Paged = Paged()) -> str:
    """Write the run into a folder of results. Returns its id."""
    runs.mkdir(parents=True)
    lineage = _lineage(runs.parent / "repo")
    with Store.open(runs / "evolve.db") as store:
        store.create_run(_row(runs, paged), _tasks(paged), {f"broken {paged.text}"[:90]: f"no tests {paged.text}"})
        if not paged.started:
            return RUN
        seed = lineage.seed(RUN, AT)
        first = Candidate(seed, 0, None, f"evolve/{RUN}/round-0000")
        store.start_race(RUN, [0], None, AT)
        store.add_candidate(RUN, first)
        if paged.decided:
            _play(store, lineage, first, paged)
    return RUN


def _play(store: Store, lineage: Lineage, seed: Candidate, paged: Paged) -> None:
    _measure(store, seed, 0, (1, 0, 0, 0), (1, 0, 0))
    store.add_decision(RUN, 0, Decision(Verdict.BASELINE, "the seed scaffold"), AT)
    stacked = _round(store, lineage, 1, seed, paged, Verdict.STACK, (1, 1, 1, 0), (1, 1, 0))
    _round(store, lineage, 2, stacked, paged, Verdict.REVERT, (0, 0, 0, 0), ())
    _refused(store, 3, stacked, paged)
    _null_copy(store, lineage, 4, stacked, paged)
    last = _round(store, lineage, 5, stacked, paged, paged.last, (1, 1, 1, 1), (1, 1, 1))
    champion = last if paged.last is Verdict.KEEP else seed
    _measure(store, last, first_attempt(last), (1, 1, 1, 0), (1, 1, 1))
    if paged.measured:
        _look(store, seed, champion)
    store.end_run(RUN, "done", AT)


def _look(store: Store, seed: Candidate, champion: Candidate) -> None:
    for candidate in dict.fromkeys((seed, champion)):
        rewards = [float(candidate is not seed or n == 0) for n in range(8)]
        store.add_holdout_look(
            RUN, candidate.commit, "seed scaffold" if candidate is seed else "champion at the end", AT
        )
        for n, reward in enumerate(rewards):
            made = replace(result(f"hold-{n}", reward, candidate=candidate.commit), split=Split.HOLDOUT)
            store.add_trial(RUN, made)
    if champion is not seed:
        _measure(store, champion, first_fresh_attempt(champion), (1, 1, 1, 1), (1, 1, 1))


def _lineage(folder: Path) -> Lineage:
    scaffold = folder / "scaffold"
    scaffold.mkdir(parents=True)
    (scaffold / "main.py").write_text("x = 0\n")
    (scaffold / "scaffold.toml").write_text('name = "s"\nentry = "main.py"\nevolvable = ["*"]\n')
    for words in (["init", "-q"], ["add", "-A"], ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "x"]):
        subprocess.run(["git", "-C", str(folder), *words], check=True)
    return Lineage.open(scaffold, folder.parent / "own.git")


def _row(runs: Path, paged: Paged) -> RunRow:
    return RunRow(
        RUN, AT, 0, paged.config.canonical(), "0" * 64, str(runs / "suite"), str(runs.parent / "repo" / "scaffold"),
        paged.config.model, paged.config.base_url, "{}", "0.1", str(runs.parent / "repo" / ".git"), None,
    )  # fmt: skip


def _tasks(paged: Paged) -> list[Task]:
    names = {Split.TRAIN: ["train", 4], Split.VALIDATION: ["valid", 3], Split.HOLDOUT: ["hold", 8]}
    listed = [task(f"{name}-{n}", split) for split, (name, count) in names.items() for n in range(int(count))]
    return [*listed, task(f"never {paged.text}"[:200]), task(f"broken {paged.text}"[:90])]


def _round(
    store: Store,
    lineage: Lineage,
    number: int,
    parent: Candidate,
    paged: Paged,
    verdict: Verdict,
    train: tuple[float, ...],
    validation: tuple[float, ...],
) -> Candidate:
    store.start_race(RUN, [number], parent, AT)
    edits = (FileEdit("main.py", f"{paged.code}# {number} {paged.text}\n"),)
    proposal = Proposal(paged.text, paged.text, edits, Usage(1, 100, 10, 0.01), fixes=("train-1",), breaks=("train-0",))
    store.add_proposal(RUN, number, proposal, "0" * 64, "scripted", AT)
    commit = lineage.commit_candidate(RUN, number, parent.commit, edits, "m", AUTHOR, AT)
    candidate = Candidate(commit, number, parent.commit, f"evolve/{RUN}/round-{number:04}")
    store.add_candidate(RUN, candidate)
    _measure(store, candidate, first_attempt(parent), train, validation)
    if parent.round:
        _measure(store, parent, first_attempt(parent), (1, 1, 0, 0), (1, 1, 0), number == 2)
    store.add_decision(RUN, number, Decision(verdict, f"why {paged.text}", evidence=Evidence(0.1, 0.05, 0.02)), AT)
    store.add_lesson(RUN, Lesson(number, f"lesson {paged.text}"), "0" * 64, "scripted", AT)
    return candidate


def _refused(store: Store, number: int, parent: Candidate, paged: Paged) -> None:
    store.start_race(RUN, [number], parent, AT)
    store.add_proposal(RUN, number, Proposal(paged.text, "", (), note=paged.text), "0" * 64, "scripted", AT)
    store.add_decision(RUN, number, Decision(Verdict.REFUSED, f"out of scope {paged.text}"), AT)


def _null_copy(store: Store, lineage: Lineage, number: int, parent: Candidate, paged: Paged) -> None:
    store.start_race(RUN, [number], parent, AT)
    store.add_proposal(RUN, number, Proposal("a null copy", "", (), null_copy=True), "0" * 64, "scripted", AT)
    commit = lineage.commit_candidate(RUN, number, parent.commit, None, "copy", AUTHOR, AT)
    store.add_candidate(RUN, Candidate(commit, number, parent.commit, f"evolve/{RUN}/round-{number:04}"))
    store.add_decision(RUN, number, Decision(Verdict.REVERT, "null copy", would_be=Verdict.REVERT), AT)


def _measure(
    store: Store,
    candidate: Candidate,
    attempt: int,
    train: tuple[float, ...],
    validation: tuple[float, ...],
    wanted: bool = True,
) -> None:
    """Store a trial for each reward; -1 is an infrastructure error."""
    if wanted:
        for name, split, rewards in (("train", Split.TRAIN, train), ("valid", Split.VALIDATION, validation)):
            for number, reward in enumerate(rewards):
                store.add_trial(RUN, _trial(candidate, f"{name}-{number}", split, attempt, reward))


def _trial(candidate: Candidate, name: str, split: Split, attempt: int, reward: float) -> TrialResult:
    if reward < 0:
        return result(name, None, attempt, candidate=candidate.commit, split=split, fault=Fault.ENGINE)
    usage = Usage(2, 1000, 100, 0.0012)
    return result(name, reward, attempt, candidate=candidate.commit, split=split, usage=usage)
