"""Tip and champion are compared between rounds where challengers' trials can't be true, or leave the stack waiting."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from evolve.core.config import RunConfig
from evolve.core.gate_config import RULE_VERSION, GateConfig
from evolve.core.records import Candidate, Split, StackFate, TrialResult
from evolve.gate import Entrant, NeedTrials, Standing, TaskSlot, initial_standing, judge, learn_tip, stack_rule
from evolve.gate.conditions import _without
from evolve.gate.levels import Levels
from evolve.gate.prior import chance_of, first_prior
from evolve.gate.recheck import MOST_PASSES, confirm
from evolve.gate.ruling import Assessment, Ruling
from evolve.gate.settling import compare
from evolve.gate.stack_rule import MOST_COMPARED, StackRule
from tests.fakes import result
from tests.test_gate_levels import pair

TASKS = [TaskSlot(f"t{n:02}", Split.TRAIN if n < 12 else Split.VALIDATION, "easy") for n in range(18)]
SEED = Candidate("0" * 40, 0, None, "evolve/run/round-0000")
BETTER = Candidate("1" * 40, 1, SEED.commit, "evolve/run/round-0001")
LOW, HIGH = 0.47, 0.97


class Play:
    """A campaign over names: the seed passes at LOW, and all that patches it at HIGH."""

    def __init__(self, salt: int) -> None:
        self.salt, self.trials = salt, dict[str, list[TrialResult]]()
        self.standing: Standing = initial_standing(TASKS, GateConfig(), SEED)

    def of(self, commit: str) -> list[TrialResult]:
        return self.trials.setdefault(commit, [])

    def run(self, asked: NeedTrials) -> None:
        for commit in asked.commits:
            had = {(one.task, one.attempt) for one in self.of(commit)}
            self.of(commit).extend(
                result(task, self.reward(commit, task, attempt), attempt, candidate=commit)
                for task, attempt in asked.slots
                if (task, attempt) not in had
            )

    def reward(self, commit: str, task: str, attempt: int) -> float:
        share = LOW if commit == SEED.commit else HIGH
        return float(random.Random(f"{self.salt}{commit}{task}{attempt}").random() < share)

    def play_round(self, patch: Candidate) -> None:
        if self.standing.compares:
            ends = self.standing.tip.commit, self.standing.champion.commit
            while isinstance(said := compare(self.standing, *map(self.of, ends)), NeedTrials):
                self.run(said)
            self.standing = said
        while isinstance(ready := learn_tip(self.standing, self.of(self.standing.tip.commit)), NeedTrials):
            self.run(ready)
        while isinstance(
            ruled := judge(ready, [Entrant(patch, self.of(patch.commit))], self.of(ready.tip.commit)), NeedTrials
        ):
            self.run(ruled)
        self.standing = ruled.standing

    def rounds_to_champion(self, most: int = 6) -> int:
        """The rounds until the champion isn't the seed."""
        for number in range(1, most + 1):
            self.play_round(Candidate(f"{number:040}", number, self.standing.tip.commit, f"evolve/run/round-{number}"))
            if self.standing.champion != SEED:
                return number
        return most + 1


@pytest.mark.parametrize("salt", range(12))
def test_a_tip_that_is_far_better_becomes_champion_within_four_rounds(salt: int) -> None:
    assert Play(salt).rounds_to_champion() <= 4


def stacked(level: Levels, champion: Levels | None, **more: object) -> StackRule:
    """A rule in the middle of a stack, whose champion had this level by its own trials."""
    rule = initial_standing(TASKS, GateConfig(generalise=False), SEED).rule
    assert isinstance(rule, StackRule)
    return replace(rule, level=level, champion_level=champion, earlier=(rule.seeds,), **more)  # type: ignore[arg-type]


KNOWN = Levels.of(0.47, 0.08**2)
LUCKY = pair(0.95, 0.05**2, lead=0.1, lead_variance=0.05**2, covariance=0.002)


def test_what_challengers_tell_is_contradicted_by_the_champions_own_trials() -> None:
    assert stacked(LUCKY, KNOWN).wants_comparison()
    assert stacked(LUCKY, KNOWN).contradiction() == pytest.approx(0.38)
    assert not stacked(pair(0.95, 0.05**2, lead=0.4, lead_variance=0.05**2, covariance=0.002), KNOWN).contradiction(), (
        "the champion stays where it was measured"
    )
    assert not replace(stacked(LUCKY, KNOWN), level=KNOWN, earlier=()).wants_comparison()
    assert not stacked(LUCKY, KNOWN, compared=MOST_COMPARED).wants_comparison(), "there is an end to it"


