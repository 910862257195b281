"""Seed against champion on the holdout: the interval, the exact test, and which trials count."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolve.core.coverage import Coverage
from evolve.core.records import Split, TrialCondition, TrialResult, Usage, VerifierMode
from evolve.core.scores import all_attempts
from evolve.gate.arms import figures
from evolve.gate.claim import claim, comparisons_made, sign_flip_p
from evolve.report.claims import claim_lines
from evolve.store.rows import LookRow
from tests.fakes import result


def trials(rewards: Sequence[float | None], attempt: int = 0, split: Split = Split.HOLDOUT) -> list[TrialResult]:
    return [replace(result(f"task-{n}", reward, attempt), split=split) for n, reward in enumerate(rewards)]


def test_the_figures_of_a_small_claim() -> None:
    found = claim(trials([0, 0, 1, 1]), trials([1, 1, 1, 0]))
    assert found is not None
    assert (found.tasks, found.trials, found.better, found.worse) == (4, 8, 2, 1)
    assert (found.seed, found.champion, found.difference) == (0.5, 0.75, 0.25)
    # Differences 1, 1, 0, -1: half the interval is 3.182 * 0.957 / 2, more than there is room for.
    assert found.high == 1.0
    assert found.low == -1.0
    assert found.p_value == pytest.approx(1.0)


def test_eight_tasks_won_and_none_lost_is_two_in_256() -> None:
    found = claim(trials([0] * 8), trials([1] * 8))
    assert found is not None
    assert found.p_value == pytest.approx(2 / 256)
    assert 0.5 < found.low < found.high == 1, "eight tasks that went alike are no certainty"


def test_no_difference_is_no_evidence() -> None:
    found = claim(trials([0, 1, 0]), trials([0, 1, 0]))
    assert found is not None
    assert (found.p_value, found.low) == (1, -found.high) and 0.3 < found.high < 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(*[st.sampled_from([0.0, 0.3, 1.0])] * 2), min_size=2, max_size=12), st.integers(1, 20))
def test_no_interval_is_a_point_and_each_holds_its_estimate(pairs: list[tuple[float, float]], looks: int) -> None:
    found = claim(*(trials([pair[which] for pair in pairs]) for which in (0, 1)), comparisons=looks)  # type: ignore[misc]
    assert found is not None and found.low < found.high
    assert found.low <= found.difference <= found.high
    assert found.p_corrected == min(1.0, looks * found.p_value)


def test_more_comparisons_widen_the_interval() -> None:
    widths = []
    for comparisons in (1, 2, 10):
        found = claim(trials([0, 0, 1, 1] * 5), trials([1, 1, 1, 0] * 5), comparisons)
        assert found is not None and found.comparisons == comparisons
        widths.append(found.high - found.low)
    assert widths == sorted(widths) and widths[0] < widths[2]


def test_rewards_of_little_spread_keep_a_narrow_interval() -> None:
    found = claim(trials([0.50, 0.51, 0.52, 0.50] * 4), trials([0.52, 0.53, 0.55, 0.52] * 4))
    assert found is not None and found.high - found.low < 0.02


def test_five_thousand_tasks_are_compared_at_once() -> None:
    rng = np.random.default_rng(0)
    old, new = rng.random(5000), rng.random(5000)
    began = time.process_time()
    found = claim(trials(old.tolist()), trials((0.95 * new + 0.05 * old).tolist()))
    assert found is not None and 0 < found.p_value <= 1
    assert time.process_time() - began < 3


def test_looks_at_baselines_are_no_comparisons() -> None:
    run = ["seed scaffold at the start", "champion at the end"]
    assert comparisons_made(run) == 1 == comparisons_made([])
    claims = ["claim: champion", "claim: seed", "claim: best-of-3"]
    assert comparisons_made([*run, "evaluation asked for by the user", *claims]) == 4


def test_only_holdout_slots_that_both_have_count() -> None:
    seed = [*trials([0, 0, 0]), *trials([0, 0, 0], attempt=1), *trials([1, 1, 1], split=Split.TRAIN)]
    champion = [*trials([1, 0, None]), *trials([0, 0, 0], split=Split.VALIDATION)]
    found = claim(seed, champion)
    assert found is not None
    assert (found.tasks, found.trials, found.champion) == (2, 4, 0.5)


@pytest.mark.parametrize("rewards", [[], [1.0]])
def test_fewer_than_two_tasks_are_no_claim(rewards: list[float]) -> None:
    assert claim(trials(rewards), trials(rewards)) is None


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.25, 0.5, 1.0]), min_size=1, max_size=9))
def test_the_exact_test_counts_all_flips(differences: list[float]) -> None:
    found = abs(sum(differences))
    flips = [
        abs(sum(s * d for s, d in zip(signs, differences, strict=True)))
        for signs in product((-1, 1), repeat=len(differences))
    ]
    assert sign_flip_p(differences) == pytest.approx(np.mean([flip >= found - 1e-9 for flip in flips]))


def answered(by: TrialCondition | None, rewards: Sequence[float | None]) -> list[TrialResult]:
    return [replace(trial, condition=by) for trial in trials(rewards)]


OLD, NEW = TrialCondition(("m-1",), ("fp_1",)), TrialCondition(("m-2",), ("fp_1", "fp_2"))


def lines_of(seed: Sequence[TrialResult], champion: Sequence[TrialResult]) -> str:
    claimed = claim(seed, champion)
    assert claimed is not None
    return "\n".join(claim_lines("r", "m", claimed, []))


def test_a_claim_says_that_different_models_answered() -> None:
    text = lines_of(answered(OLD, [0, 0]), [*answered(OLD, [1]), *answered(NEW, [1, 1])[1:]])
    assert (
        "answered the seed scaffold as m-1, fp_1, and the champion as m-1, m-2, fp_1, fp_2: the difference may" in text
    )


@pytest.mark.parametrize(("one", "other"), [(OLD, OLD), (None, NEW), (OLD, None)])
def test_a_claim_says_nothing_where_the_same_model_answered_or_none_is_known(
    one: TrialCondition | None, other: TrialCondition | None
) -> None:
    assert "answered" not in lines_of(answered(one, [0, 0]), answered(other, [1, 1]))


def test_trials_that_are_not_compared_do_not_count_as_drift() -> None:
    beside = [replace(trial, attempt=5) for trial in answered(NEW, [1, 1])]
    assert "answered" not in lines_of(answered(OLD, [0, 0]), [*answered(OLD, [1, 1]), *beside])


def test_where_nothing_changed_it_seldom_says_otherwise() -> None:
    rng, said = np.random.default_rng(0), 0
    for _ in range(400):
        old, new = (rng.random(16) < 0.4).astype(float), (rng.random(16) < 0.4).astype(float)
        found = claim(trials(old.tolist()), trials(new.tolist()))
        assert found is not None
        said += found.p_value <= 0.05
    assert said <= 30


def test_every_look_is_listed_and_more_than_two_cause_a_warning() -> None:
    made = claim(trials([0] * 8), trials([1] * 8))
    assert made is not None
    looks = [LookRow("a" * 40, "seed scaffold at the start", "2026-01-01T00:00:00+00:00")] * 2
    text = "\n".join(claim_lines("r", "embedded", made, looks))
    assert "model embedded" in text
    assert "difference +100.0 points, 95 % interval +" in text and "to +100.0" in text
    assert "p = 0.00781" in text
    assert text.count("seed scaffold at the start") == 2
    assert "more looks" not in text
    assert "more looks" in "\n".join(claim_lines("r", "embedded", made, [*looks, looks[0]]))


def test_a_claim_says_in_which_weaker_mode_trials_were_judged() -> None:
    old, new = trials([0.0, 0.0]), trials([1.0, 1.0])
    shared = [replace(trial, verifier=VerifierMode.SHARED) for trial in new]
    assert "verifier: shared: tests ran in the agent's own container" in lines_of(old, shared)
    not_compared = [replace(trial, attempt=5) for trial in shared]
    assert "verifier" not in lines_of(old, [*new, *not_compared])


def test_a_claim_shows_coverage_beside_each_score_and_what_it_rests_on() -> None:
    made = claim(trials([0] * 4), trials([1] * 4))
    assert made is not None
    covered = (Coverage(4, 4), Coverage(3, 4))
    text = "\n".join(claim_lines("r", "m", made, [], covered, ["run: INVALID: 3 of 9 attempts could not be graded"]))
    assert "seed scaffold 0.0 % (4 of 4 graded), champion 100.0 % (3 of 4 graded)" in text
    assert "  run: INVALID: 3 of 9" in text


def test_a_claim_shows_what_both_cost_and_how_much_was_the_models() -> None:
    made = claim(trials([0] * 8), trials([1] * 8))
    assert made is not None
    spent = [replace(trial, usage=Usage(1, 90, 10, 0.5, 3), own_seconds=0.5) for trial in trials([0, 1, 1, 1])]
    arm = figures("champion", {(t.task, 0): [t] for t in spent}, 1, lambda _: 0, lambda t: t.reward == 1)
    assert arm.own_seconds == 0.5 and arm.usd_per_solved == pytest.approx(2 / 3)
    header, row = "\n".join(claim_lines("r", "m", made, [], arms=[arm])).splitlines()[4:6]
    assert "without model" in header and "$/solved" in header
    assert " ".join(row.split()) == "champion 75.0 % 75.0 % - 100 0.5000 133 0.6667 3.0 1.5 0.5"


def test_passing_on_every_attempt_is_rarer_than_passing() -> None:
    several = [result("a", 1.0, 0), result("a", 1.0, 1), result("b", 1.0, 0), result("b", 0.0, 1), result("c", None, 0)]
    assert all_attempts(several) == 0.5
    assert all_attempts(several[:1]) is None and all_attempts([]) is None
