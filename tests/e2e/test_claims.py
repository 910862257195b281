"""A claim against all opponents in containers: the seed, the best of two, a self-refinement, another scaffold."""

from __future__ import annotations

import json
import os
import sqlite3
from pathlib import Path

import pytest

from tests.e2e.test_cli import QUICK, evolve, home

__all__ = ["home"]
RUN = f"claimed-{os.getpid()}"
OPPONENTS = ("seed", "best-of-2", "refine", "scaffolds/team")
WORDS = ("claim", RUN, *(word for name in OPPONENTS for word in ("--against", name)), "--attempts", "1")


def champion_by_hand(home: Path) -> None:
    """What round 1 made is the champion, however the gate decided."""
    with sqlite3.connect(home / "runs" / "evolve.db") as database:
        database.execute("update decision set verdict = 'keep', fate = 'open' where round = 1")


@pytest.mark.docker
@pytest.mark.whole
@pytest.mark.usefixtures("task_images")
def test_a_claim_against_all_opponents_and_the_effect_of_the_patch(home: Path) -> None:
    splits = {"train": ["vending-machine"], "validation": ["sorted-lookup"], "holdout": ["ring-buffer", "lru-cache"]}
    lines = "\n".join(f"{split} = {json.dumps(names)}" for split, names in splits.items())
    (home / "tasks" / "bugfix" / "suite.toml").write_text(f"[splits]\n{lines}\n")
    options = ("--score-attempts", "1", "--holdout-attempts", "1", "--seed", "3", *QUICK)
    done = evolve(home, "run", "--rounds", "1", "--run", RUN, *options)
    assert done.returncode == 0, done.stderr
    champion_by_hand(home)

    planned = evolve(home, *WORDS, "--plan")
    assert planned.returncode == 0 and "10 trials to run" in planned.stderr, planned.stderr
    claimed = evolve(home, *WORDS)
    assert claimed.returncode == 0, claimed.stderr
    for name in OPPONENTS:
        assert f"champion - {name}:" in claimed.stdout
    assert "claim: refine" in claimed.stdout and "corrected for 5 comparisons" in claimed.stdout

    again = evolve(home, *WORDS, "--json")
    assert again.returncode == 0 and "all of them are stored" in again.stderr
    [found] = json.loads(again.stdout)
    arms = {arm["name"]: arm for arm in found["arms"]}
    assert all(arm["attempts"] == 2 and arm["own_seconds"] > 0 for arm in arms.values())
    assert arms["refine"]["tokens"] > 1.2 * arms["seed"]["tokens"], "the seed ran twice in one trial"

    effects = evolve(home, "effects", RUN, "--attempts", "1", "--json")
    assert effects.returncode == 0, effects.stderr
    [effect] = json.loads(effects.stdout)
    assert effect["round"] == 1 and effect["low"] < effect["effect"] < effect["high"]
    assert evolve(home, "doctor").returncode in (0, 1)
