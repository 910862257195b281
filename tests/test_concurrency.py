"""How many trials run at once: what is chosen at the start, and how it follows what an endpoint tolerates."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from statistics import mean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolve.budget.rate import Rates
from evolve.core.config import ModelFacts
from evolve.core.records import Fault, ModelSpec, Outcome, SandboxSpec, TrialResult, Usage
from evolve.executor.concurrency import (
    CEILING,
    FIRST,
    WORKER_MB,
    Concurrency,
    Machine,
    Pace,
    choose_concurrency,
    trial_memory_mb,
)
from evolve.loop.watcher import SilentWatcher
from evolve.runs import jobs, opening
from tests.fakes import result
from tests.faults import victim

REMOTE = ModelSpec("m", base_url="https://host.invalid/v1")
MACHINE = Machine(processors=4, memory_mb=33_600)
TRIAL_MB = 1600
MAX_TOKENS = 4096


def chosen(asked: int = 0, model: ModelSpec = REMOTE, machine: Machine = MACHINE, own: bool = False) -> Concurrency:
    return choose_concurrency(asked, machine, TRIAL_MB, model, MAX_TOKENS, own)


def test_a_remote_model_starts_with_few_trials_and_may_have_as_many_as_fit_into_memory() -> None:
    assert (chosen().most, chosen().first) == (21, FIRST)
    assert chosen(machine=replace(MACHINE, memory_mb=900)) == Concurrency(1, 1, "memory for 1, the endpoint is remote")
    assert chosen(machine=replace(MACHINE, memory_mb=10**6)).most == CEILING


@pytest.mark.parametrize(
    ("model", "own"),
    [
        (ModelSpec("embedded"), False),
        (ModelSpec("m", base_url="http://localhost:8000/v1"), False),
        (ModelSpec("m", base_url="http://gpu7:8000/v1"), True),
    ],
)
def test_a_model_on_the_users_own_processors_gets_one_trial_per_processor(model: ModelSpec, own: bool) -> None:
    assert (chosen(model=model, own=own).most, chosen(model=model, own=own).first) == (4, 4)


@pytest.mark.parametrize("model", [REMOTE, ModelSpec("embedded")])
def test_the_users_number_is_the_number(model: ModelSpec) -> None:
    assert chosen(50, model) == Concurrency(50, 50)


def test_an_endpoint_with_few_requests_a_minute_gets_few_trials() -> None:
    assert chosen(model=replace(REMOTE, requests_per_minute=60)).most == 10
    assert chosen(model=replace(REMOTE, tokens_per_minute=100_000)).most == 4
    assert chosen(model=replace(REMOTE, requests_per_minute=1)).most == 1


@given(
    st.integers(0, 100), st.integers(1, 256), st.integers(0, 10**7), st.integers(200, 10**5),
    st.none() | st.integers(1, 10**5), st.none() | st.integers(1, 10**8), st.booleans(),
)  # fmt: skip
def test_there_is_always_a_trial_and_never_more_than_allowed(
    asked: int, processors: int, memory: int, trial: int, requests: int | None, tokens: int | None, own: bool
) -> None:
    model = replace(REMOTE, requests_per_minute=requests, tokens_per_minute=tokens)
    choice = choose_concurrency(asked, Machine(processors, memory), trial, model, MAX_TOKENS, own)
    assert 1 <= choice.first <= choice.most <= max(asked, processors if own and not asked else 0, CEILING)
    if not asked and not own:
        assert choice.most == 1 or choice.most * trial <= memory


def test_the_memory_of_a_trial_is_that_of_its_three_containers_and_its_worker() -> None:
    tasks = [SandboxSpec(memory_mb=100), SandboxSpec(memory_mb=300)]
    assert trial_memory_mb(SandboxSpec(memory_mb=200), tasks) == 200 + 2 * 300 + WORKER_MB


@pytest.mark.parametrize(
    ("choice", "rates", "line"),
    [
        (
            Concurrency(21, 8, "memory for 21, the endpoint is remote"),
            Rates(60, 100_000),
            "8 trials at once, later up to 21 (memory for 21, the endpoint is remote); "
            "at most 60 requests and 100,000 tokens a minute",
        ),
        (Concurrency(1, 1, "one per processor"), Rates(), "1 trial at once (one per processor)"),
        (Concurrency(3, 3), Rates(tokens=5000), "3 trials at once; at most 5,000 tokens a minute"),
    ],
)
def test_both_are_described_in_one_line(choice: Concurrency, rates: Rates, line: str) -> None:
    assert choice.describe(rates) == line


def ended(retries: int = 0, lost: float = 0.0, fault: Fault = Fault.NONE) -> TrialResult:
    """A trial of ten calls and a hundred seconds."""
    outcome, reward = (Outcome.INFRA_ERROR, None) if fault is not Fault.NONE else (Outcome.PASSED, 1.0)
    usage = Usage(calls=10, retries=retries, lost_seconds=lost)
    return result(outcome=outcome, reward=reward, usage=usage, seconds=100.0, fault=fault)


def paced(pace: Pace, *results: TrialResult) -> Pace:
    """The pace after trials that ran one after another, among as many as may run."""
    for each in results:
        pace = pace.after(each, pace.cuts, pace.limit)
    return pace


def test_at_first_each_trial_without_refusals_adds_one() -> None:
    assert paced(Pace(6, 4), ended()).limit == 5
    assert paced(Pace(6, 4), *[ended()] * 9).limit == 6


def test_refused_or_delayed_calls_cut_the_number_once_as_many_trials_as_may_run_have_ended() -> None:
    for refused in (ended(retries=2), ended(lost=40.0)):
        assert paced(Pace(8, 8), *[refused] * 7).limit == 8
        assert paced(Pace(8, 8), *[refused] * 8).limit == 6


def test_an_endpoint_fault_cuts_at_once_and_other_faults_do_not() -> None:
    assert paced(Pace(8, 8), ended(fault=Fault.ENDPOINT)).limit == 6
    assert paced(Pace(8, 8), *[ended(fault=Fault.OTHER)] * 9).limit == 8


def test_after_a_cut_the_number_rises_by_one_per_generation_of_trials() -> None:
    cut = Pace(9, 3, cuts=1, rising=False)
    assert paced(cut, *[ended()] * 2).limit == 3
    assert paced(cut, *[ended()] * 3).limit == 4
    assert paced(cut, *[ended()] * 7).limit == 5


def test_a_trial_that_started_before_a_cut_or_runs_alone_says_nothing() -> None:
    cut = Pace(9, 4, cuts=1, rising=False)
    assert cut.after(ended(fault=Fault.ENDPOINT), 0, 4) == cut
    assert cut.after(ended(fault=Fault.ENDPOINT), 1, 1) == cut


def test_nothing_is_learned_about_more_trials_while_fewer_run() -> None:
    pace = Pace(9, 4)
    for _ in range(20):
        pace = pace.after(ended(), 0, 3)
    assert pace.limit == 4


results = st.builds(
    ended, st.integers(0, 20), st.floats(0, 300), st.sampled_from([Fault.NONE, Fault.ENDPOINT, Fault.OTHER])
)


@given(st.integers(1, 40), st.integers(1, 40), st.lists(st.tuples(results, st.integers(0, 3), st.integers(1, 40))))
def test_the_number_stays_within_its_bounds(most: int, first: int, trials: list[tuple[TrialResult, int, int]]) -> None:
    pace = Pace(most, min(first, most))
    for each, cuts, running in trials:
        after = pace.after(each, cuts, running)
        assert 1 <= after.limit <= most and after.limit <= pace.limit + 1 and after.cuts >= pace.cuts
        assert after.limit >= pace.limit or after.limit >= int(pace.limit * 0.75) or after.limit == pace.limit - 1
        pace = after


class Heard(SilentWatcher):
    """Keeps what a run says."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def test_a_run_says_both_when_it_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    victim.without_containers(monkeypatch)
    (tmp_path / "scaffold").mkdir()
    for name, text in victim.FILES.items():
        (tmp_path / "scaffold" / name).write_text(text)
    monkeypatch.setattr(jobs, "available_memory_mb", lambda: 7000)
    asked = victim.order(tmp_path, "first")
    facts = {"base_url": "https://host.invalid/v1", "facts": ModelFacts(requests_per_minute=60)}
    watcher = Heard()
    request = replace(asked, jobs=0, config=asked.config.model_copy(update=facts))
    with opening.open_run(request, victim.suite(tmp_path), watcher) as search:
        assert search.measurer.evaluator.jobs == 4
    line = "4 trials at once (memory for 4, the endpoint is remote); at most 60 requests a minute"
    assert line in watcher.lines


