"""Database against repository: a healthy pair has no damage, and each kind of damage is found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.core.records import Verdict
from evolve.maintenance.consistency import Damage, Kind, RepositoryState, RoundRecord, RunRecord, find_damage

RUN = "20261123-2144-quiet-otter"
VERDICTS = (Verdict.KEEP, Verdict.STACK, Verdict.REVERT, Verdict.REFUSED, None)
Pair = tuple[RunRecord, RepositoryState]


def sha(number: int) -> str:
    return f"{number:040x}"


def branch(number: int) -> str:
    return f"evolve/{RUN}/round-{number:04d}"


def record(number: int, verdict: Verdict | None) -> RoundRecord:
    if verdict is Verdict.REFUSED:
        return RoundRecord(number, None, "", verdict)
    return RoundRecord(number, sha(number), branch(number), verdict)


@st.composite
def healthy(draw: st.DrawFn) -> Pair:
    """A run of some rounds, the last perhaps undecided, and a repository that agrees with it."""
    verdicts = draw(st.lists(st.sampled_from(VERDICTS[:4]), min_size=1, max_size=12))
    verdicts += draw(st.sampled_from([[], [None]]))  # type: ignore[list-item]
    rounds = (record(0, Verdict.BASELINE), *(record(number, v) for number, v in enumerate(verdicts, 1)))
    kept = [one.number for one in rounds if one.verdict in (Verdict.BASELINE, Verdict.KEEP)]
    run = RunRecord(RUN, rounds, sha(kept[-1]))
    candidates = [one for one in rounds if one.commit]
    notes = {
        str(one.commit): {
            "Evolve-Run": RUN,
            "Evolve-Round": str(one.number),
            "Evolve-Decision": str(one.verdict),
            "Evolve-Reason": "x",
        }
        for one in candidates
        if one.verdict not in (None, Verdict.BASELINE)
    }
    branches = {one.branch: str(one.commit) for one in candidates} | {run.champion_branch: str(run.champion)}
    others = draw(st.sampled_from([{}, {f"evolve/{RUN}/mine": sha(999)}]))
    return run, RepositoryState(branches | others, frozenset(str(one.commit) for one in candidates), notes)


@given(healthy(), st.booleans())
def test_a_healthy_pair_has_no_damage(pair: Pair, at_work: bool) -> None:
    run, repository = pair
    assert find_damage(replace(run, at_work=at_work), repository) == []


def without(names: dict[str, object], name: str) -> dict[str, object]:
    return {key: value for key, value in names.items() if key != name}


def no_commit(run: RunRecord, repository: RepositoryState, one: RoundRecord) -> RepositoryState:
    return replace(repository, commits=set(repository.commits) - {one.commit})


def no_branch(run: RunRecord, repository: RepositoryState, one: RoundRecord) -> RepositoryState:
    return replace(repository, branches=without(dict(repository.branches), one.branch))


def moved_branch(run: RunRecord, repository: RepositoryState, one: RoundRecord) -> RepositoryState:
    return replace(repository, branches={**repository.branches, one.branch: sha(777)})


def no_note(run: RunRecord, repository: RepositoryState, one: RoundRecord) -> RepositoryState:
    return replace(repository, notes=without(dict(repository.notes), str(one.commit)))


def other_note(run: RunRecord, repository: RepositoryState, one: RoundRecord) -> RepositoryState:
    notes = dict(repository.notes)
    notes[str(one.commit)] = {**notes[str(one.commit)], "Evolve-Decision": "baseline"}
    return replace(repository, notes=notes)


OF_ROUND = [
    (no_commit, Kind.COMMIT_MISSING),
    (no_branch, Kind.BRANCH_MISSING),
    (moved_branch, Kind.BRANCH_MOVED),
    (no_note, Kind.NOTE_MISSING),
    (other_note, Kind.NOTE_DIFFERS),
]


@pytest.mark.parametrize(("spoil", "kind"), OF_ROUND)
@given(pair=healthy(), data=st.data())
def test_damage_of_a_round_is_found_and_nothing_else(
    spoil: Callable[[RunRecord, RepositoryState, RoundRecord], RepositoryState],
    kind: Kind,
    pair: Pair,
    data: st.DataObject,
) -> None:
    run, repository = pair
    noted = kind in (Kind.NOTE_MISSING, Kind.NOTE_DIFFERS)
    able = [one for one in run.rounds if one.commit and (not noted or one.commit in repository.notes)]
    if not able:
        return
    one = data.draw(st.sampled_from(able))
    found = find_damage(run, spoil(run, repository, one))
    assert [(damage.kind, damage.round, damage.sha) for damage in found] == [(kind, one.number, one.commit)]
    removed = replace(run, removed=frozenset({one.branch}))
    assert find_damage(removed, spoil(run, repository, one)) == [], "what gc removed is no damage"


@given(healthy())
def test_damage_of_the_champion_is_found(pair: Pair) -> None:
    run, repository = pair
    name = run.champion_branch
    missing = replace(repository, branches=without(dict(repository.branches), name))
    moved = replace(repository, branches={**repository.branches, name: sha(777)})
    assert [one.kind for one in find_damage(run, missing)] == [Kind.CHAMPION_MISSING]
    assert find_damage(run, moved) == [Damage(Kind.CHAMPION_MOVED, RUN, name, str(run.champion))]
    assert find_damage(replace(run, at_work=True), moved) == []


@given(healthy())
def test_a_branch_of_a_round_without_a_row_is_unknown(pair: Pair) -> None:
    run, repository = pair
    later = replace(repository, branches={**repository.branches, branch(500): sha(500)})
    assert find_damage(run, later) == [Damage(Kind.BRANCH_UNKNOWN, RUN, branch(500), sha(500), 500)]
    assert find_damage(replace(run, at_work=True), later) == []
    started = replace(run, rounds=(*run.rounds, RoundRecord(500)))
    assert find_damage(started, later) == [], "a killed run left it; resuming it uses the branch"


def test_a_stale_lock_is_fixable() -> None:
    found = find_damage(RunRecord(RUN, (), None), RepositoryState({}, (), {}, ("refs/notes/evolve",)))
    assert found == [Damage(Kind.REF_LOCKED, RUN, "refs/notes/evolve")] and found[0].fixable


def test_lost_commits_and_moved_branches_are_not_fixable() -> None:
    assert not Damage(Kind.COMMIT_MISSING, RUN, sha(1)).fixable
    assert not Damage(Kind.BRANCH_MOVED, RUN, branch(1)).fixable


def test_a_scaffold_measured_by_itself_needs_no_champion_branch() -> None:
    run = RunRecord(RUN, (record(0, Verdict.BASELINE),), sha(0))
    assert find_damage(run, RepositoryState({branch(0): sha(0)}, {sha(0)}, {})) == []