def test_the_champion_is_measured_in_a_new_epoch() -> None:
    quiet = pair(0.55, 0.02**2, 0.05, 0.025**2, 0.0004)
    rule = stacked(quiet, Levels.of(0.5, 0.08**2))
    assert not rule.wants_comparison()
    after = rule.in_new_epoch()
    assert after.champion_level is None and after.wants_comparison()
    assert not after.contradiction(), "nothing is known of it"
    rewards = np.array([[float(task % 2) for task in range(18)]] * 2)
    compared = after.with_tip_trials(rewards).with_champion_trials(rewards)
    assert not compared.wants_comparison()
    assert compared.level.lead == pytest.approx(quiet.lead, abs=0.01), "the lead of before still counts"
    assert stacked(quiet, Levels.of(0.5, 0.15**2)).wants_comparison(), "one pass of it is too few"


def test_a_comparison_believes_the_champions_trials_rather_than_the_prior() -> None:
    rewards = np.array([[float(task % 2) for task in range(18)]])
    after = stacked(LUCKY, KNOWN).with_champion_trials(rewards)
    stubborn = stacked(LUCKY, LUCKY.back_to(0)).with_champion_trials(rewards)
    assert after.level.lead > 0.35 > 0.2 > stubborn.level.lead
    assert after.level.lead_variance > stubborn.level.lead_variance
    assert after.compared == 1
    assert not after.contradiction(), "what it was measured at counts from now on"


def test_a_large_lead_that_is_nearly_sure_is_compared_and_a_small_one_not() -> None:
    champion = Levels.of(0.5, 0.08**2)
    assert stacked(pair(0.65, 0.05**2, 0.15, 0.06**2, 0.002), champion).wants_comparison()
    assert not stacked(pair(0.55, 0.02**2, 0.05, 0.025**2, 0.0004), champion).wants_comparison()
    assert not stacked(pair(0.65, 0.05**2, 0.15, 0.02**2, 0.002), champion).wants_comparison(), "it is sure"


def test_a_gain_that_no_patch_has_tells_nothing_of_the_tip() -> None:
    rule = initial_standing(TASKS, GateConfig(), SEED).rule
    assert isinstance(rule, StackRule)
    rule = replace(rule, level=Levels.of(0.47, 0.05**2))
    seen = np.ones((8, 18))
    score = rule.score(seen)
    assert chance_of(rule.level.effect(score), first_prior()) < stack_rule.IMPLAUSIBLE
    assert rule._after_drop(seen, score, seen).level is rule.level
    likely = np.tile([0.0, 1.0], (8, 9))
    assert rule._after_drop(likely, rule.score(likely), likely).level.mean != rule.level.mean


def test_a_run_of_an_earlier_version_differs_in_nothing_that_anyone_chose() -> None:
    stored = RunConfig(gate=GateConfig(version=RULE_VERSION - 1)).canonical()
    assert RunConfig().differences(stored) == []
    assert RunConfig.from_stored(stored).gate.version == RULE_VERSION - 1
    assert [one.key for one in RunConfig(gate=GateConfig(risk=0.02)).differences(stored)] == ["gate.risk"]


def test_every_way_to_drop_a_patch_decides_about_the_stack() -> None:
    rule = stacked(pair(0.6, 0.02**2, 0.3, 0.03**2, 0.0004), Levels.of(0.3, 0.05**2))
    seen, claim = np.ones((8, 18)), Assessment(0.4, 0.05, 0.0, 18)
    taken = Ruling(True, StackFate.OPEN, claim, rule, "likely")
    ways = {
        "idle": rule._drop_idle(seen),
        "poor": rule._drop(seen, "poor"),
        "not confirmed": confirm(rule, taken, seen, np.zeros((MOST_PASSES, 18))),
        "by a veto": _without(rule, claim, "veto"),
    }
    for way, ruling in ways.items():
        assert isinstance(ruling, Ruling), way
        assert (ruling.taken, ruling.fate) == (False, StackFate.PROMOTED), way
    behind = replace(rule, level=pair(0.6, 0.02**2, -0.3, 0.03**2, 0.0004))
    assert behind._drop_idle(seen).fate is StackFate.GIVEN_UP
