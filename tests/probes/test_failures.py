"""Whole runs with endpoints that fail for a while, for ever, or take their time.

With `EVOLVE_PROBE_SECONDS=100`, which `make long` sets, outages last two minutes and an answer takes 200 seconds.
"""

from __future__ import annotations

import pytest

from tests.probes.conftest import Probe
from tests.probes.probing import SECONDS, SHORT, Played, command

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("task_images")]
TRIES = 9


def test_outages_in_proposals_and_lessons_are_waited_out(probe: Probe, plain: Played) -> None:
    played = probe("away")
    assert played.status == 0 and played.course() == plain.course(), played.text
    assert {*played.refused} == {"outage_propose", "outage_lesson"}
    assert "no new calls for" in played.text and "answers again: resuming" in played.text
    lost = dict(played.rows("select purpose, sum(lost_seconds) from cost group by 1"))
    assert min(lost["proposal"], lost["lesson"]) >= SECONDS and lost["trials"] == 0
    retries = played.value("select sum(retries) from cost")
    assert retries == sum(played.refused.values())


def test_a_call_that_always_fails_is_its_own_trials_failure(probe: Probe, plain: Played) -> None:
    played = probe("misspelt-one")
    assert played.status == 0, played.text
    trials = "select outcome, calls, seconds from trial where task {} 'vending-machine'"
    hit, others = played.rows(trials.format("=")), played.rows(trials.format("<>"))
    assert hit and {outcome for outcome, _, _ in hit} == {"failed"}
    assert played.refused == {"misspelt": TRIES * len(hit)} and max(seconds for *_, seconds in hit) < 90
    assert others and "infra_error" not in {outcome for outcome, _, _ in others}
    base = [trial for trial in plain.course()["trials"] if trial[:2] == (0, "lru-cache")]
    assert base and [trial for trial in played.course()["trials"] if trial[:2] == (0, "lru-cache")] == base


def test_slow_and_long_answers_are_read_to_their_end(probe: Probe, plain: Played) -> None:
    played = probe("slow-proposals", "--call-seconds", f"{3 * SECONDS:g}")
    assert played.status == 0 and played.course() == plain.course(), played.text
    assert played.refused == {"timed_out": 1}
    assert played.seconds >= 2 * SECONDS
    assert played.value("select min(completion_tokens) from proposal where round > 0") >= 12_000


def test_odd_answers_in_mid_run_are_asked_for_again(probe: Probe) -> None:
    played = probe("odd-in-between")
    assert played.status == 0, played.text
    assert played.value("select count(*) from trial where outcome = 'infra_error'") == 0
    assert played.value("select sum(retries) from cost") > 0
    assert played.value("select max(prompt_tokens + completion_tokens) from trial") < 10**6
    status, text, _ = command(played.home, "run", "--run", played.home.name, "--rounds", "2", *SHORT)
    assert status == 0 and "resuming" in text.lower(), text
