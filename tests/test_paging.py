"""Pages of a run's rows: filtered and sorted by the database, and cut to a page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from evolve.core.records import Split, Verdict
from evolve.core.scores import score
from evolve.runs.results import of_split
from evolve.store import SessionRow, Store, paging
from evolve.store.paging import Page, RoundFilter, TrialFilter
from evolve.web.overview import charted_rounds
from tests.paged import RUN, store_paged


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    folder = tmp_path_factory.mktemp("paged")
    store_paged(folder / "runs")
    with Store.open(folder / "runs" / "evolve.db") as opened:
        yield opened


def test_rounds_come_in_pages_and_those_without_a_value_last(store: Store) -> None:
    def numbers(chosen: RoundFilter, page: Page) -> list[int]:
        return [row["number"] for row in store.rounds_page(RUN, chosen, page)]

    every = RoundFilter()
    assert numbers(every, Page(0, 2, "round", True)) == [5, 4]
    assert numbers(every, Page(2, 2, "round", True)) == [3, 2]
    assert numbers(every, Page(0, 9, "effect", True))[:3] == numbers(every, Page(0, 9, "effect"))[:3] == [5, 2, 1]
    assert numbers(RoundFilter("refused"), Page()) == [3] and numbers(RoundFilter("open"), Page()) == []
    assert store.rounds_count(RUN, every) == 6 and store.rounds_count(RUN, RoundFilter("", "null COPY")) == 1
    assert store.rounds_count(RUN, RoundFilter("", "%")) == store.rounds_count("none", every) == 0


def test_one_round_has_what_was_proposed_and_decided(store: Store) -> None:
    first, fifth = store.one_round(RUN, 0), store.one_round(RUN, 5)
    assert first is not None and fifth is not None and store.one_round(RUN, 99) is None
    assert (first.proposal, first.parent) == (None, None)
    assert fifth.decision is not None and fifth.decision.verdict is Verdict.STACK
    assert fifth.proposal is not None
    assert (fifth.proposal.fixes, fifth.proposal.breaks, fifth.proposal.edits) == (("train-1",), ("train-0",), ())
    seed, stacked = store.candidates(RUN)[:2]
    assert fifth.parent == stacked != seed
    assert store.decided_at(RUN, 5) is not None and store.decided_at(RUN, 99) is None
    lesson = store.lesson(RUN, 5)
    assert lesson is not None and lesson.round == 5 and store.lesson(RUN, 4) is None


def test_figures_agree_with_the_scores_of_the_same_trials(store: Store) -> None:
    rounds = {one.number: one for one in charted_rounds(store, RUN)}
    for candidate in store.candidates(RUN):
        trials = store.trials(RUN, candidate.commit)
        for split in (Split.TRAIN, Split.VALIDATION):
            expected, found = score(of_split(trials, split)), rounds[candidate.round].scores.get(split)
            assert (found is None) is (expected is None)
            assert found is None or expected is None or tuple(found) == pytest.approx(tuple(expected))


def test_the_newest_trials_come_first_and_each_once(store: Store) -> None:
    every = store.trials(RUN)
    found, before = [], 0
    while True:
        page, before = store.newest_trials(RUN, TrialFilter(), before, 7)
        found += [trial for _, trial in page]
        if not before:
            break
    assert found == every[::-1] and len(every) > 14


def test_a_page_of_chosen_trials_looks_at_a_bounded_part(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "SCANNED", 5)
    chosen, found, before, pages = TrialFilter(task="train-0"), 0, 0, 0
    while True:
        page, before = store.newest_trials(RUN, chosen, before, 50)
        found, pages = found + len(page), pages + 1
        if not before:
            break
    wanted = [trial for trial in store.trials(RUN) if trial.task == "train-0"]
    assert found == len(wanted) and pages > 3


def test_trials_of_a_round_are_chosen_and_sorted(store: Store) -> None:
    commit = store.candidates(RUN)[0].commit
    every = store.trials(RUN, commit)
    found = store.trials_of_round(RUN, TrialFilter(0), Page(0, 50, "task", True))
    assert sorted(trial.task for trial in every) == [trial.task for trial in found][::-1]
    assert {trial.candidate for trial in found} == {commit}
    passed = store.trials_of_round(RUN, TrialFilter(0, split="train", outcome="passed"), Page())
    assert [(trial.task, trial.outcome) for trial in passed] == [("train-0", "passed")]
    assert store.trials_of_round(RUN, TrialFilter(0, "train-0", attempt=77), Page()) == []


def test_a_task_is_followed_across_candidates(store: Store) -> None:
    rows = store.task_page(RUN, "train-1", Page())
    assert [row["round"] for row in rows] == [one.round for one in store.candidates(RUN)][::-1]
    by_round = {row["round"]: row for row in rows}
    assert (by_round[0]["trials"], by_round[0]["passes"], by_round[0]["reward"]) == (1, 0, 0.0)
    assert (by_round[4]["trials"], by_round[4]["reward"], by_round[4]["faults"]) == (0, None, 0)
    assert [row["round"] for row in store.task_page(RUN, "train-1", Page(1, 2))] == [row["round"] for row in rows][1:3]
    assert store.candidates_count(RUN) == len(rows)


def test_the_latest_of_several_runs_is_read_at_once(store: Store) -> None:
    runs = [RUN, "none"]
    assert store.newest_rounds(runs) == {RUN: store.newest_round(RUN)}
    assert store.latest_ends(runs) == {RUN: store.ends(RUN)[-1]} and store.latest_sessions(runs) == {}
    session = SessionRow("2027-01-01T00:00:00+00:00", "0.1", "h", 7, "{}")
    numbers = [store.start_session(RUN, session) for _ in range(2)]
    assert store.latest_sessions(runs) == {RUN: replace(session, id=numbers[-1])}
