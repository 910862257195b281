"""Requests and tokens per minute: the rule as a function of earlier calls, and the file that processes share."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import chain, pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.budget import turns as turns_module
from evolve.budget.ledger import SpendingFile
from evolve.budget.metered import Metered
from evolve.budget.rate import Rates, Sent, longest_wait, most_trials, rates_of, send_times
from evolve.budget.turns import PacedModel, Turns, paced, turns_of
from evolve.core.errors import BudgetExhausted, EndpointError, InfraError, RequestRefused
from evolve.core.records import Limits, ModelSpec, Usage
from evolve.llm.client import OpenAIModel
from evolve.trial.gateway import TrialBudget, longest_delay
from evolve.trial.gateway.budget import MAX_LOST_SECONDS
from tests.fakes import ScriptedModel, completion
from tests.upstream import Upstream, refuses, says

WINDOW = 60.0
SPEC = ModelSpec("m", base_url="http://host.invalid/v1", requests_per_minute=2)
BODY = {"messages": [], "max_tokens": 10}

limits = st.builds(
    lambda requests, tokens: Rates(requests, tokens, WINDOW),
    st.none() | st.integers(1, 5),
    st.none() | st.integers(1, 100),
).filter(lambda rates: not rates.unlimited)
# Of each call: seconds since the one before, and tokens.
arrivals = st.lists(st.tuples(st.floats(0, 50), st.integers(1, 150)), min_size=1, max_size=30)


def played(rates: Rates, calls: list[tuple[float, int]]) -> list[tuple[float, Sent]]:
    """(arrival, call) of each call, where each one asks at its arrival and is sent as soon as it may be."""
    sent: list[Sent] = []
    result, now = [], 0.0
    for pause, tokens in calls:
        now += pause
        waiting = [call for call in sent if call.at > now]
        before = [call for call in sent if call.at <= now]
        at = send_times(rates, before, [*(call.tokens for call in waiting), tokens], now)[-1]
        sent.append(Sent(at, tokens))
        result.append((now, sent[-1]))
    return result


@given(limits, arrivals)
def test_no_minute_has_more_than_the_limits_allow(rates: Rates, calls: list[tuple[float, int]]) -> None:
    sent = [call for _, call in played(rates, calls)]
    for first in sent:
        minute = [call for call in sent if first.at <= call.at < first.at + WINDOW]
        assert rates.requests is None or len(minute) <= rates.requests
        assert rates.tokens is None or len(minute) == 1 or sum(call.tokens for call in minute) <= rates.tokens


@given(limits, arrivals)
def test_calls_are_sent_in_the_order_in_which_they_came(rates: Rates, calls: list[tuple[float, int]]) -> None:
    times = [call.at for _, call in played(rates, calls)]
    assert times == sorted(times)


@given(limits, arrivals)
def test_no_call_waits_longer_than_the_limits_make_it(rates: Rates, calls: list[tuple[float, int]]) -> None:
    """It is sent at its arrival, with the one before it, or when an earlier call no longer counts."""
    so_far: list[Sent] = []
    for arrival, call in played(rates, calls):
        spans = {WINDOW, *(seconds for _, seconds in rates.request_windows)}
        freed = (earlier.at + seconds for earlier in so_far for seconds in spans)
        causes = [arrival, *(earlier.at for earlier in so_far[-1:]), *freed]
        assert call.at in causes and call.at >= arrival
        ahead = sum(earlier.at > arrival for earlier in so_far)
        assert call.at - arrival <= WINDOW * (ahead + 1) + 1e-6
        so_far.append(call)


@given(limits, arrivals, st.floats(0, 500))
def test_nobody_waits_longer_because_a_call_used_less_than_it_reserved(
    rates: Rates, calls: list[tuple[float, int]], now: float
) -> None:
    sent, waiting = [Sent(now - pause, tokens) for pause, tokens in calls], [tokens for _, tokens in calls]
    corrected = [replace(call, tokens=call.tokens // 2) for call in sent]
    pairs = zip(send_times(rates, corrected, waiting, now), send_times(rates, sent, waiting, now), strict=True)
    assert all(sooner <= later for sooner, later in pairs)


@pytest.mark.parametrize(("requests", "burst"), [(1, 1), (3, 1), (7, 1), (60, 10), (100, 17)])
def test_the_requests_of_a_busy_minute_are_spread_over_it(requests: int, burst: int) -> None:
    times = send_times(Rates(requests, window=WINDOW), [], [1] * 3 * requests, 0.0)
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert max(pauses) <= max(WINDOW / requests, 10.5) + 1e-6 and times.count(0.0) == burst
    assert times[requests] >= WINDOW and times[-1] <= 3 * WINDOW


def test_a_call_larger_than_the_limit_is_sent_alone() -> None:
    rates = Rates(tokens=10, window=WINDOW)
    assert send_times(rates, [], [50], 7.0) == [7.0]
    assert send_times(rates, [Sent(5.0, 1)], [50, 1], 7.0) == [65.0, 125.0]


def test_the_number_of_trials_leaves_each_a_turn_every_ten_seconds() -> None:
    assert most_trials(Rates(), 4096) is None
    assert most_trials(Rates(requests=60), 4096) == 10 and most_trials(Rates(requests=3), 4096) == 1
    assert most_trials(Rates(600, 100_000), 4096) == 4


def test_the_longest_wait_of_a_trial_grows_with_its_calls_and_tokens() -> None:
    limits, slow = Limits(calls=10, tokens=6000), replace(SPEC, requests_per_minute=3)
    assert longest_wait(replace(SPEC, requests_per_minute=None), limits) == 0
    assert longest_wait(slow, limits) == 10 * 20
    assert longest_wait(replace(slow, requests_per_minute=600), limits) == 10 * 10
    assert longest_wait(replace(slow, tokens_per_minute=3000), limits) == 10 * 20 + 120


def test_a_model_in_this_process_has_no_limits() -> None:
    assert rates_of(ModelSpec("embedded", requests_per_minute=2)).unlimited
    assert rates_of(SPEC) == Rates(requests=2)


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Turns]:
    opened = Turns(tmp_path / "spending" / "rates.db")
    yield opened
    opened.close()


def test_waiting_calls_keep_their_order_and_endpoints_do_not_share_their_limits(shared: Turns) -> None:
    rates = Rates(requests=1, window=WINDOW)
    first, second, third = (shared.ask("a", rates, 1) for _ in range(3))
    assert (first.now, second.now, third.now) == (True, False, False)
    assert shared.ask("b", rates, 1).now
    assert abs(third.at - second.at - WINDOW) < 1e-6
    shared.leave(second.id)
    assert abs(shared.ask("a", rates, 1, third.id).at - second.at) < 1e-6


def test_what_a_call_did_not_use_is_free_for_others(shared: Turns) -> None:
    rates = Rates(tokens=100, window=WINDOW)
    first, second = (shared.ask("a", rates, 90) for _ in range(2))
    assert first.now and not second.now
    shared.correct(first.id, 10)
    assert shared.ask("a", rates, 90, second.id).now


def test_the_waiting_calls_of_a_dead_process_are_passed_over(shared: Turns, monkeypatch: pytest.MonkeyPatch) -> None:
    rates = Rates(requests=1, window=0.3)
    shared.ask("a", rates, 1)
    dead = shared.ask("a", rates, 1)
    monkeypatch.setattr(turns_module, "DEAD_SECONDS", 0.1)
    time.sleep(0.4)
    assert shared.ask("a", rates, 1).now
    late = shared.ask("a", rates, 1, dead.id)
    assert not late.now and late.id != dead.id


def test_what_was_sent_before_the_machine_started_counts_no_more(shared: Turns) -> None:
    rates = Rates(requests=1, window=WINDOW)
    later = "UPDATE turn SET sent = sent + 1000, seen = seen + 1000"
    shared.ask("a", rates, 1)
    shared.ask("a", rates, 1)
    shared._db.execute(later)
    assert shared.ask("a", rates, 1).now


def test_a_file_that_is_no_database_raises_an_infra_error(tmp_path: Path) -> None:
    (tmp_path / "rates.db").write_text("this is no database, and long enough to be seen as none" * 20)
    with pytest.raises(InfraError, match=r"rates\.db"):
        Turns(tmp_path / "rates.db")


def _ask_often(path: Path, rates: Rates, calls: int) -> list[float]:
    """When each of the calls was sent, as a process that makes one after the other sees it."""
    moments: list[float] = []

    def answer(body: object) -> dict[str, object]:
        moments.append(time.monotonic())
        return completion()

    model = PacedModel(ScriptedModel(answer), SPEC, rates, path)
    for _ in range(calls):
        model.complete(BODY)
    return moments


def test_processes_share_the_limit(tmp_path: Path) -> None:
    rates = Rates(requests=4, window=0.5)
    with multiprocessing.get_context("fork").Pool(3) as pool:
        moments = sorted(chain(*pool.starmap(_ask_often, [(tmp_path / "rates.db", rates, 4)] * 3)))
    assert len(moments) == 12
    # A process may be held up between its turn and the call; the others' calls are not.
    assert all(later - earlier > 0.4 for earlier, later in zip(moments, moments[4:], strict=False))


def _wait_and_die(path: Path, rates: Rates) -> None:
    Turns(path).ask(f"{SPEC.name} at {SPEC.base_url}", rates, 1)
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_process_blocks_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, rates = tmp_path / "rates.db", Rates(requests=1, window=0.3)
    monkeypatch.setattr(turns_module, "DEAD_SECONDS", 0.5)
    for _ in range(2):
        process = multiprocessing.get_context("fork").Process(target=_wait_and_die, args=(path, rates))
        process.start()
        process.join(30)
    began = time.monotonic()
    assert len(_ask_often(path, rates, 1)) == 1 and time.monotonic() - began < 5


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "rates.db"
    turns_of.cache_clear()


def test_the_wait_is_reported_as_lost(path: Path) -> None:
    lost: list[Usage] = []
    model = PacedModel(ScriptedModel(), SPEC, Rates(requests=1, window=0.7), path)
    model.complete(BODY, lost.append)
    assert lost == []
    model.complete(BODY, lost.append)
    total = sum(lost, Usage())
    assert len(lost) == 2 and 0.5 < total.lost_seconds < 5 and total == Usage(lost_seconds=total.lost_seconds)


def test_concurrent_calls_wait_for_each_other(path: Path) -> None:
    model = ScriptedModel()
    slow = PacedModel(model, SPEC, Rates(requests=2, window=0.3), path)
    began = time.monotonic()
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: slow.complete(BODY), range(6)))
    assert len(model.requests) == 6 and time.monotonic() - began > 0.6


def test_a_call_whose_scaffold_hung_up_gives_up_its_place(path: Path) -> None:
    def hang_up(_: Usage) -> None:
        raise InfraError("the scaffold gave up")

    model, rates = ScriptedModel(), Rates(requests=1, window=0.4)
    waiting = PacedModel(model, SPEC, rates, path)
    waiting.complete(BODY)
    with pytest.raises(InfraError, match="gave up"):
        waiting.complete(BODY, hang_up)
    assert len(model.requests) == 1
    assert turns_of(path)._db.execute("SELECT count(*) FROM turn WHERE sent IS NULL").fetchone() == (0,)


def test_no_call_is_sent_after_the_end_of_the_session(path: Path) -> None:
    model = ScriptedModel()
    ending = PacedModel(model, SPEC, Rates(requests=1, window=WINDOW), path, ends=time.monotonic() + 0.2)
    ending.complete(BODY)
    with pytest.raises(BudgetExhausted):
        ending.complete(BODY)
    assert len(model.requests) == 1


def test_tokens_count_as_they_were_used(path: Path) -> None:
    model = PacedModel(ScriptedModel(completion(tokens=1)), SPEC, Rates(tokens=20, window=WINDOW), path)
    began = time.monotonic()
    for _ in range(4):
        model.complete(BODY)
    assert time.monotonic() - began < 5


def test_a_refused_call_counts_and_is_passed_on(path: Path) -> None:
    rates = Rates(requests=12, window=WINDOW)
    model = PacedModel(ScriptedModel(RequestRefused(400, "x", "x")), SPEC, rates, path)
    for _ in range(2):
        with pytest.raises(RequestRefused):
            model.complete(BODY)
    assert not turns_of(path).ask(f"{SPEC.name} at {SPEC.base_url}", rates, 1).now


def test_another_try_waits_for_another_turn(path: Path, upstream: Upstream) -> None:
    upstream.script(refuses(429), refuses(503), says("hello"))
    lost: list[Usage] = []
    client = OpenAIModel(upstream.spec(), longest_wait=0.01)
    model = PacedModel(client, upstream.spec(), Rates(requests=1, window=0.5), path)
    began = time.monotonic()
    assert model.complete({"model": "m", **BODY}, lost.append)["choices"]
    assert time.monotonic() - began > 1.0
    total = sum(lost, Usage())
    assert total.retries == 2 and 0.9 < total.lost_seconds <= time.monotonic() - began


def test_metered_calls_are_paced_if_their_model_has_limits(tmp_path: Path) -> None:
    terms, model = SpendingFile(tmp_path / "session-1.db"), ScriptedModel()
    assert paced(model, replace(SPEC, requests_per_minute=None), terms) is model
    Metered(model, SPEC, terms, "a trial").complete(BODY)
    assert (tmp_path / turns_module.FILE).exists()
    turns_of.cache_clear()


def test_a_trial_may_wait_for_its_turns_longer_than_an_endpoint_may_fail() -> None:
    limits, slow = Limits(calls=30), replace(SPEC, requests_per_minute=6)
    lost = Usage(lost_seconds=MAX_LOST_SECONDS + 200)
    now = time.monotonic()
    TrialBudget(limits, slow, now).record_loss(lost)
    assert longest_delay([slow], limits) == longest_delay([SPEC], limits) - 30 * 30 + 30 * 10
    with pytest.raises(EndpointError):
        TrialBudget(limits, replace(SPEC, requests_per_minute=None), now).record_loss(lost)
