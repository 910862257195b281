"""Caps of a run: when they are reached, and whether a call may begin beside others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.core.caps import Caps, Kept, has_room, work_seconds
from evolve.core.records import TrialResult, Usage
from tests.fakes import result

START = datetime(2026, 11, 23, 21, 44, tzinfo=UTC)
costs = st.builds(lambda tokens, usd: Usage(1, tokens, 0, usd), st.integers(0, 100), st.floats(0, 1))


def at(seconds: float) -> str:
    return (START + timedelta(seconds=seconds)).isoformat()


@pytest.mark.parametrize(
    ("caps", "message"),
    [
        (Caps(), ""),
        (Caps(usd=2.0), "the budget of $2 is spent"),
        (Caps(usd=2.1, tokens=30), "the budget of 30 tokens is spent"),
        (Caps(usd=2.1, tokens=31, seconds=60), "the budget of 60 seconds is spent"),
        (Caps(trials=7), "the budget of 7 trials is spent"),
        (Caps(usd=2.1, tokens=31, seconds=61, trials=8), ""),
    ],
)
def test_a_cap_is_reached_when_it_is_spent(caps: Caps, message: str) -> None:
    assert caps.reached_cap(Usage(3, 20, 10, 2.0), 60.0, 7) == message


def test_a_cap_of_zero_does_not_stop_a_free_model() -> None:
    assert Caps(usd=0).reached_cap(Usage(3, 20, 10), 1.0, 1, free=True) == ""
    assert Caps(usd=0).reached_cap(Usage(), 0.0, 0) == "the budget of $0 is spent"


def trials(count: int, usd: float = 0.1, seconds: float = 30.0) -> list[TrialResult]:
    return [result(attempt=number, usage=Usage(3, 900, 100, usd), seconds=seconds) for number in range(count)]


def test_enough_is_kept_for_the_end() -> None:
    caps = Caps(usd=20.0, tokens=1_000_000, seconds=3600.0, trials=200)
    kept = caps.kept_for_end(trials(10), final=40, jobs=4)
    assert kept == Kept(usd=pytest.approx(4.4), tokens=44_000, seconds=330.0, trials=40)
    assert Caps().kept_for_end(trials(10), final=40, jobs=4) == Kept()
    assert caps.kept_for_end([], final=40, jobs=4) == Kept()


@given(st.integers(1, 30), st.integers(0, 500), st.integers(1, 16), st.floats(0, 5), st.floats(0, 50))
def test_at_least_half_of_a_cap_is_for_the_rounds(done: int, final: int, jobs: int, usd: float, cap: float) -> None:
    caps = Caps(cap, int(cap * 1000), cap, int(cap))
    kept = caps.kept_for_end(trials(done, usd), final, jobs)
    amounts = (
        (kept.usd, caps.usd),
        (kept.tokens, caps.tokens),
        (kept.seconds, caps.seconds),
        (kept.trials, caps.trials),
    )
    for amount, whole in amounts:
        assert whole is not None and 0 <= amount <= whole / 2


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        (Kept(usd=0.9), ""),
        (Kept(usd=1.0), "the rounds' share of the budget of $3 is spent"),
        (Kept(tokens=4000), "the rounds' share of the budget of 5000 tokens is spent"),
        (Kept(seconds=480), "the rounds' share of the budget of 600 seconds is spent"),
        (Kept(trials=6), "the rounds' share of the budget of 10 trials is spent"),
    ],
)
def test_a_cap_counts_as_reached_while_what_is_kept_is_left(kept: Kept, message: str) -> None:
    assert Caps(3.0, 5000, 600.0, 10).reached_cap(Usage(1, 900, 100, 2.0), 120.0, 4, kept=kept) == message


def test_what_is_left_of_each_cap_is_described() -> None:
    caps = Caps(3.0, 5000, 600.0, 10)
    assert caps.describe_left(Usage(1, 900, 100, 1.0), 120.0, 4) == "$2.00, 4k tokens, 8 min, 6 trials"
    assert caps.describe_left(Usage(9, 9000, 100, 9.0), 999.0, 40) == "$0.00, 0k tokens, 0 min, 0 trials"
    assert Caps().describe_left(Usage(1, 900, 100, 1.0), 120.0, 4) == ""


def test_a_cap_is_never_negative() -> None:
    with pytest.raises(ValueError, match="can't be negative"):
        Caps(tokens=-1)


@given(st.integers(0, 300), st.floats(0, 3), costs, st.lists(costs, max_size=4), costs)
def test_at_most_one_call_exceeds_a_cap(
    tokens: int, usd: float, spent: Usage, running: list[Usage], wanted: Usage
) -> None:
    held = sum(running, Usage())
    room = has_room(Caps(usd, tokens), spent, held, wanted)
    if room and running and any(one.tokens for one in running):
        assert (spent + held + wanted).tokens <= tokens
    if room:
        assert spent.tokens < tokens or spent.tokens + wanted.tokens <= tokens
    if room is None:
        assert running, "a call alone never waits"
    if room is False:
        dollars = wanted.cost_usd and spent.cost_usd >= usd
        assert spent.tokens >= tokens or dollars


def test_a_call_that_costs_nothing_needs_no_dollars() -> None:
    assert has_room(Caps(usd=0), Usage(), Usage(), Usage(1, 100, 100)) is True
    assert has_room(Caps(usd=0), Usage(), Usage(), Usage(1, 100, 100, 0.1)) is False


def test_a_session_lasts_until_its_last_moment() -> None:
    moments = [(at(10), 0.0), (at(20), 5.0), (at(1000), 0.0), (at(1030), 0.0)]
    assert work_seconds([at(0), at(1000)], moments) == 25 + 30
    assert work_seconds([], moments) == 0
    assert work_seconds([at(0)], []) == 0


def test_a_session_ends_at_the_next_start_and_is_never_negative() -> None:
    assert work_seconds([at(0), at(100)], [(at(90), 60.0)]) == 100
    assert work_seconds([at(100), at(50)], [(at(60), 0.0)]) >= 0
    assert work_seconds([at(100)], [(at(60), 0.0)]) == 0
