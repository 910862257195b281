"""Whether the database and the repository say the same of a run. Pure: two accounts in, what differs out."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from evolve.core.records import Verdict

Notes = Mapping[str, Mapping[str, str]]


class Kind(StrEnum):
    """What is wrong, in words that go with a list of names."""

    COMMIT_GONE = "commit missing"
    BRANCH_GONE = "branch missing"
    BRANCH_ELSEWHERE = "branch moved away from its candidate"
    BRANCH_UNKNOWN = "branch of a round that no row knows"
    CHAMPION_GONE = "champion's branch missing"
    CHAMPION_ELSEWHERE = "champion's branch not at the champion"
    NOTE_GONE = "decision without its git note"
    NOTE_DIFFERS = "git note of another decision"
    REF_LOCKED = "stale lock of a ref"


# The rest needs a person: what is lost can't be made again, and what is there may be somebody's work.
FIXABLE = frozenset(
    {
        Kind.BRANCH_GONE,
        Kind.CHAMPION_GONE,
        Kind.CHAMPION_ELSEWHERE,
        Kind.NOTE_GONE,
        Kind.NOTE_DIFFERS,
        Kind.REF_LOCKED,
    }
)


@dataclass(frozen=True)
class RoundRecord:
    """A round by its rows: `commit` and `branch` of its candidate, `verdict` of its decision; None is no row."""

    number: int
    commit: str | None = None
    branch: str = ""
    verdict: Verdict | None = None


@dataclass(frozen=True)
class RunRecord:
    """A run by its rows, rounds in order. `champion`: its commit, None before the baseline is decided.

    at_work: a process works on it now, so the repository may be a step ahead of the rows or behind them;
    taken: branches that `evolve gc` has removed.
    """

    run: str
    rounds: tuple[RoundRecord, ...]
    champion: str | None
    at_work: bool = False
    taken: frozenset[str] = frozenset()

    @property
    def champion_branch(self) -> str:
        return f"evolve/{self.run}/champion"


@dataclass(frozen=True)
class RepositoryState:
    """The repository's account: branches with what they point to, those of the rows' commits that are there whole,
    the decisions in notes by commit, and refs with a stale lock.
    """

    branches: Mapping[str, str]
    commits: Collection[str]
    notes: Notes
    locked: tuple[str, ...] = ()


@dataclass(frozen=True)
class Damage:
    """`subject`: the branch, commit or ref that is wrong; `sha`: what it should be at, or be about; '' for none."""

    kind: Kind
    run: str
    subject: str
    sha: str = ""
    round: int = 0

    @property
    def fixable(self) -> bool:
        return self.kind in FIXABLE


def find_damage(said: RunRecord, found: RepositoryState) -> list[Damage]:
    """All that differs, in the order of the rounds; empty for a healthy pair."""
    wrong = [damage for one in said.rounds for damage in _of_candidate(said, found, one)]
    wrong += _of_champion(said, found)
    wrong += [] if said.at_work else _unknown(said, found)
    wrong += [damage for one in _noted(said) for damage in _of_note(said, found.notes, one)]
    return wrong + [Damage(Kind.REF_LOCKED, said.run, ref) for ref in found.locked]


def _of_candidate(said: RunRecord, found: RepositoryState, one: RoundRecord) -> Iterator[Damage]:
    if one.commit is None or one.branch in said.taken:
        return
    at = found.branches.get(one.branch)
    if one.commit not in found.commits:
        yield Damage(Kind.COMMIT_GONE, said.run, one.commit, one.commit, one.number)
    elif at is None:
        yield Damage(Kind.BRANCH_GONE, said.run, one.branch, one.commit, one.number)
    elif at != one.commit:
        yield Damage(Kind.BRANCH_ELSEWHERE, said.run, one.branch, one.commit, one.number)


def _of_champion(said: RunRecord, found: RepositoryState) -> Iterator[Damage]:
    """A scaffold that was measured by itself, round 0 alone, needs no champion's branch."""
    if said.at_work or said.champion is None or said.champion not in found.commits:
        return
    at = found.branches.get(said.champion_branch)
    if at is None and len(said.rounds) > 1:
        yield Damage(Kind.CHAMPION_GONE, said.run, said.champion_branch, said.champion)
    elif at not in (None, said.champion):
        yield Damage(Kind.CHAMPION_ELSEWHERE, said.run, said.champion_branch, said.champion)


def _unknown(said: RunRecord, found: RepositoryState) -> Iterator[Damage]:
    """A killed run may have left the branch of a round that is not decided: its next start finds it right."""
    known = {one.branch for one in said.rounds if one.commit}
    begun = {one.number for one in said.rounds if one.verdict is None and one.commit is None}
    for name, sha in sorted(found.branches.items()):
        match = re.fullmatch(rf"evolve/{re.escape(said.run)}/round-(\d+)", name)
        if match and name not in known and int(match[1]) not in begun:
            yield Damage(Kind.BRANCH_UNKNOWN, said.run, name, sha, int(match[1]))


def _noted(said: RunRecord) -> list[RoundRecord]:
    """The rounds whose decision has a note: of those at work the last one's may not be written yet."""
    decided = [one for one in said.rounds if one.commit and one.verdict not in (None, Verdict.BASELINE)]
    decided = [one for one in decided if one.branch not in said.taken]
    return decided[:-1] if said.at_work else decided


def _of_note(said: RunRecord, notes: Notes, one: RoundRecord) -> Iterator[Damage]:
    note, commit = notes.get(str(one.commit)), str(one.commit)
    if not note:
        yield Damage(Kind.NOTE_GONE, said.run, commit, commit, one.number)
        return
    told = note.get("Evolve-Run"), note.get("Evolve-Round"), note.get("Evolve-Decision")
    if told != (said.run, str(one.number), str(one.verdict)):
        yield Damage(Kind.NOTE_DIFFERS, said.run, commit, commit, one.number)
