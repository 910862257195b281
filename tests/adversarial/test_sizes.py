"""What a hostile scaffold can make a trial store, and the memory that its worker needs for it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from evolve.trial.gateway.wire import MAX_IN_FLIGHT
from evolve.trial.room import MAX_TEXT

from .flood import BOUND

ROOT = Path(__file__).parents[2]
# The recording, requests in progress when it was full, and the trajectory.
MOST_STORED = BOUND + MAX_IN_FLIGHT + MAX_TEXT
# For a quarter of the real bound: the requests in progress are there in several forms, and so is what is compressed.
MOST_MEMORY = 300_000_000


def flooded(folder: Path, build: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.adversarial.flood", str(folder), build]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=True)
    taken: dict[str, Any] = json.loads(done.stdout)
    return taken


def test_a_size_in_characters_lets_far_more_be_stored(tmp_path: Path) -> None:
    taken = flooded(tmp_path, "weak")
    assert taken["stored"] > MOST_STORED and taken["memory"] > MOST_MEMORY, taken


def test_what_a_trial_stores_and_needs_is_bounded(tmp_path: Path) -> None:
    taken = flooded(tmp_path, "real")
    assert taken["stored"] <= MOST_STORED and taken["memory"] <= MOST_MEMORY, taken
    assert taken["exhausted"] == "record"
