"""Summarise a run's rounds from its database rows, its lineage and its trials' files."""

from __future__ import annotations

import functools
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.table import Table

from evolve import analysis
from evolve.analysis import ideas
from evolve.core.records import Candidate, Limits, Split, StoredFile, TrialResult
from evolve.loop.briefing import seen_by_proposers
from evolve.loop.candidates import text_files
from evolve.loop.tried import idea_of
from evolve.report.predictions import base_rates
from evolve.runs.lookup import run_row
from evolve.runs.repository import lineage_of
from evolve.store import RoundRow, Store
from evolve.trial import trajectory

Trials = Mapping[str, Sequence[TrialResult]]
Seen = tuple[TrialResult, StoredFile]


@dataclass(frozen=True)
class Row:
    """One run. Rounds in which the loop itself ablates a patch or merges lines count in `rounds`, not in `proposed`.

    measured: rounds with a measured candidate; proposed: those of them whose patch is the model's; repeated: those of
    the latter that repeat an earlier idea; predicted, hits: train tasks predicted to improve, and those that did;
    chance: share of all train tasks that improved in the same rounds; digest_chars, digest_most: mean, largest.
    """

    run: str
    proposer: str
    seed: int
    rounds: int
    measured: int
    proposed: int
    repeated: int
    predicted: int
    hits: int
    chance: float
    digest_chars: float
    digest_most: int
    calls: float
    tokens: float

    @property
    def cells(self) -> tuple[str, ...]:
        return (
            self.proposer,
            str(self.seed),
            f"{self.measured}/{self.rounds}",
            f"{self.repeated}/{self.proposed}",
            f"{self.hits}/{self.predicted} ({_percent(self.hits, self.predicted)})",
            f"{self.chance:.0%}",
            f"{self.digest_chars:.0f}, {self.digest_most}",
            f"{self.calls:.1f}",
            f"{self.tokens:.0f}",
        )


COLUMNS = (
    "proposer", "seed", "measured", "repeated", "true predictions", "by chance", "digest (mean, max)", "calls",
    "tokens",
)  # fmt: skip


def table(rows: Sequence[Row]) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in COLUMNS:
        table.add_column(column, justify="left" if column == "proposer" else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row.cells)
    return table


def build_row(store: Store, runs: Path, run: str, proposer: str, seed: int) -> Row:
    rounds = [row for row in store.rounds(run) if row.proposal and row.decision]
    asked = [row for row in rounds if row.proposal and not row.proposal.by_loop]
    measured = [row for row in asked if row.candidate]
    trials: dict[str, list[TrialResult]] = defaultdict(list)
    played = store.trials(run)
    for trial in played:
        trials[trial.candidate].append(trial)
    history = [row for row in store.view("history", run) if row["commit_sha"]]
    better, _worse, told = base_rates(rounds, played)
    digests = _digest_chars(runs, trials, asked)
    spent = [row.proposal.usage for row in asked if row.proposal]
    files = functools.partial(text_files, lineage_of(run_row(store, run), runs))
    return Row(
        run=run,
        proposer=proposer,
        seed=seed,
        rounds=len(rounds),
        measured=sum(row.candidate is not None for row in rounds),
        proposed=len(measured),
        repeated=ideas.count_repeated([idea_of(row, files) for row in measured]),
        predicted=sum(row["predicted"] or 0 for row in history),
        hits=sum(row["fixed"] or 0 for row in history),
        chance=better / told if told else 0.0,
        digest_chars=statistics.fmean(digests),
        digest_most=max(digests),
        calls=statistics.fmean(usage.calls for usage in spent),
        tokens=statistics.fmean(usage.tokens for usage in spent),
    )


def _digest_chars(runs: Path, trials: Trials, rows: Sequence[RoundRow]) -> list[int]:
    """The sizes of the digests that the rounds' proposers saw, rebuilt from the trials started before each round."""
    names = analysis.task_labels({t.task for results in trials.values() for t in results if t.split is Split.TRAIN})
    known: dict[tuple[Seen, ...], int] = {}
    sizes = []
    for row in rows:
        assert row.parent
        began = _began_before(trials, row.parent, row.started_at)
        seen = tuple(seen_by_proposers(began))
        if seen not in known:
            before = [trial for trial in trials.get(row.parent.parent or "", ()) if trial.split is Split.TRAIN]
            change = analysis.task_changes(before, [trial for trial in began if trial.split is Split.TRAIN])
            known[seen] = len(_digest(runs, seen, names, change))
        sizes.append(known[seen])
    return sizes


def _digest(runs: Path, seen: Sequence[Seen], names: dict[str, str], change: analysis.TaskChanges) -> str:
    read = analysis.analyse_trials([(trial, trajectory.load(runs / file.path)[0]) for trial, file in seen], names)
    return analysis.digest(analysis.Subject(read, analysis.groups(read, Limits().calls), change))


def _began_before(trials: Trials, candidate: Candidate, moment: str) -> list[TrialResult]:
    return [trial for trial in trials[candidate.commit] if trial.started_at < moment]


def _percent(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else "-"