@dataclass
class SimulatedRun:
    """Trials of an endpoint that refuses a call while `tolerates(now)` others run, one event after another."""

    tolerates: Callable[[float], int]
    pace: Pace
    seed: int
    failing: float = 0.0
    calls: int = 0
    running: int = 0
    limits: list[tuple[float, int]] = field(default_factory=list)

    def play(self, trials: int) -> list[tuple[float, int]]:
        """(time, trials at once) after each trial."""
        self.random, self.order = random.Random(self.seed), count()
        events: list[tuple[float, int, Callable[[float], None]]] = []
        self.after = lambda at, do: heapq.heappush(events, (at, next(self.order), do))
        self.left = trials
        self._start(0.0)
        while events:
            at, _, do = heapq.heappop(events)
            do(at)
        return self.limits

    def _start(self, now: float) -> None:
        while self.left and self.running < self.pace.limit:
            self.left, self.running = self.left - 1, self.running + 1
            trial = SimulatedTrial(self, now, self.pace.cuts)
            self.after(now + self.random.uniform(1, 3), trial.call)

    def end(self, trial: SimulatedTrial, now: float, fault: Fault) -> None:
        usage = Usage(calls=trial.calls, retries=trial.retries, lost_seconds=trial.lost)
        outcome, reward = (Outcome.PASSED, 1.0) if fault is Fault.NONE else (Outcome.INFRA_ERROR, None)
        ended = result(outcome=outcome, reward=reward, usage=usage, seconds=now - trial.began, fault=fault)
        self.pace = self.pace.after(ended, trial.cuts, self.running)
        self.running -= 1
        self.limits.append((now, self.pace.limit))
        self._start(now)


