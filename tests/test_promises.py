"""The lines on null copies and on changed conditions."""

from __future__ import annotations

from dataclasses import replace

from evolve.core.epochs import CALM_TRIALS
from evolve.core.records import TrialCondition, TrialResult
from evolve.report.promises import change_lines
from evolve.runs.conditions import last_epochs
from evolve.runs.history import history_rows
from tests.fakes import result


def test_each_change_of_the_conditions_has_one_line() -> None:
    first, second = (result(condition=TrialCondition((name,))) for name in ("m", "\x1b[31mn"))
    trials = [first] * (CALM_TRIALS + 1) + [second] * 3
    assert change_lines(trials[: CALM_TRIALS + 1]) == []
    (line,) = change_lines(trials)
    assert line.startswith("conditions changed after 21 trials: the model's name: m -> ")
    assert "\x1b" not in line


def test_a_round_has_the_epoch_of_its_last_trial() -> None:
    old, new = (result(candidate=letter * 40, condition=TrialCondition((letter,))) for letter in "ab")
    rows = [{"commit_sha": commit, "round": n} for n, commit in enumerate((old.candidate, new.candidate, None))]
    trials = [old] * (CALM_TRIALS + 1) + [new]
    shown = history_rows(rows, trials, [], last_epochs(trials))
    assert [row["epoch"] for row in shown] == [0, 1, None]


def test_a_seed_scaffold_whose_later_trials_differ_shows_a_change() -> None:
    def trials(*rewards: float) -> list[TrialResult]:
        return [result(f"t{task:02}", reward, attempt) for attempt, reward in enumerate(rewards) for task in range(20)]

    assert change_lines([]) == []
    assert change_lines(trials(0.5, 0.5, 0.5, 0.5)) == []
    (line,) = change_lines(trials(0.0, 0.0, 1.0, 1.0))
    assert line.startswith("the seed scaffold's later trials differ clearly from its earlier ones")
    others = [replace(trial, candidate="d" * 40) for trial in trials(1.0, 1.0)]
    assert change_lines([*trials(0.0, 0.0), *others]) == [], "another scaffold's rewards are its own"
