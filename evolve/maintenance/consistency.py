"""Compare what the database and the repository say about a run. Pure: two records in, the differences out."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from evolve.core.records import Verdict

Notes = Mapping[str, Mapping[str, str]]


class Kind(StrEnum):
    """A kind of damage; the value is shown before a list of names."""

    COMMIT_MISSING = "commit missing"
    BRANCH_MISSING = "branch missing"
    BRANCH_MOVED = "branch does not point to its candidate"
    BRANCH_UNKNOWN = "branch of a round that is not in the database"
    CHAMPION_MISSING = "champion branch missing"
    CHAMPION_MOVED = "champion branch does not point to the champion"
    NOTE_MISSING = "decision without a git note"
    NOTE_DIFFERS = "git note differs from the decision"
    REF_LOCKED = "stale lock on a ref"


# The other kinds need a person: a lost commit cannot be recreated, and an unexpected branch may be somebody's work.
FIXABLE = frozenset(
    {
        Kind.BRANCH_MISSING,
        Kind.CHAMPION_MISSING,
        Kind.CHAMPION_MOVED,
        Kind.NOTE_MISSING,
        Kind.NOTE_DIFFERS,
        Kind.REF_LOCKED,
    }
)


@dataclass(frozen=True)
class RoundRecord:
    """A round in the database: its candidate's `commit` and `branch`, its decision's `verdict`; None without a row."""

    number: int
    commit: str | None = None
    branch: str = ""
    verdict: Verdict | None = None


@dataclass(frozen=True)
class RunRecord:
    """A run in the database, rounds in order.

    champion: its commit; None before the baseline is decided;
    at_work: a process works on the run, so the repository may be one step ahead of the rows or behind them;
    removed: branches that `evolve gc` removed.
    """

    run: str
    rounds: tuple[RoundRecord, ...]
    champion: str | None
    at_work: bool = False
    removed: frozenset[str] = frozenset()

    @property
    def champion_branch(self) -> str:
        return f"evolve/{self.run}/champion"


@dataclass(frozen=True)
class RepositoryState:
    """A run in the repository.

    branches: each with the commit it points to; commits: those of the rows' commits that are complete;
    notes: the decisions by commit; locked: refs with a stale lock.
    """

    branches: Mapping[str, str]
    commits: Collection[str]
    notes: Notes
    locked: tuple[str, ...] = ()


@dataclass(frozen=True)
class Damage:
    """One difference. `subject`: the wrong branch, commit or ref; `sha`: the commit it should be at ('' for none)."""

    kind: Kind
    run: str
    subject: str
    sha: str = ""
    round: int = 0

    @property
    def fixable(self) -> bool:
        return self.kind in FIXABLE


def find_damage(run: RunRecord, repository: RepositoryState) -> list[Damage]:
    """List all differences in the order of the rounds; empty if database and repository agree."""
    damage = [item for record in run.rounds for item in _candidate_damage(run, repository, record)]
    damage += _champion_damage(run, repository)
    damage += [] if run.at_work else _unknown_branches(run, repository)
    damage += [item for record in _rounds_with_note(run) for item in _note_damage(run, repository.notes, record)]
    return damage + [Damage(Kind.REF_LOCKED, run.run, ref) for ref in repository.locked]


def _candidate_damage(run: RunRecord, repository: RepositoryState, record: RoundRecord) -> Iterator[Damage]:
    if record.commit is None or record.branch in run.removed:
        return
    target = repository.branches.get(record.branch)
    if record.commit not in repository.commits:
        yield Damage(Kind.COMMIT_MISSING, run.run, record.commit, record.commit, record.number)
    elif target is None:
        yield Damage(Kind.BRANCH_MISSING, run.run, record.branch, record.commit, record.number)
    elif target != record.commit:
        yield Damage(Kind.BRANCH_MOVED, run.run, record.branch, record.commit, record.number)


def _champion_damage(run: RunRecord, repository: RepositoryState) -> Iterator[Damage]:
    """Check the champion branch; a run of round 0 alone (a scaffold measured by itself) needs none."""
    if run.at_work or run.champion is None or run.champion not in repository.commits:
        return
    target = repository.branches.get(run.champion_branch)
    if target is None and len(run.rounds) > 1:
        yield Damage(Kind.CHAMPION_MISSING, run.run, run.champion_branch, run.champion)
    elif target not in (None, run.champion):
        yield Damage(Kind.CHAMPION_MOVED, run.run, run.champion_branch, run.champion)


def _unknown_branches(run: RunRecord, repository: RepositoryState) -> Iterator[Damage]:
    """Find round branches without a row, except of started rounds: those are left by a kill and reused on resume."""
    known = {record.branch for record in run.rounds if record.commit}
    started = {record.number for record in run.rounds if record.verdict is None and record.commit is None}
    for name, sha in sorted(repository.branches.items()):
        match = re.fullmatch(rf"evolve/{re.escape(run.run)}/round-(\d+)", name)
        if match and name not in known and int(match[1]) not in started:
            yield Damage(Kind.BRANCH_UNKNOWN, run.run, name, sha, int(match[1]))


def _rounds_with_note(run: RunRecord) -> list[RoundRecord]:
    """The rounds whose decision has a note; in a run at work the last note may not be written yet."""
    decided = [record for record in run.rounds if record.commit and record.verdict not in (None, Verdict.BASELINE)]
    decided = [record for record in decided if record.branch not in run.removed]
    return decided[:-1] if run.at_work else decided


def _note_damage(run: RunRecord, notes: Notes, record: RoundRecord) -> Iterator[Damage]:
    note, commit = notes.get(str(record.commit)), str(record.commit)
    if not note:
        yield Damage(Kind.NOTE_MISSING, run.run, commit, commit, record.number)
        return
    noted = note.get("Evolve-Run"), note.get("Evolve-Round"), note.get("Evolve-Decision")
    if noted != (run.run, str(record.number), str(record.verdict)):
        yield Damage(Kind.NOTE_DIFFERS, run.run, commit, commit, record.number)
