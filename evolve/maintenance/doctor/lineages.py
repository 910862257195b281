"""Each run's rows against its repository."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from evolve.core.errors import EvolveError
from evolve.maintenance import consistency
from evolve.maintenance.consistency import Damage, Kind, RepositorySaid, RoundSaid, RunSaid
from evolve.maintenance.doctor.finding import BAD, GOOD, Finding, some
from evolve.repo import Repository, around
from evolve.runs import gc_record
from evolve.runs.repository import lineage_home
from evolve.store import RunRow, Store

FIX = "`evolve doctor --fix` mends it"
MENDS = {
    Kind.COMMIT_GONE: "fetch it from a clone or bundle of that repository: what it was can't be made again",
    Kind.BRANCH_ELSEWHERE: "somebody moved it: `git branch -f BRANCH COMMIT` puts it back",
    Kind.BRANCH_UNKNOWN: "the database is an older copy? rename or delete the branch before the run goes on",
}


def examine(runs: Path, store: Store, rows: Sequence[RunRow], busy: Collection[str]) -> list[Finding]:
    """A line for each kind of damage of each run; one line for all that is well."""
    found, candidates = [], 0
    for row in rows:
        try:
            said = by_rows(store, runs, row, row.id in busy)
            candidates += sum(one.commit is not None for one in said.rounds)
            found += _told(row.id, differing(runs, row, said))
        except EvolveError as error:
            found.append(Finding("lineage", BAD, f"run {row.id}: {error}"))
    if not found and rows:
        return [Finding("lineage", GOOD, f"{candidates} candidates of {len(rows)} runs are in git as the rows say")]
    return found


def differing(runs: Path, row: RunRow, said: RunSaid) -> list[Damage]:
    """All damage of one run. Raises EvolveError where its repository is not here."""
    if not said.rounds:
        return []
    place = repository(runs, row)
    return consistency.damages(said, by_repository(place, said, place.decisions()))


def by_rows(store: Store, runs: Path, row: RunRow, at_work: bool) -> RunSaid:
    """A run's own account."""
    rounds = tuple(
        RoundSaid(
            one.number,
            one.candidate.commit if one.candidate else None,
            one.candidate.branch if one.candidate else "",
            one.decision.verdict if one.decision else None,
        )
        for one in store.rounds(row.id)
    )
    begun = bool(rounds) and rounds[0].verdict is not None
    champion = store.champion(row.id).commit if begun else None
    return RunSaid(row.id, rounds, champion, at_work, gc_record.read(runs / row.id).branches)


def by_repository(place: Repository, said: RunSaid, notes: consistency.Notes) -> RepositorySaid:
    """The repository's account of what the rows speak of."""
    commits = place.whole_commits(one.commit for one in said.rounds if one.commit)
    return RepositorySaid(place.branches(said.run), commits, notes, place.stale_locks(said.run))


def repository(runs: Path, row: RunRow) -> Repository:
    """Where a run's commits are: in its own repository, else around its scaffold, else where its row says.

    So a run that was moved is looked for where `evolve replay` would. Raises EvolveError where there is none.
    """
    own, recorded, scaffold = lineage_home(runs, row.id), Path(row.repository), Path(row.scaffold)
    if own.is_dir():
        return Repository(own.resolve())
    # An evaluation of another run's candidate has its branches in that run's own repository.
    if recorded.name == own.name and recorded.is_dir():
        return Repository(recorded)
    if (place := around(scaffold)) is not None:
        return Repository(place)
    if recorded.is_dir():
        return Repository(recorded)
    mend = f"run this where {row.scaffold} is, with its repository"
    raise EvolveError(f"its repository {row.repository} is not here, and none is around {row.scaffold}; {mend}")


def _told(run: str, damages: Sequence[Damage]) -> list[Finding]:
    """A line for each kind."""
    kinds: Mapping[Kind, list[Damage]] = {
        kind: list(them) for kind, them in groupby(sorted(damages, key=lambda one: one.kind), lambda one: one.kind)
    }
    return [
        Finding("lineage", BAD, f"run {run}: {kind}: {some([_name(one) for one in them])}", MENDS.get(kind, FIX))
        for kind, them in kinds.items()
    ]


def _name(damage: Damage) -> str:
    return f"round {damage.round} ({damage.subject[:12]})" if damage.subject == damage.sha else damage.subject
