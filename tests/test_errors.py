"""Messages and exit statuses of errors."""

from __future__ import annotations

import pickle

import pytest

from evolve.core.errors import (
    BadInput,
    BudgetExhausted,
    EvolveError,
    InfraError,
    Locked,
    RequestRefused,
    RequestsRefused,
)


def test_bad_input_names_place_problem_and_fix_in_one_line() -> None:
    error = BadInput("task.toml", "key `cpus` is not a number", "give a number")
    assert str(error) == "task.toml: key `cpus` is not a number; give a number"
    assert (error.where, error.problem, error.fix) == ("task.toml", "key `cpus` is not a number", "give a number")


def test_exit_statuses() -> None:
    errors = [BadInput("a", "b", "c"), Locked("x"), InfraError("x"), BudgetExhausted("x"), RequestsRefused("x")]
    assert [error.exit_status for error in errors] == [2, 75, 1, 3, 4]


@pytest.mark.parametrize("error", [BadInput("a", "b", "c"), RequestRefused(400, "odd", "why"), InfraError("x")])
def test_errors_come_back_from_another_process(error: EvolveError) -> None:
    """Worker processes send them by pickle; an error that can't be read again breaks the whole pool."""
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))
