"""Epochs: what changes behind an endpoint is no gain and no loss of a scaffold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evolve.core.gate_config import GateConfig
from evolve.core.records import TrialCondition, TrialResult
from evolve.gate import Entrant, Judgement, NeedTrials, Standing, initial_standing, judge, learn_tip
from evolve.gate.epochs import MOST_VALUES, Epochs
from evolve.gate.split_levels import SplitLevels
from tests.fakes import result
from tests.test_gate_levels import covariance_of_lead, pair
from tests.test_gate_stack_rule import begun, rewards
from tests.test_gate_standing import PATCH, SEED, TASKS, Reward, rate, trials


def answered(fingerprint: str, **values: object) -> TrialResult:
    condition = TrialCondition(endpoint_models=("m",), fingerprints=(fingerprint,), **values)  # type: ignore[arg-type]
    return replace(result("t", 1.0, 0), condition=condition)


def test_a_value_that_no_trial_had_before_begins_an_epoch() -> None:
    epochs = Epochs()
    assert not epochs.begins_with([answered("a"), answered("b")]), "the first trials begin the first epoch"
    epochs = epochs.with_trials([answered("a"), answered("b")])
    assert not epochs.begins_with([answered("b"), answered("a")]), "an endpoint of two servers"
    assert epochs.begins_with([answered("a"), answered("c")])
    assert not epochs.begins_with([result("t", 1.0, 0)]), "nothing is known of it"


def test_an_endpoint_that_marks_every_answer_begins_no_epochs_for_ever() -> None:
    epochs, begun_ = Epochs(), 0
    for number in range(40):
        one = [answered(f"f{number}")]
        begun_ += epochs.begins_with(one)
        epochs = epochs.with_trials(one)
    assert begun_ == MOST_VALUES - 1


def test_a_level_begins_anew_and_a_lead_stays() -> None:
    level = pair(0.4, 0.001, 0.05, 0.002, 0.0005).in_new_epoch()
    assert level.variance > 1
    assert (level.lead, level.lead_variance, covariance_of_lead(level)) == pytest.approx((0.05, 0.002, 0.0005))
    splits = SplitLevels.begin(14, 6)
    splits = replace(splits, mean=np.array([0.3, 0.35, 0.5, 0.4]), covariance=0.001 * np.eye(4)).in_new_epoch()
    assert splits.behind(0.0) == pytest.approx(replace(splits, covariance=0.001 * np.eye(4)).behind(0.0))
    assert splits.covariance[1, 1] > 1


def test_after_a_change_the_tip_is_measured_on_attempts_that_nobody_had() -> None:
    line = begun()
    after = line.in_new_epoch()
    assert after.tip_needs_trials() and not after.own
    assert after.seeds.first >= len(line.seeds.sums)
    for one in rewards(0.8, 2, 7):
        after = after.with_tip_pass(one)
    assert after.level.mean == pytest.approx(rewards(0.8, 2, 7).mean(), abs=0.02), "nothing of the old level is left"
    assert not after.tip_needs_trials()


class Endpoint:
    """Answers under another fingerprint from its `change`-th trial on, and then passes more."""

    def __init__(self, change: int) -> None:
        self.change, self.count = change, 0

    def trials(self, asked: NeedTrials, before: Reward, after: Reward) -> list[TrialResult]:
        made = []
        for slot in asked.slots:
            self.count += 1
            new = self.count > self.change
            one = trials(NeedTrials(asked.commits[:1], (slot,)), after if new else before)[0]
            condition = TrialCondition(endpoint_models=("m",), fingerprints=("new" if new else "old",))
            made.append(replace(one, condition=condition))
        return made


def played(change: int) -> tuple[Judgement, list[TrialResult], list[TrialResult]]:
    """A patch without effect, while the endpoint turns better after so many trials."""
    endpoint, tip, new = Endpoint(change), list[TrialResult](), list[TrialResult]()
    before, after = rate(0.3, "before"), rate(0.95, "after")
    standing: Standing | NeedTrials = initial_standing(TASKS, GateConfig(), SEED)
    while isinstance(asked := learn_tip(initial_standing(TASKS, GateConfig(), SEED), tip), NeedTrials):
        tip += endpoint.trials(asked, before, after)
    standing = asked
    while isinstance(said := judge(standing, [Entrant(PATCH, new)], tip), NeedTrials):
        (new if said.commits == (PATCH.commit,) else tip).extend(endpoint.trials(said, before, after))
    return said, tip, new


@pytest.mark.parametrize("change", [25, 39, 42, 45])
def test_what_the_endpoint_gains_amid_a_round_is_no_gain_of_the_patch(change: int) -> None:
    said, tip, new = played(change)
    assert said.standing.tip == SEED, said.decisions[0].reason
    assert said.standing.rule.level.mean > 0.8  # type: ignore[attr-defined]
    slots = [(trial.task, trial.attempt) for trial in tip]
    assert len(slots) == len(set(slots))
    again = learn_tip(initial_standing(TASKS, GateConfig(), SEED), tip)
    assert isinstance(again, Standing)
    later = judge(again, [Entrant(PATCH, new)], tip)
    assert isinstance(later, Judgement) and later.decisions == said.decisions, "the rows give the same decision"


def test_another_image_of_a_task_or_of_the_scaffolds_begins_an_epoch() -> None:
    known = Epochs().with_trials([answered("a", base_image="one", task_image="x")])
    assert known.begins_with([answered("a", base_image="two", task_image="x")])
    assert known.begins_with([answered("a", base_image="one", task_image="y")])
    other = replace(answered("a", base_image="one", task_image="y"), task="other")
    assert not known.begins_with([other]), "each task has an image of its own"
