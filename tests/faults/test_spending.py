"""A worker that is killed in the middle of a call near the cap: its spending is booked, and the others go on."""

from __future__ import annotations

import functools
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from evolve.budget.ledger import SpendingFile
from evolve.budget.metered import Metered, charge_dead, ledger_of
from evolve.core.caps import Caps
from evolve.core.records import Fault, Limits, ModelSpec, Outcome, TrialResult, Usage
from evolve.executor.evaluate import Evaluator
from evolve.llm import highest_usage
from evolve.trial.gateway import Door, Gateway
from tests.fakes import FolderWorkspace, ScriptedModel, completion, task, trial_spec
from tests.faults import spender
from tests.test_gateway import chat
from tests.upstream import Upstream, after, says

# Dollars per million tokens: 0.02 dollars for each answer of the endpoint, over two for what is reserved.
PRICE = 1000.0
CAP = 3.0


@pytest.fixture
def terms(tmp_path: Path) -> Iterator[SpendingFile]:
    yield SpendingFile(tmp_path / "spending.db", Caps(usd=CAP))
    ledger_of.cache_clear()


def until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_spending_of_a_killed_worker_is_booked_and_the_next_call_proceeds(
    upstream: Upstream, terms: SpendingFile, tmp_path: Path
) -> None:
    upstream.script(says(), after(120, says()), says())
    spec = upstream.spec(prompt_price=PRICE, completion_price=PRICE)
    reserved = highest_usage(spender.BODY, spec)
    assert 2 * reserved.cost_usd > CAP > reserved.cost_usd
    trials = [trial_spec(tmp_path, task=task(name), model=spec) for name in ("first", "second")]
    waiting: list[int] = []

    def kill_the_first() -> None:
        until(lambda: len(upstream.requests()) == 2)
        (tmp_path / "go").touch()
        time.sleep(1)
        waiting.append(len(upstream.requests()))
        os.kill(int((tmp_path / "first.pid").read_text()), signal.SIGKILL)

    killer = threading.Thread(target=kill_the_first)
    killer.start()
    results, ledger = list[TrialResult](), ledger_of(terms)

    def record(result: TrialResult) -> None:
        results.append(result)
        ledger.book(result.key, result.usage)

    work = functools.partial(spender.work, spending_file=terms)
    charge = functools.partial(charge_dead, terms)
    with Evaluator(2, work, pause_seconds=0.01, sweep=lambda *_: None, charge_dead=charge) as evaluator:
        evaluator.measure(trials, record)
    killer.join()
    assert waiting == [2], "the second trial had no room before the first one's worker was killed"
    assert len(upstream.requests()) == 5
    (killed,) = (result for result in results if not result.counts)
    assert (killed.task, killed.outcome, killed.fault) == ("first", Outcome.INFRA_ERROR, Fault.OTHER)
    assert killed.usage == Usage(1, 10, 10, 0.02) + reserved
    assert sorted(result.task for result in results if result.counts) == ["first", "second"]
    total = sum((result.usage for result in results), Usage())
    assert ledger.unbooked() == {}
    spent = ledger.spent()
    assert (spent.calls, spent.tokens) == (total.calls, total.tokens) == (5, 80 + reserved.tokens)
    assert spent.cost_usd == pytest.approx(total.cost_usd)


def test_the_wait_for_room_is_given_back_to_the_trial(terms: SpendingFile, tmp_path: Path) -> None:
    spec = ModelSpec("m", prompt_price=PRICE, completion_price=PRICE)
    door = Door("opaque", "Mend it.", "/work", 7, spec, Limits(seconds=1.0, usd=5.0, max_tokens=1000))
    ledger = ledger_of(terms)
    hold = ledger.reserve("another trial", Usage(1, 2000, 0, 2.0)) or 0
    free = threading.Timer(1.5, ledger.settle, (hold, Usage(1, 10, 10, 0.02)))
    model = Metered(ScriptedModel(completion(tokens=10)), spec, terms, "a trial")
    with Gateway(door, model, FolderWorkspace(tmp_path), tmp_path) as served:
        free.start()
        status, answer = chat(served)
        assert status == 200, answer
        assert served.budget.given_back > 1.3 and served.budget.left()["seconds"] > 0
        assert served.budget.usage.lost_seconds > 1.3 and served.budget.usage.retries == 0
    free.join()
