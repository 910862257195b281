"""A session's budget: caps over trials and proposals, and the booking of losses. Real files, a real database."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evolve.budget import metered as metering
from evolve.budget import run_budget
from evolve.budget.metered import Metered, ledger_of
from evolve.budget.run_budget import Budget, lesson_key, proposal_key
from evolve.core.caps import Caps
from evolve.core.errors import BudgetExhausted, EndpointError, RequestRefused
from evolve.core.records import Candidate, Grading, Lesson, ModelSpec, Proposal, Usage, grader_key
from evolve.llm import OnLost
from evolve.store import PreflightRow, RunRow, Store
from tests.fakes import ScriptedModel, completion, result, task

RUN = "r"
AT = "2026-11-23T21:44:00+00:00"
SPEC = ModelSpec("m", prompt_price=1000.0, completion_price=1000.0)  # 0.001 dollars a token
BODY = {"messages": [], "max_tokens": 100}
SEED = Candidate("c" * 40, 0, None, "evolve/r/round-0000")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "evolve.db") as opened:
        opened.create_run(RunRow(RUN, AT, 0, "{}", "0" * 64, "s", "s", "m", None, "{}", "0", "r", None), [task()])
        opened.start_race(RUN, [0], None, AT)
        opened.add_candidate(RUN, SEED)
        yield opened


@pytest.fixture
def begin(store: Store, tmp_path: Path) -> Iterator[Callable[..., Budget]]:
    """A function that starts a session and closes the one before."""
    sessions: list[Budget] = []

    def begin_session(**caps: float) -> Budget:
        for session in sessions:
            session.close()
        sessions.append(run_budget.begin(store, RUN, tmp_path / RUN, Caps(**caps), free=False))  # type: ignore[arg-type]
        return sessions[-1]

    yield begin_session
    for session in sessions:
        session.close()


def metered(session: Budget, model: ScriptedModel, what: str = "a trial") -> Metered:
    return Metered(model, SPEC, session.terms, what)


def test_no_call_is_made_beyond_the_cap_which_one_call_may_exceed(begin: Callable[..., Budget]) -> None:
    session, model = begin(usd=0.05), ScriptedModel(completion(tokens=10))
    for _ in range(3):  # of 0.02 dollars each
        metered(session, model).complete(BODY)
    with pytest.raises(BudgetExhausted):
        metered(session, model).complete(BODY)
    assert len(model.requests) == 3
    assert session.reached() == "the budget of $0.05 is spent"


def test_a_cap_of_zero_makes_no_paid_call(begin: Callable[..., Budget]) -> None:
    model = ScriptedModel()
    with pytest.raises(BudgetExhausted):
        metered(begin(usd=0), model).complete(BODY)
    assert model.requests == []


def test_concurrent_calls_wait_while_others_may_use_up_the_budget(begin: Callable[..., Budget]) -> None:
    def slow(body: object) -> dict[str, object]:
        time.sleep(0.05)
        return completion(tokens=10)

    session, model = begin(usd=0.15), ScriptedModel(slow)

    def ask(_: int) -> bool:
        try:
            return bool(metered(session, model).complete(BODY))
        except BudgetExhausted:
            return False

    with ThreadPoolExecutor(6) as pool:
        answered = sum(pool.map(ask, range(12)))
    assert answered == len(model.requests) == 8
    assert session.left() == "$0.00"


def test_a_cap_holds_even_if_each_byte_of_the_prompts_is_a_token(begin: Callable[..., Budget]) -> None:
    def billed(body: Mapping[str, Any]) -> dict[str, Any]:
        time.sleep(0.02)
        tokens = {"prompt_tokens": len(body["messages"][0]["content"]), "completion_tokens": body["max_tokens"]}
        return {**completion(), "usage": tokens}

    session, model = begin(usd=40.0), ScriptedModel(billed)
    body = {"messages": [{"role": "user", "content": "7" * 8000}], "max_tokens": 100}  # 8.10 dollars

    def ask(_: int) -> None:
        with contextlib.suppress(BudgetExhausted):
            metered(session, model).complete(body)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(16)))
    assert 40.0 <= session.spent().cost_usd <= 40.0 + 8.1


def test_no_call_is_made_after_the_deadline(begin: Callable[..., Budget]) -> None:
    session = begin(seconds=0.0)
    with pytest.raises(BudgetExhausted):
        metered(session, ScriptedModel()).complete(BODY)
    assert session.reached() == "the budget of 0 seconds is spent"


@pytest.mark.parametrize("error", [RequestRefused(400, "x", "x"), EndpointError("x")])
def test_a_call_that_failed_costs_nothing(begin: Callable[..., Budget], error: Exception) -> None:
    session = begin()
    with pytest.raises(type(error)):
        metered(session, ScriptedModel(error)).complete(BODY)
    assert session.spent() == Usage(calls=1)


def test_time_spent_waiting_for_other_calls_is_reported_as_lost(begin: Callable[..., Budget]) -> None:
    def slow(body: object) -> dict[str, object]:
        time.sleep(0.4)
        return completion(tokens=10)

    lost: list[Usage] = []
    model = metered(begin(usd=0.15), ScriptedModel(slow))
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: model.complete(BODY, lost.append), range(2)))
    assert len(lost) == 1 and lost[0] == Usage(lost_seconds=lost[0].lost_seconds) and lost[0].lost_seconds > 0.2


def test_a_wait_is_reported_while_it_lasts_and_is_bounded(
    begin: Callable[..., Budget], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metering, "LONGEST_WAIT_SECONDS", 0.5)
    monkeypatch.setattr(metering, "REPORT_SECONDS", 0.1)
    session, lost = begin(usd=0.15), list[Usage]()
    assert ledger_of(session.terms).reserve("another call", Usage(1, 100, 0, 0.1)) is not None
    began = time.monotonic()
    with pytest.raises(BudgetExhausted):
        metered(session, ScriptedModel()).complete(BODY, lost.append)
    assert 0.5 <= time.monotonic() - began < 5
    model = metered(session, ScriptedModel())
    for _ in range(2):  # all calls of a trial share the time
        with pytest.raises(BudgetExhausted):
            model.complete(BODY)
    assert 0.5 <= model._waited < 0.6
    assert len(lost) >= 2 and 0.3 < sum(usage.lost_seconds for usage in lost) < 5


def test_an_end_of_the_wait_leaves_no_hold(begin: Callable[..., Budget], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metering, "REPORT_SECONDS", 0.0)

    def give_up(lost: Usage) -> None:
        raise EndpointError("it has waited for too long")

    session = begin(usd=0.15)
    hold = ledger_of(session.terms).reserve("another call", Usage(1, 100, 0, 0.1)) or 0
    with pytest.raises(EndpointError):
        metered(session, ScriptedModel()).complete(BODY, give_up)
    ledger_of(session.terms).settle(hold, Usage())
    assert ledger_of(session.terms).unbooked() == {"another call": Usage()}


def test_what_failed_tries_report_is_charged_too(begin: Callable[..., Budget]) -> None:
    class Retrying(ScriptedModel):
        def complete(self, body: Mapping[str, Any], on_lost: OnLost | None = None) -> dict[str, Any]:
            assert on_lost is not None
            on_lost(Usage(calls=1, prompt_tokens=5, cost_usd=0.005, retries=1, lost_seconds=0.1))
            return super().complete(body, on_lost)

    session, lost = begin(), list[Usage]()
    metered(session, Retrying(completion(tokens=10))).complete(BODY, lost.append)
    assert session.spent() == Usage(2, 15, 10, 0.025) and lost[-1].retries == 1


def test_trials_are_counted_as_they_start(begin: Callable[..., Budget], store: Store) -> None:
    store.add_trial(RUN, result())
    session = begin(trials=3)
    assert [session.may_start() for _ in range(3)] == [True, True, False]
    with pytest.raises(BudgetExhausted, match="3 trials"):
        session.check()


def test_the_spending_of_a_killed_session_is_booked_once(
    begin: Callable[..., Budget], store: Store, tmp_path: Path
) -> None:
    model = ScriptedModel(completion(tokens=10))
    session = begin()
    for what in ("lost", proposal_key(1), lesson_key(1), result().key):
        metered(session, model, what).complete(BODY)
    store.add_trial(RUN, result(usage=Usage(1, 10, 10, 0.02)))  # and the process is killed before it books this
    store.start_race(RUN, [1], SEED, AT)
    store.add_proposal(RUN, 1, Proposal("h", "p", (), Usage(1, 10, 10, 0.02)), "0", "m", AT)
    store.add_lesson(RUN, Lesson(1, "l", "", Usage(1, 10, 10, 0.02)), "0", "m", AT)
    later = begin(usd=1.0)
    assert [(loss.what, loss.usage) for loss in store.losses(RUN)] == [("lost", Usage(1, 10, 10, 0.02))]
    assert later.left() == "$0.92"
    assert [row.caps for row in store.sessions(RUN)][
        -1
    ] == '{"usd": 1.0, "tokens": null, "seconds": null, "trials": null}'
    begin()
    assert len(store.losses(RUN)) == 1 and store.spent(RUN).cost_usd == pytest.approx(0.08)


def test_checks_of_the_endpoint_count_against_the_caps(store: Store, tmp_path: Path) -> None:
    check = PreflightRow(AT, "scaffold", "m", None, "{}", Usage(2, 10, 10, 0.05))
    session = run_budget.begin(store, RUN, tmp_path / RUN, Caps(usd=0.05), free=False, preflights=[check])
    assert session.reached() == "the budget of $0.05 is spent"
    session.close()
    assert [row.session for row in store.preflights(RUN)] == [store.sessions(RUN)[0].id]


def test_losses_that_are_rows_already_are_not_booked_again(
    begin: Callable[..., Budget], store: Store, tmp_path: Path
) -> None:
    session = begin()
    metered(session, ScriptedModel(), "lost").complete(BODY)
    store.add_losses(RUN, store.sessions(RUN)[0].id, {"lost": Usage(1)}, AT)  # and the process is killed
    begin()
    assert [loss.usage for loss in store.losses(RUN)] == [Usage(1)]
    assert len(list((tmp_path / RUN / run_budget.FOLDER).glob("*.db"))) == 1


def test_work_outside_a_run_is_never_booked(store: Store, tmp_path: Path) -> None:
    session = run_budget.begin_unbooked(tmp_path / RUN)
    metered(session, ScriptedModel()).complete(BODY)
    session.close()
    assert run_budget.book_losses(store, RUN, tmp_path / RUN) == Usage()
    assert store.losses(RUN) == [] and store.sessions(RUN) == []


def test_what_the_tests_of_a_trial_ask_counts_under_the_caps_and_is_booked_with_its_row(
    begin: Callable[..., Budget], store: Store
) -> None:
    session, trial = begin(tokens=25), result()
    asked = metered(session, ScriptedModel(completion()), grader_key(trial.key))
    asked.complete(BODY)
    assert session.spent().tokens == 20
    asked.complete(BODY)
    with pytest.raises(BudgetExhausted):
        asked.complete(BODY)
    store.add_trial(RUN, replace(trial, grading=Grading("judge", Usage(2, 20, 20, 0.04))))
    session.book(grader_key(trial.key), Usage(2, 20, 20, 0.04))
    assert session.spent().tokens == 40 == begin().spent().tokens and store.losses(RUN) == []


def test_what_the_tests_of_a_killed_trial_asked_is_a_loss(begin: Callable[..., Budget], store: Store) -> None:
    metered(begin(), ScriptedModel(completion()), grader_key("killed")).complete(BODY)
    begin()
    assert [(loss.what, loss.usage.calls) for loss in store.losses(RUN)] == [("grader of killed", 1)]
