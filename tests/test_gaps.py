"""Gains on train and on validation over the seed scaffold, and the warning where they differ."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.core.records import Split, TrialResult
from evolve.core.scores import Gap, Score, gap
from evolve.report.gaps import gap_line, gap_warning, percent_with_gain
from tests.fakes import result


def trials(train: list[float], validation: list[float], attempt: int = 0) -> list[TrialResult]:
    named = [(Split.TRAIN, n, reward) for n, reward in enumerate(train)]
    named += [(Split.VALIDATION, n, reward) for n, reward in enumerate(validation)]
    return [result(f"{split}-{n}", reward, attempt, split=split) for split, n, reward in named]


def test_gains_are_paired_by_task() -> None:
    seed = trials([0, 0, 1, 0], [1, 0, 1])
    found = gap(seed, trials([1, 1, 1], [0, 0, 1]))
    assert found is not None
    assert (found.train, found.validation) == pytest.approx((2 / 3, -1 / 3))
    assert found.error == pytest.approx((1 / 9 + 1 / 9) ** 0.5)
    assert found.widened
    assert gap(seed, trials([1, 1], [0])) is None
    assert gap(seed, []) is None


def test_only_trials_that_count_are_compared() -> None:
    seed, other = trials([0, 0], [0, 0]), trials([1, 1], [1, 1])
    broken = [result("train-0", None, 1, split=Split.TRAIN)]
    found = gap(seed, other)
    assert gap(seed + broken, other + broken) == found
    assert found is not None and (found.train, found.validation) == (1.0, 1.0)


def test_gains_that_are_all_alike_are_no_certainty() -> None:
    few, many = (gap(trials([0] * size, [0] * size), trials([1] * size, [0] * size)) for size in (2, 50))
    assert few is not None and many is not None
    assert few.train - few.validation == many.train - many.validation == 1.0
    assert few.error > 4 * many.error > 0
    assert many.widened
    assert "± 0.0" not in gap_warning(many)[0]


rewards = st.lists(st.sampled_from([0.0, 1.0]), min_size=2, max_size=6)


@given(rewards, rewards)
def test_a_scaffold_has_no_gap_to_itself(train: list[float], validation: list[float]) -> None:
    found = gap(trials(train, validation), trials(train, validation, attempt=4))
    assert found is not None and (found.train, found.validation) == (0.0, 0.0)
    assert found.error > 0
    assert not found.widened


@pytest.mark.parametrize(
    ("gains", "widened"),
    [((0.72, -0.14, 0.1), True), ((0.2, 0.1, 0.06), False), ((0.04, 0.0, 0.0), False), ((0.1, 0.3, 0.01), False)],
)
def test_a_clear_gap_is_warned_of(gains: tuple[float, float, float], widened: bool) -> None:
    found = Gap(*gains)
    assert found.widened is widened
    assert bool(gap_warning(found)) is widened
    assert gap_warning(None) == []


def test_texts() -> None:
    found = Gap(0.72, -0.14, 0.1)
    assert gap_line(found) == "over the seed scaffold: train +72.0, validation -14.0 points"
    assert "train gained 86.0 ± 19.6 points more than validation" in gap_warning(found)[0]
    assert percent_with_gain(Score(0.98, 0.05), 0.72) == "98.0 % (± 5.0 points; +72.0 over the seed)"
    assert percent_with_gain(None, 0.72) == "not measured"
