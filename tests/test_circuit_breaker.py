"""The circuit breaker: when trials may begin while the endpoint or the engine fails."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.core.records import Fault
from evolve.host.circuit_breaker import OUTAGE_FAULTS, Breaker, Policy, State

POLICY = Policy(failures_to_open=3, first_pause=5.0, longest_pause=60.0, patience=600.0)
NOT_ITS_OWN = [fault for fault in Fault if fault not in OUTAGE_FAULTS]


def after(*moments: float, fault: Fault = Fault.ENDPOINT) -> Breaker:
    """One after a fault at each moment."""
    breaker = Breaker(POLICY)
    for moment in moments:
        breaker = breaker.record_failure(fault, moment)
    return breaker


def test_a_few_faults_in_a_row_open_it() -> None:
    assert after(0.0, 1.0).may_start(1.0, running=7)
    opened = after(0.0, 1.0, 2.0)
    assert opened.state(2.0) is State.OPEN and opened.until == 7.0
    assert not opened.may_start(6.9, running=0)


def test_after_the_pause_one_single_trial_is_the_probe() -> None:
    opened = after(0.0, 0.0, 0.0)
    assert opened.state(5.0) is State.HALF_OPEN
    assert opened.may_start(5.0, running=0) and not opened.may_start(5.0, running=1)


def test_a_probe_that_fails_doubles_the_pause_up_to_a_bound() -> None:
    breaker, pauses = after(0.0, 0.0, 0.0), []
    for _ in range(5):
        now = breaker.until
        breaker = breaker.record_failure(Fault.ENDPOINT, now)
        pauses.append(breaker.until - now)
    assert pauses == [10.0, 20.0, 40.0, 60.0, 60.0]


def test_what_was_begun_before_it_opened_does_not_make_the_pause_longer() -> None:
    assert after(0.0, 0.0, 0.0, 1.0, 2.0).until == 5.0


def test_a_success_closes_it_and_begins_the_row_anew() -> None:
    closed = after(0.0, 0.0, 0.0).record_success()
    assert closed.state(0.0) is State.CLOSED and closed == Breaker(POLICY)
    assert after(0.0, 0.0).record_success().record_failure(Fault.ENGINE, 1.0).may_start(1.0, 5)


def test_it_is_open_at_once_where_the_next_trial_would_surely_fail() -> None:
    tripped = Breaker(POLICY).trip(Fault.ENGINE, 3.0)
    assert (tripped.state(3.0), tripped.until, tripped.fault) == (State.OPEN, 8.0, Fault.ENGINE)
    assert tripped.trip(Fault.ENGINE, 8.0).until == 18.0


def test_patience_counts_from_when_it_opened_and_the_last_probe_comes_at_its_end() -> None:
    breaker = after(0.0, 0.0, 100.0)
    while not breaker.is_out_of_patience(breaker.until):
        breaker = breaker.record_failure(Fault.ENDPOINT, breaker.until)
    assert breaker.until == 700.0
    assert breaker.record_failure(Fault.ENDPOINT, 700.0).is_out_of_patience(700.0)
    assert not after(0.0, 5000.0).is_out_of_patience(5000.0), "two faults with a long trial between them are no outage"


@pytest.mark.parametrize("fault", NOT_ITS_OWN)
def test_other_faults_are_not_its_own(fault: Fault) -> None:
    assert after(0.0, 0.0, fault=fault) == Breaker(POLICY)


@pytest.mark.parametrize("wrong", [{"failures_to_open": 0}, {"first_pause": 0}, {"longest_pause": 1}, {"patience": -1}])
def test_an_invalid_policy_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="invalid policy"):
        Policy(**wrong)  # type: ignore[arg-type]


@given(st.lists(st.tuples(st.floats(0, 500), st.sampled_from(["fault", "success", "other"])), max_size=80))
def test_whatever_happens_it_neither_waits_for_ever_nor_lets_many_begin_while_it_is_open(
    events: list[tuple[float, str]],
) -> None:
    breaker, now, row = Breaker(POLICY), 0.0, 0
    for gap, event in events:
        now += gap
        if event == "success":
            breaker, row = breaker.record_success(), 0
        else:
            row += event == "fault"
            breaker = breaker.record_failure(Fault.ENDPOINT if event == "fault" else Fault.OTHER, now)
        assert (breaker.opened_at is not None) == (row >= POLICY.failures_to_open)
        assert breaker.may_start(now + POLICY.longest_pause, running=0)
        assert breaker.opened_at is None or not breaker.may_start(now, running=1)
        assert breaker.until <= now + POLICY.longest_pause
        assert row < POLICY.failures_to_open or breaker.is_out_of_patience(now) == (
            now - (breaker.opened_at or 0.0) >= POLICY.patience
        )
