"""Whole trials whose model's API fails: what is the endpoint's fault is no evidence about the scaffold."""

from __future__ import annotations

import pytest

from evolve.core.records import Fault, Limits, Outcome
from evolve.llm.retries import VARIABLE
from evolve.trial.run import run_trial
from tests.faults.endpoint import FaultyEndpoint
from tests.faults.faulty_server import Plan

from .conftest import Trials

pytestmark = pytest.mark.docker
PATIENT = "import evolve_door as door\ndoor.chat([{'role': 'user', 'content': 'hi'}])\n"
IMPATIENT = """
import json, os, urllib.request
body = json.dumps({"messages": [{"role": "user", "content": "hi"}]}).encode()
url = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
urllib.request.urlopen(urllib.request.Request(url, body, {"Content-Type": "application/json"}), timeout=0.5)
"""


@pytest.fixture
def hanging(failing: FaultyEndpoint, monkeypatch: pytest.MonkeyPatch) -> FaultyEndpoint:
    """An endpoint whose first call hangs, for longer than a try may take."""
    monkeypatch.setenv(VARIABLE, "3")
    failing.begin(Plan(share=1, kinds=("hang",), until=1))
    return failing


def test_a_hang_across_the_time_limit_is_given_back(trials: Trials, hanging: FaultyEndpoint) -> None:
    result = run_trial(trials.spec(PATIENT, Limits(seconds=2), hanging.spec()))
    assert result.outcome is Outcome.FAILED, result.detail
    assert (result.usage.calls, result.usage.retries, result.fault) == (1, 1, Fault.NONE)
    assert result.usage.lost_seconds > 3 and result.seconds > 3


def test_a_scaffold_that_works_on_beyond_its_time_is_still_killed(trials: Trials, hanging: FaultyEndpoint) -> None:
    result = run_trial(trials.spec(PATIENT + "import time; time.sleep(60)", Limits(seconds=2), hanging.spec()))
    assert (result.outcome, result.usage.retries) == (Outcome.TIMEOUT, 1) and result.seconds < 30


@pytest.mark.parametrize("main", [IMPATIENT, f"try:\n    exec({IMPATIENT!r})\nexcept OSError: pass"])
def test_a_scaffold_that_hung_up_on_a_failing_call_is_no_evidence(
    trials: Trials, hanging: FaultyEndpoint, main: str
) -> None:
    result = run_trial(trials.spec(main, Limits(seconds=20), hanging.spec()))
    assert (result.outcome, result.fault) == (Outcome.INFRA_ERROR, Fault.ENDPOINT), result.detail
    assert "gave up" in result.detail and hanging.counts()["calls"] == 1
