"""Runs that are killed and gone on with come to the same as one that never was. EVOLVE_KILLS sets how often."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.faults.killer import Contained, Victim, differences, killed, unkilled

KILLS = int(os.environ.get("EVOLVE_KILLS", "6"))


@pytest.mark.slow
def test_a_killed_run_comes_to_the_same(tmp_path: Path) -> None:
    tally = killed(Victim, tmp_path, KILLS, seed=3, jobs=2)
    assert tally.problems == []
    assert tally.kills >= KILLS and tally.ends


@pytest.mark.slow
def test_a_difference_would_be_seen(tmp_path: Path) -> None:
    victim = Victim(tmp_path / "run")
    facts, _ = unkilled(victim)
    assert list(differences(facts, facts)) == []
    for kind, value in facts.items():
        assert value or kind in ("orphans", "fsck"), f"nothing is compared by {kind}"
        assert list(differences({**facts, kind: "other"}, facts)), kind
    assert [trial for trial in facts["trials"] if trial["round"]] and facts["lessons"]
    assert {decision["verdict"] for decision in facts["decisions"]} >= {"baseline", "keep", "stack", "revert"}


@pytest.mark.docker
@pytest.mark.usefixtures("task_images")
def test_a_killed_run_in_containers_comes_to_the_same_and_leaves_nothing(tmp_path: Path) -> None:
    tally = killed(Contained, tmp_path, max(1, KILLS // 10), seed=4, jobs=1)
    assert tally.problems == []
