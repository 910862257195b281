"""When more rounds no longer pay, by the prior over effects; and a run that ends for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evolve.core.errors import BadInput
from evolve.core.gate_config import GateConfig
from evolve.core.records import Candidate, Split
from evolve.gate import TaskSlot, initial_standing
from evolve.gate.expected import expected_gain, least_gain
from evolve.gate.prior import EFFECTS
from evolve.gate.stack_rule import StackRule
from evolve.loop import scoring
from evolve.loop.stops import pays_no_more
from evolve.loop.watcher import SilentWatcher
from evolve.runs import opening
from evolve.runs.lookup import open_results
from tests.faults import victim

SEED = Candidate("s" * 40, 0, None, "seed")
TASKS = [TaskSlot(f"t{n}", Split.TRAIN if n < 8 else Split.VALIDATION, "easy") for n in range(12)]


def rule_with(**weights: float) -> StackRule:
    """A rule whose patches have these effects in points: `up3=0.5` is +3 points for every second patch."""
    rule = initial_standing(TASKS, GateConfig(), SEED).rule
    assert isinstance(rule, StackRule)
    prior = np.zeros(len(EFFECTS))
    for name, weight in weights.items():
        effect = float(name.lstrip("updown")) / 100 * (1 if name.startswith("up") else -1)
        prior[int(np.abs(EFFECTS - effect).argmin())] += weight
    return replace(rule, prior=replace(rule.prior, weights=prior))


def test_the_expected_gain_is_that_of_the_patches_that_help() -> None:
    assert expected_gain(rule_with(up1=0.5, down18=0.5)) == pytest.approx(10 * 0.5 * 0.01)
    assert expected_gain(rule_with(down7=1.0)) == 0
    assert expected_gain(rule_with(up7=1.0), rounds=1) == pytest.approx(0.07)
    first = expected_gain(initial_standing(TASKS, GateConfig(), SEED).rule)
    assert first is not None and 0.02 < first < 0.5


def test_other_rules_expect_nothing() -> None:
    assert expected_gain(initial_standing(TASKS, GateConfig(rule="greedy"), SEED).rule) is None


def test_a_run_ends_once_the_gain_falls_below_the_least_one() -> None:
    poor = rule_with(up1=0.1, up0=0.9)
    assert pays_no_more(poor, 30, 0.02) == (
        "stopped after round 30: ten more rounds are expected to gain 1.0 points at most, less than 2"
    )
    assert pays_no_more(poor, 30, 0.005) == pays_no_more(poor, 30, None) == pays_no_more(poor, 0, 0.02) == ""


@pytest.mark.parametrize(("text", "share"), [("gain<1", 0.01), (" gain < 2.5 ", 0.025), ("gain<0", 0.0)])
def test_the_condition_is_in_points(text: str, share: float) -> None:
    assert least_gain(text) == pytest.approx(share)


@pytest.mark.parametrize("text", ["", "gain", "gain>1", "gain<-1", "gain<x", "score<1", "gain<1%", "gain<1e3"])
def test_another_condition_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="until"):
        least_gain(text)


class Told(SilentWatcher):
    """Remembers what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def test_a_run_that_no_longer_pays_ends_as_at_its_last_round(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    victim.without_containers(monkeypatch)
    (tmp_path / "scaffold").mkdir()
    (tmp_path / "tasks").mkdir()
    for name, text in victim.FILES.items():
        (tmp_path / "scaffold" / name).write_text(text)
    watcher = Told()
    with opening.open_run(victim.order(tmp_path, "short"), victim.suite(tmp_path), watcher) as search:
        search.run_rounds(6, least=5.0)
    assert [line for line in watcher.lines if line.startswith("stopped after round 1: ten more rounds")]
    with open_results(tmp_path / "runs") as store:
        assert [row.number for row in store.rounds("short")] == [0, 1]
        assert store.ends("short")[-1].reason == "done" and scoring.NOTHING_TO_COMPARE in watcher.lines