@dataclass
class SimulatedTrial:
    """Ten calls of some seconds, with commands between them; a refused call is tried again five times."""

    run: SimulatedRun
    began: float
    cuts: int
    calls: int = 0
    tries: int = 0
    retries: int = 0
    lost: float = 0.0

    def call(self, now: float) -> None:
        chance = self.run.random
        if self.run.calls < self.run.tolerates(now) and chance.random() >= self.run.failing:
            self.run.calls += 1
            self.run.after(now + chance.uniform(2, 6), self.answered)
        elif self.tries == 5:
            self.run.end(self, now, Fault.ENDPOINT)
        else:
            wait = 2.0**self.tries + chance.random()
            self.tries, self.retries, self.lost = self.tries + 1, self.retries + 1, self.lost + wait
            self.run.after(now + wait, self.call)

    def answered(self, now: float) -> None:
        self.run.calls, self.tries, self.calls = self.run.calls - 1, 0, self.calls + 1
        if self.calls == 10:
            self.run.end(self, now, Fault.NONE)
        else:
            self.run.after(now + self.run.random.uniform(0.1, 1), self.call)


def settled(limits: list[tuple[float, int]]) -> list[int]:
    """The numbers of trials at once in the second half."""
    return [limit for _, limit in limits[len(limits) // 2 :]]


@settings(max_examples=15, deadline=None)
@given(st.integers(2, 20), st.integers(1, 32), st.integers(0, 99))
def test_the_number_settles_near_what_an_endpoint_tolerates(tolerated: int, first: int, seed: int) -> None:
    limits = settled(SimulatedRun(lambda _: tolerated, Pace(32, first), seed).play(600))
    assert 0.6 * tolerated <= mean(limits) <= 1.5 * tolerated + 1
    assert min(limits) >= tolerated / 2


def test_the_number_follows_an_endpoint_that_changes() -> None:
    limits = SimulatedRun(lambda now: 16 if now < 1000 else 4, Pace(32, 8), seed=1).play(900)
    before = [limit for at, limit in limits if 500 < at < 1000]
    after = [limit for at, limit in limits if at > 1500]
    assert 10 <= mean(before) <= 25 and 3 <= mean(after) <= 7


def test_rare_faults_that_have_nothing_to_do_with_the_number_do_not_lower_it() -> None:
    limits = settled(SimulatedRun(lambda _: 1000, Pace(20, 8), seed=1, failing=0.01).play(800))
    assert mean(limits) > 17
