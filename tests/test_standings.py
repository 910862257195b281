"""The scores of champion and tip, from trials that chose neither where there are any."""

from __future__ import annotations

from dataclasses import replace

from evolve.core.attempts import ATTEMPTS_PER_TIP, first_attempt, first_fresh_attempt, unselected_trials
from evolve.core.records import Candidate, Decision, Split, StackFate, TrialResult, Verdict
from evolve.report.claims import null_lines
from evolve.report.standings import standing_lines, tip_lines
from evolve.runs.results import no_champion
from evolve.store import RoundRow
from tests.fakes import result

SEED, KEPT, STACKED = (Candidate(letter * 40, n, None if not n else "0" * 40, "b") for n, letter in enumerate("abc"))
VERDICTS = (Verdict.BASELINE, Verdict.KEEP, Verdict.STACK)


def row(candidate: Candidate, verdict: Verdict, fate: StackFate = StackFate.OPEN) -> RoundRow:
    return RoundRow(candidate.round, None, "", candidate, None, Decision(verdict, "", fate), candidate.round)


ROWS = [row(candidate, verdict) for candidate, verdict in zip((SEED, KEPT, STACKED), VERDICTS, strict=True)]


def trials(candidate: Candidate, first: int, *rewards: float) -> list[TrialResult]:
    return [
        replace(result(f"t{n}", reward, first, candidate=candidate.commit), split=split)
        for split in (Split.TRAIN, Split.VALIDATION)
        for n, reward in enumerate(rewards)
    ]


def test_trials_that_chose_a_scaffold_are_left_out() -> None:
    as_challenger = trials(KEPT, 0, 1, 1)
    as_tip, fresh = trials(KEPT, first_attempt(KEPT), 0, 1), trials(KEPT, first_fresh_attempt(KEPT), 0, 0)
    again = trials(KEPT, first_attempt(KEPT) + 1024, 1, 1)
    holdout = [replace(trial, split=Split.HOLDOUT) for trial in fresh]
    assert unselected_trials(KEPT, as_challenger) == []
    assert unselected_trials(KEPT, [*as_challenger, *as_tip, *again]) == as_tip
    assert unselected_trials(KEPT, [*as_challenger, *as_tip, *fresh, *holdout]) == fresh
    assert unselected_trials(SEED, trials(SEED, 0, 1, 0)) == trials(SEED, 0, 1, 0)


def test_the_tip_stands_beside_the_champion_with_its_interval_and_the_way_to_take_it_over() -> None:
    known = [
        *trials(KEPT, first_attempt(KEPT), 0, 1),
        *trials(STACKED, ATTEMPTS_PER_TIP, 1, 1),
        *trials(STACKED, first_attempt(STACKED), 1, 1, 0, 1),
    ]
    champion, tip = standing_lines("r", ROWS, known)
    assert champion == "champion (round 1): train 50.0 % (± 98.0 points), validation 50.0 % (± 98.0 points)"
    assert tip.startswith(
        "tip (round 2): train 75.0 % (± 49.0 points), validation 75.0 % (± 49.0 points), not yet proven better"
    )
    assert tip.endswith("evolve adopt r --tip")
    assert tip_lines("r", ROWS, known) == [tip]


def test_a_tip_without_trials_of_its_own_has_the_score_that_chose_it_and_it_is_said_so() -> None:
    said = tip_lines("r", ROWS, trials(STACKED, ATTEMPTS_PER_TIP, 1, 0))[0]
    assert "train 50.0 %" in said and "by the trials for which it was chosen, so probably less" in said
    assert "train not measured, validation not measured, not yet" in tip_lines("r", ROWS, [])[0]


def test_a_champion_alone_has_one_line_and_a_run_without_decisions_none() -> None:
    assert len(standing_lines("r", ROWS[:2], [])) == 1
    given_up = [*ROWS, row(Candidate("d" * 40, 3, STACKED.commit, "b"), Verdict.REVERT, StackFate.GIVEN_UP)]
    assert tip_lines("r", given_up, []) == []
    assert standing_lines("r", [replace(ROWS[0], decision=None)], []) == []


def test_a_claim_without_a_champion_names_the_tip_whose_gain_is_held_back() -> None:
    assert null_lines("r") == ["run r: the champion is still the seed scaffold, so there is no gain to claim"]
    tip = tip_lines("r", [ROWS[0], ROWS[2]], trials(STACKED, first_attempt(STACKED), 1, 1))
    first, held, last = null_lines("r", tip)
    assert first.endswith("no gain to claim") and "held back" in held
    assert last.startswith("  tip (round 2): train 100.0 %") and last.endswith("evolve adopt r --tip")


def test_a_refused_claim_names_the_tip_too() -> None:
    assert str(no_champion("r", ROWS[:1])).endswith("resume the run for more rounds")
    refused = str(no_champion("r", [ROWS[0], ROWS[2]]))
    assert "the gain of its tip, of round 2, is not proven yet" in refused
    assert refused.endswith("or take the tip over: evolve adopt r --tip")
