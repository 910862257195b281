"""Whole runs that end early: the model refuses everything, or the suite has nothing to find.

A seed scaffold that does no work is in tests/e2e/test_stops.py, and so is a whole suite that it passes.
"""

from __future__ import annotations

import pytest

from tests.probes.conftest import Probe

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("task_images")]
REFUSED_IN_A_ROW = 3


def test_a_model_that_refuses_all_is_exit_status_4(probe: Probe) -> None:
    played = probe("refuses-all")
    assert played.status == 4 and not played.has_results, played.text
    assert "content management policy" in played.last_line and played.text.count("error: ") == 1


def test_a_model_that_refuses_proposals_is_exit_status_4_after_three_rounds(probe: Probe) -> None:
    played = probe("refuses-proposals", rounds=20)
    assert played.status == 4, played.text
    assert f"no proposal in {REFUSED_IN_A_ROW} rounds in a row" in played.last_line
    assert "content management policy" in played.last_line
    assert played.value("select count(*) from decision where verdict = 'refused'") == REFUSED_IN_A_ROW
    assert played.value("select count(*) from trial where outcome = 'infra_error'") == 0


def test_a_run_whose_seed_passes_nothing_goes_on(probe: Probe) -> None:
    played = probe("gives-up")
    assert played.status == 0, played.text
    assert "the seed scaffold passes none of 3 trials; the search starts from there" in played.text
    assert played.value("select count(*) from trial where outcome = 'passed'") == 0
    assert played.value("select count(*) from decision where round > 0") >= 1
