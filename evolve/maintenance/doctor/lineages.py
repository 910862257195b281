"""Check each run's rows against its repository."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import groupby
from pathlib import Path

from evolve.core.errors import EvolveError
from evolve.maintenance import consistency
from evolve.maintenance.consistency import Damage, Kind, RepositoryState, RoundRecord, RunRecord
from evolve.maintenance.doctor.finding import BAD, GOOD, Finding, format_names
from evolve.repo import Repository, repository_around
from evolve.runs import gc_record
from evolve.runs.repository import find_lineage, lineage_home
from evolve.store import RoundRow, RunRow, Store
from evolve.suite.bundled import stored_folder

FIX = "`evolve doctor --fix` repairs it"
MANUAL_FIXES = {
    Kind.COMMIT_MISSING: "fetch it from a clone or bundle of the repository: it cannot be recreated",
    Kind.BRANCH_MOVED: "somebody moved it: `git branch -f BRANCH COMMIT` moves it back",
    Kind.BRANCH_UNKNOWN: "if the database is an older copy, rename or delete the branch before you resume the run",
}


def examine(runs: Path, store: Store, rows: Sequence[RunRow], busy: Collection[str]) -> list[Finding]:
    """Report one finding per run and kind of damage, or a single one if all runs are intact."""
    findings, candidates = [], 0
    for row in rows:
        try:
            record = run_record(store, runs, row, row.id in busy)
            candidates += sum(round_.commit is not None for round_ in record.rounds)
            findings += _findings(row.id, run_damage(runs, row, record))
        except EvolveError as error:
            findings.append(Finding("lineage", BAD, f"run {row.id}: {error}"))
    if not findings and rows:
        return [Finding("lineage", GOOD, f"git agrees with the database: {candidates} candidates of {len(rows)} runs")]
    return findings


def run_damage(runs: Path, row: RunRow, record: RunRecord) -> list[Damage]:
    """All damage of one run. Raises EvolveError if its repository is missing."""
    if not record.rounds:
        return []
    repository = find_repository(runs, row)
    return consistency.find_damage(record, repository_state(repository, record, repository.decisions()))


def run_record(store: Store, runs: Path, row: RunRow, at_work: bool) -> RunRecord:
    """What the database says about a run."""
    rounds = tuple(_round_record(round_row) for round_row in store.rounds_in_brief(row.id))
    has_baseline = bool(rounds) and rounds[0].verdict is not None
    champion = store.champion(row.id).commit if has_baseline else None
    return RunRecord(row.id, rounds, champion, at_work, gc_record.read(runs / row.id).branches)


def _round_record(row: RoundRow) -> RoundRecord:
    return RoundRecord(
        row.number,
        row.candidate.commit if row.candidate else None,
        row.candidate.branch if row.candidate else "",
        row.decision.verdict if row.decision else None,
    )


def repository_state(repository: Repository, record: RunRecord, notes: consistency.Notes) -> RepositoryState:
    """What the repository says about the rounds of a run."""
    commits = repository.whole_commits(round_.commit for round_ in record.rounds if round_.commit)
    return RepositoryState(repository.branches(record.run), commits, notes, repository.stale_locks(record.run))


def find_repository(runs: Path, row: RunRow) -> Repository:
    """Find a run's commits: where its seed is, else in its own repository, else around its scaffold, else as recorded.

    `evolve replay` looks in the same places, so a run that was moved is found. Raises EvolveError if there is none.
    """
    if (lineage := find_lineage(row, runs)) is not None:
        return Repository(lineage.git_dir)
    own, recorded, scaffold = lineage_home(runs, row.id), Path(row.repository), stored_folder(Path(row.scaffold), runs)
    if own.is_dir():
        return Repository(own.resolve())
    # An evaluation of another run's candidate has its branches in that run's own repository.
    if recorded.name == own.name and recorded.is_dir():
        return Repository(recorded)
    if (path := repository_around(scaffold)) is not None:
        return Repository(path)
    if recorded.is_dir():
        return Repository(recorded)
    raise EvolveError(
        f"its repository {row.repository} is missing, and {row.scaffold} is in none; "
        f"run this where {row.scaffold} and its repository are"
    )


def _findings(run: str, damage: Sequence[Damage]) -> list[Finding]:
    """One finding for each kind of damage."""
    by_kind = groupby(sorted(damage, key=lambda item: item.kind), lambda item: item.kind)
    return [
        Finding("lineage", BAD, f"run {run}: {kind}: {format_names([*map(_name, group)])}", MANUAL_FIXES.get(kind, FIX))
        for kind, group in by_kind
    ]


def _name(damage: Damage) -> str:
    return f"round {damage.round} ({damage.subject[:12]})" if damage.subject == damage.sha else damage.subject
