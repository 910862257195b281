"""A session's money: caps over trials and proposals, and the booking of what was lost. Real files, a real database."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from evolve.budget import run_budget
from evolve.budget.metered import Metered
from evolve.budget.run_budget import Budget, lesson_of, proposal_of
from evolve.core.caps import Caps
from evolve.core.errors import BudgetExhausted, EndpointError, RequestRefused
from evolve.core.records import Candidate, Lesson, ModelSpec, Proposal, Usage
from evolve.store import RunRow, Store
from tests.fakes import ScriptedModel, completion, result, task

RUN = "r"
AT = "2026-11-23T21:44:00+00:00"
SPEC = ModelSpec("m", prompt_price=1000.0, completion_price=1000.0)  # 0.001 dollars a token
BODY = {"messages": [], "max_tokens": 100}
SEED = Candidate("c" * 40, 0, None, "evolve/r/round-0000")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "evolve.db") as made:
        made.create_run(RunRow(RUN, AT, 0, "{}", "0" * 64, "s", "s", "m", None, "{}", "0", "r", None), [task()])
        made.start_race(RUN, [0], None, AT)
        made.add_candidate(RUN, SEED)
        yield made


@pytest.fixture
def begun(store: Store, tmp_path: Path) -> Iterator[Callable[..., Budget]]:
    """Begins sessions, one after the other."""
    made: list[Budget] = []

    def begin(**caps: float) -> Budget:
        for one in made:
            one.close()
        made.append(run_budget.begin(store, RUN, tmp_path / RUN, Caps(**caps), free=False))  # type: ignore[arg-type]
        return made[-1]

    yield begin
    for one in made:
        one.close()


def metered(session: Budget, model: ScriptedModel, what: str = "a trial") -> Metered:
    return Metered(model, SPEC, session.terms, what)


def test_no_call_is_made_beyond_the_cap_and_it_is_passed_by_one_at_most(begun: Callable[..., Budget]) -> None:
    session, model = begun(usd=0.05), ScriptedModel(completion(tokens=10))
    for _ in range(3):  # of 0.02 dollars each
        metered(session, model).complete(BODY)
    with pytest.raises(BudgetExhausted):
        metered(session, model).complete(BODY)
    assert len(model.requests) == 3
    assert session.reached() == "the budget of $0.05 is spent"


def test_a_cap_of_nothing_makes_no_paid_call(begun: Callable[..., Budget]) -> None:
    model = ScriptedModel()
    with pytest.raises(BudgetExhausted):
        metered(begun(usd=0), model).complete(BODY)
    assert model.requests == []


def test_calls_at_once_wait_for_what_others_may_use_up(begun: Callable[..., Budget]) -> None:
    def slow(body: object) -> dict[str, object]:
        time.sleep(0.05)
        return completion(tokens=10)

    session, model = begun(usd=0.15), ScriptedModel(slow)

    def ask(_: int) -> bool:
        try:
            return bool(metered(session, model).complete(BODY))
        except BudgetExhausted:
            return False

    with ThreadPoolExecutor(6) as pool:
        answered = sum(pool.map(ask, range(12)))
    assert answered == len(model.requests) == 8
    assert session.left() == "$0.00"


def test_the_time_is_over_for_calls_too(begun: Callable[..., Budget]) -> None:
    session = begun(seconds=0.0)
    with pytest.raises(BudgetExhausted):
        metered(session, ScriptedModel()).complete(BODY)
    assert session.reached() == "the budget of 0 seconds is spent"


@pytest.mark.parametrize("error", [RequestRefused(400, "x", "x"), EndpointError("x")])
def test_a_call_that_failed_costs_nothing(begun: Callable[..., Budget], error: Exception) -> None:
    session = begun()
    with pytest.raises(type(error)):
        metered(session, ScriptedModel(error)).complete(BODY)
    assert session.spent() == Usage(calls=1)


def test_the_time_for_which_a_call_waits_for_others_is_told(begun: Callable[..., Budget]) -> None:
    def slow(body: object) -> dict[str, object]:
        time.sleep(0.4)
        return completion(tokens=10)

    lost: list[Usage] = []
    model = metered(begun(usd=0.15), ScriptedModel(slow))
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: model.complete(BODY, lost.append), range(2)))
    assert len(lost) == 1 and lost[0] == Usage(lost_seconds=lost[0].lost_seconds) and lost[0].lost_seconds > 0.2


def test_trials_are_counted_as_they_begin(begun: Callable[..., Budget], store: Store) -> None:
    store.add_trial(RUN, result())
    session = begun(trials=3)
    assert [session.may_start() for _ in range(3)] == [True, True, False]
    with pytest.raises(BudgetExhausted, match="3 trials"):
        session.check()


def test_what_a_killed_session_spent_is_booked_once(begun: Callable[..., Budget], store: Store, tmp_path: Path) -> None:
    model = ScriptedModel(completion(tokens=10))
    session = begun()
    for what in ("lost", proposal_of(1), lesson_of(1), result().key):
        metered(session, model, what).complete(BODY)
    store.add_trial(RUN, result(usage=Usage(1, 10, 10, 0.02)))  # and the process is killed before the purse knows
    store.start_race(RUN, [1], SEED, AT)
    store.add_proposal(RUN, 1, Proposal("h", "p", (), Usage(1, 10, 10, 0.02)), "0", "m", AT)
    store.add_lesson(RUN, Lesson(1, "l", "", Usage(1, 10, 10, 0.02)), "0", "m", AT)
    later = begun(usd=1.0)
    assert [(loss.what, loss.usage) for loss in store.losses(RUN)] == [("lost", Usage(1, 10, 10, 0.02))]
    assert later.left() == "$0.92"
    assert [row.caps for row in store.sessions(RUN)][
        -1
    ] == '{"usd": 1.0, "tokens": null, "seconds": null, "trials": null}'
    begun()
    assert len(store.losses(RUN)) == 1 and store.spent(RUN).cost_usd == pytest.approx(0.08)


def test_losses_that_are_rows_already_are_not_booked_again(
    begun: Callable[..., Budget], store: Store, tmp_path: Path
) -> None:
    session = begun()
    metered(session, ScriptedModel(), "lost").complete(BODY)
    store.add_losses(RUN, store.sessions(RUN)[0].id, {"lost": Usage(1)}, AT)  # and the process is killed
    begun()
    assert [loss.usage for loss in store.losses(RUN)] == [Usage(1)]
    assert len(list((tmp_path / RUN / run_budget.FOLDER).glob("*.db"))) == 1


def test_work_beside_a_run_is_booked_nowhere(store: Store, tmp_path: Path) -> None:
    session = run_budget.beside(tmp_path / RUN)
    metered(session, ScriptedModel()).complete(BODY)
    session.close()
    assert run_budget.book_losses(store, RUN, tmp_path / RUN) == Usage()
    assert store.losses(RUN) == [] and store.sessions(RUN) == []
