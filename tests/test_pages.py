"""What pages show of a run, as values: rounds, patches, tasks by candidates, costs, endings, claim, conditions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from evolve.core.records import Split, Verdict
from evolve.pages.claim_views import ClaimState
from evolve.pages.claiming import claim_view
from evolve.pages.conditions import conditions_view
from evolve.pages.patches import MOST_LINE, bounded, patch_views, within
from evolve.pages.reading import cost_lines, ending_lines, run_view, task_grid
from evolve.pages.round_views import Kind
from evolve.pages.rounds import round_views
from evolve.pages.run_views import Role
from evolve.pages.task_views import CellState
from evolve.runs.lookup import open_results, run_row
from evolve.store import RunRow, Store
from tests.paged import PRICED, RUN, Paged, store_paged


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages") / "runs"
    store_paged(folder)
    return folder


@pytest.fixture
def store(runs: Path) -> Iterator[Store]:
    with open_results(runs) as opened:
        yield opened


@pytest.fixture
def row(store: Store) -> RunRow:
    return run_row(store, RUN)


def test_a_run_at_a_glance(store: Store, row: RunRow) -> None:
    view = run_view(store, row)
    counts = view.verdicts
    assert (counts.stacked, counts.reverted, counts.refused, counts.null_copies) == (2, 1, 1, 1)
    assert view.seed and view.champion and view.tip
    assert (view.champion.round, view.tip.round, view.patches, view.stacked) == (0, 5, 0, 2)
    assert view.holds_back and view.ended == "done" and view.newest == 5


def test_a_cost_without_prices_is_unknown(store: Store, row: RunRow, tmp_path: Path) -> None:
    view = run_view(store, row)
    assert view.usd is None
    assert {line.role: line.usd for line in cost_lines(store, RUN, view.config)} == {
        Role.TRIALS: None,
        Role.PROPOSALS: None,
    }
    store_paged(tmp_path / "runs", Paged(config=PRICED))
    with open_results(tmp_path / "runs") as priced:
        view = run_view(priced, run_row(priced, RUN))
        lines = {line.role: line for line in cost_lines(priced, RUN, view.config)}
    assert view.usd and lines[Role.TRIALS].usd == pytest.approx(0.0012 * view.trials)
    assert lines[Role.PROPOSALS].seconds is None and lines[Role.TRIALS].seconds


def test_rounds_have_their_own_effect_against_their_parent(store: Store, runs: Path) -> None:
    rounds = round_views(store, RUN, runs)
    assert [one.kind for one in rounds] == [Kind.SEED, *[Kind.PATCH] * 3, Kind.NULL_COPY, Kind.PATCH]
    assert [one.parent for one in rounds] == [None, 0, 1, 1, 1, 1]
    assert [one.tip for one in rounds] == [0, 1, 1, 1, 1, 5]
    effect = rounds[1].own_effect
    assert effect and (effect.tasks, effect.better, effect.worse) == (7, 3, 0)
    # Against round 1's own trials, not against those of the champion.
    later = rounds[5].own_effect
    assert later and later.difference == pytest.approx(3 / 7) and later.better == 3
    assert rounds[3].own_effect is None and rounds[3].scores[Split.TRAIN] is None
    assert rounds[1].moves.fixed == ("train-1", "train-2") and rounds[1].predictions.fixed == 1
    assert rounds[2].scores[Split.VALIDATION] is None
    assert rounds[4].outcome == "null copy, would be revert" and rounds[1].lesson.startswith("lesson")


def test_a_part_of_the_rounds_is_the_same_as_all(store: Store, runs: Path) -> None:
    rounds = round_views(store, RUN, runs)
    assert round_views(store, RUN, runs, 2, 4) == rounds[2:5]
    assert round_views(store, RUN, runs, 0, 0) == rounds[:1]


def test_patches_are_diffs_against_the_parent(store: Store, row: RunRow, runs: Path) -> None:
    rounds = round_views(store, RUN, runs)
    patches = {patch.round.number: patch for patch in patch_views(row, runs, rounds, rounds)}
    assert list(patches) == [1, 2, 4, 5]
    assert patches[1].diff and "-x = 0" in patches[1].diff and "+x = 1" in patches[1].diff
    assert patches[5].diff and "-# 1 " in patches[5].diff and "+# 5 " in patches[5].diff
    assert [number for number, patch in patches.items() if patch.in_tip] == [1, 5]
    assert not any(patch.in_champion for patch in patches.values())


def test_a_diff_is_unknown_without_its_repository(tmp_path: Path) -> None:
    store_paged(tmp_path / "runs")
    (tmp_path / "repo").rename(tmp_path / "elsewhere")
    with open_results(tmp_path / "runs") as store:
        rounds = round_views(store, RUN, tmp_path / "runs")
        patches = [*patch_views(run_row(store, RUN), tmp_path / "runs", rounds, rounds)]
    assert patches and all(patch.diff is None for patch in patches)


def test_a_huge_diff_is_bounded() -> None:
    text, omitted = bounded("\n".join(["+" + "x" * 10_000] * 1000), 100)
    assert text is not None and omitted == 900
    assert len(text) < 100 * (MOST_LINE + 10)
    assert bounded("a\nb", 2) == ("a\nb", 0) and bounded(None) == (None, 0)


def test_all_patches_together_are_bounded(store: Store, row: RunRow, runs: Path) -> None:
    rounds = round_views(store, RUN, runs)
    patches = [*patch_views(row, runs, rounds, rounds)]
    assert [*within(patches)] == patches
    cut = [*within(patches, 0)]
    assert cut[0] == patches[0] and [one.omitted > 0 for one in cut] == [False, True, False, True]


def test_not_measured_is_not_failed(store: Store) -> None:
    grid = task_grid(store, RUN)
    assert grid.rounds == (0, 1, 2, 4, 5) and grid.left_out == 0
    assert grid.cell("train-3", 1).state is CellState.FAILED
    assert grid.cell("valid-0", 2).state is CellState.NOT_MEASURED
    assert grid.cell("train-0", 1).state is CellState.PASSED
    assert grid.cell("train-3", 5).state is CellState.PARTLY
    assert [task.excluded is None for task in grid.tasks].count(False) == 1


def test_a_grid_of_a_long_run_keeps_the_path_to_the_tip(store: Store) -> None:
    assert task_grid(store, RUN, most=3).rounds == (0, 1, 5)
    assert task_grid(store, RUN, most=4).rounds == (0, 1, 4, 5)
    assert task_grid(store, RUN, rounds=(2, 3)).rounds == (2,)


def test_endings_count_every_trial(store: Store) -> None:
    lines = ending_lines(store, RUN)
    assert sum(line.trials for line in lines) == store.trial_count(RUN)
    assert [line.round for line in lines] == [0, 1, 2, 5]
    assert ending_lines(store, RUN, 2, 4)[0].counts == {"failed": 4}


@pytest.mark.parametrize(
    ("paged", "state", "words"),
    [
        (Paged(decided=False), ClaimState.UNDECIDED, "Nothing can be claimed yet"),
        (Paged(), ClaimState.HELD_BACK, "A gain is held back: 2 patches are stacked"),
        (Paged(last=Verdict.KEEP), ClaimState.UNMEASURED, "not yet compared"),
        (Paged(last=Verdict.KEEP, measured=True), ClaimState.CLAIMED, "round 5 beats the seed scaffold"),
    ],
)
def test_the_claim_says_how_far_it_has_come(tmp_path: Path, paged: Paged, state: ClaimState, words: str) -> None:
    store_paged(tmp_path / "runs", paged)
    with open_results(tmp_path / "runs") as store:
        run = run_view(store, run_row(store, RUN))
        view = claim_view(store, run)
    assert view.state is state and words in view.headline
    assert (view.claim is not None) == (state is ClaimState.CLAIMED) == view.certain
    adopts_tip = any("--tip" in command for command, _ in view.commands)
    assert adopts_tip == (state is ClaimState.HELD_BACK)


def test_conditions_say_what_the_numbers_rest_on(store: Store, row: RunRow, runs: Path) -> None:
    run = run_view(store, row)
    view = conditions_view(store, run, runs, round_views(store, RUN, runs))
    assert (view.null_copies.judged, view.null_copies.kept, view.null_copies.realised) == (1, 0, 0.0)
    assert view.null_copies.promised == 0.01 and view.epochs == 1 and view.gap is None
    assert view.predictions[0].startswith("predicted to be fixed: 1 of 3")
