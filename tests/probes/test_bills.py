"""Whole runs whose endpoint bills reasoning and cached tokens: our bill is its own, and a cap holds against it."""

from __future__ import annotations

import pytest

from tests.imitated.server import COUNTS
from tests.probes.conftest import Probe
from tests.probes.probing import PRICES, Played

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("task_images")]
CAP = 0.04
# A cap is exceeded by one call at most; none costs more here.
ONE_CALL = 0.005


def billed(played: Played) -> float:
    """The endpoint's own bill, in US dollars."""
    fresh, cached, written, reasoning = (played.ledger["billed"][count] for count in COUNTS)
    written += reasoning
    return (PRICES["prompt"] * fresh + PRICES["cached"] * cached + PRICES["completion"] * written) / 1e6


@pytest.mark.parametrize(("name", "stream"), [("bill-beside", False), ("bill-within", True)])
def test_the_bill_is_the_endpoints_own(probe: Probe, name: str, stream: bool) -> None:
    played = probe(name, stream=stream)
    assert played.status == 0, played.text
    purposes = dict(played.rows("select purpose, sum(cost_usd) from cost group by 1"))
    assert min(purposes[name] for name in ("trials", "proposal", "lesson", "preflight")) > 0
    assert sum(purposes.values()) == pytest.approx(billed(played), rel=1e-6)
    assert played.value("select sum(cached_tokens) from cost") == played.ledger["billed"]["cached_tokens"] > 0


def test_a_cap_in_dollars_holds_against_the_endpoints_own_bill(probe: Probe) -> None:
    played = probe("bill-beside", "--budget-usd", f"{CAP}", rounds=20)
    assert played.status == 0 and "budget of $" in played.text, played.text
    assert CAP / 2 < billed(played) <= CAP + ONE_CALL
    assert played.value("select sum(cost_usd) from cost") == pytest.approx(billed(played), rel=1e-6)
