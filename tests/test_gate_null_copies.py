"""Null copies: when they are due, on which attempts they run, and that their verdicts change nothing."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from evolve.core.attempts import ATTEMPTS_PER_TIP
from evolve.core.config import RunConfig
from evolve.core.gate_config import GateConfig
from evolve.core.records import Candidate, Decision, Evidence, Split, StackFate, TrialResult, Verdict
from evolve.gate import Entrant, Judgement, NeedTrials, Standing, TaskSlot, initial_standing, judge, learn_tip
from evolve.gate.null_copies import is_null_round, judge_copy
from tests.fakes import result

TASKS = [TaskSlot(f"t{n:02}", Split.TRAIN if n < 14 else Split.VALIDATION, "easy") for n in range(20)]
SEED = Candidate("a" * 40, 0, None, "evolve/run/round-0000")
COPY = Candidate("b" * 40, 7, SEED.commit, "evolve/run/round-0007")


def measured(asked: NeedTrials, salt: str, share: float = 0.5) -> list[TrialResult]:
    return [
        result(task, float(random.Random(f"{salt}{task}{attempt}").random() < share), attempt, candidate=commit)
        for commit in asked.commits
        for task, attempt in asked.slots
    ]


def ready(settings: GateConfig) -> tuple[Standing, list[TrialResult]]:
    standing, tip = initial_standing(TASKS, settings, SEED), list[TrialResult]()
    while isinstance(answer := learn_tip(standing, tip), NeedTrials):
        tip += measured(answer, "tip")
    return answer, tip


def judged(
    standing: Standing, tip: list[TrialResult], salt: str, share: float = 0.5
) -> tuple[Decision, list[TrialResult]]:
    tip, own = list(tip), list[TrialResult]()
    while isinstance(answer := judge_copy(standing, Entrant(COPY, own), tip), NeedTrials):
        trials = measured(answer, salt, share)
        own += [trial for trial in trials if trial.candidate == COPY.commit]
        tip += [trial for trial in trials if trial.candidate != COPY.commit]
    return answer, own


@pytest.mark.parametrize("share", [0.05, 0.1, 0.3, 0.5])
def test_the_share_of_rounds_is_that_of_the_setting(share: float) -> None:
    settings, length = GateConfig(null_share=share), round(1 / share)
    due = [[n for n in range(1, 20 * length + 1) if is_null_round(n, seed, settings)] for seed in range(3)]
    assert all(len(rounds) == 20 for rounds in due)
    assert all(n > length // 2 for rounds in due for n in rounds), "none in the first half of the first block"
    assert due[0] == [n for n in range(1, 20 * length + 1) if is_null_round(n, 0, settings)]
    assert length < 4 or due[0] != due[1]


def test_none_is_due_without_a_share_under_other_rules_or_in_runs_of_earlier_versions() -> None:
    earlier = RunConfig.from_stored('{"gate": {"risk": 0.02}}').gate
    for settings in (GateConfig(null_share=0), GateConfig(rule="greedy"), earlier):
        assert not any(is_null_round(number, 0, settings) for number in range(200))
    assert RunConfig().differences('{"gate": {}}') == []


def test_a_copy_runs_on_attempts_of_its_own_that_no_tip_and_no_patch_has() -> None:
    standing, tip = ready(GateConfig())
    decision, own = judged(standing, tip, "copy")
    first = COPY.round * ATTEMPTS_PER_TIP
    assert own and all(first <= trial.attempt < first + ATTEMPTS_PER_TIP for trial in own)
    assert decision.verdict is Verdict.REVERT and decision.fate is StackFate.OPEN
    assert decision.would_be in (Verdict.REVERT, Verdict.STACK, Verdict.KEEP)
    assert decision.reason.startswith("null copy, would have ")


def test_what_would_have_been_kept_is_recorded_as_such() -> None:
    standing, tip = ready(GateConfig())
    lucky, _ = judged(standing, tip, "lucky", share=1.0)
    assert (lucky.verdict, lucky.would_be) == (Verdict.REVERT, Verdict.STACK)
    assert lucky.evidence is not None and lucky.evidence.effect > 0.2
    bold, known = ready(GateConfig(risk=0.4, generalise=False))
    assert judged(bold, known, "lucky", share=1.0)[0].would_be is Verdict.KEEP
    unlucky, _ = judged(standing, tip, "unlucky", share=0.0)
    assert (unlucky.verdict, unlucky.would_be) == (Verdict.REVERT, Verdict.REVERT)


def test_the_next_patch_is_judged_as_if_there_had_been_no_copy() -> None:
    standing, tip = ready(GateConfig())
    patch = replace(COPY, commit="c" * 40, round=8)

    def ruled() -> Judgement:
        own = list[TrialResult]()
        known = list(tip)
        while isinstance(answer := judge(standing, [Entrant(patch, own)], known), NeedTrials):
            trials = measured(answer, "patch", 0.7)
            own += [trial for trial in trials if trial.candidate == patch.commit]
            known += [trial for trial in trials if trial.candidate != patch.commit]
        return answer

    before = ruled()
    judged(standing, tip, "lucky", share=1.0)
    assert ruled().decisions == before.decisions


def test_copies_become_champion_no_more_often_than_promised() -> None:
    standing, tip = ready(GateConfig())
    verdicts = [judged(standing, tip, f"copy {number}")[0].would_be for number in range(60)]
    assert verdicts.count(Verdict.KEEP) <= 1
    assert verdicts.count(Verdict.REVERT) > 30


@pytest.mark.parametrize(
    "changes", [{"verdict": Verdict.STACK}, {"fate": StackFate.GIVEN_UP}, {"would_be": Verdict.REFUSED}]
)
def test_a_null_copy_can_change_nothing(changes: dict[str, object]) -> None:
    usual = {"verdict": Verdict.REVERT, "reason": "x", "would_be": Verdict.STACK, "evidence": Evidence(0, 0.1, 0.5)}
    Decision(**usual)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"null copy|no verdict"):
        Decision(**{**usual, **changes})  # type: ignore[arg-type]
