"""LiteLLM's proxy in front of the embedded model: a whole round takes the same decisions as without it."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.marked import repository
from tests.llm.serving import KEY_VARIABLE, evolve, litellm_proxy, served_embedded

pytestmark = pytest.mark.llm
WORDS = ["run", "--rounds", "1", "--suite", "tasks", "--seed", "1", "--jobs", "2"]
GATE = ["--gate", "passes=1", "--gate", "tip_passes=1"]
DECISIONS = {
    "decision": "SELECT round, verdict FROM decision ORDER BY round",
    "trial": """SELECT c.round, t.task, t.attempt, t.outcome, t.reward, t.calls FROM trial t
        JOIN candidate c ON c.id = t.candidate_id ORDER BY 1, 2, 3""",
    "proposal": "SELECT round, hypothesis FROM proposal ORDER BY round",
    "lesson": "SELECT round, problem FROM lesson ORDER BY round",
}


def test_names_that_the_proxy_does_not_list_are_served(tmp_path: Path) -> None:
    with served_embedded(tmp_path) as upstream, litellm_proxy(tmp_path, upstream) as (url, key):
        for name in ("embedded", "lab/embedded"):
            words = ["doctor", "--model", f"litellm/{name}", "--base-url", url, "--json"]
            done = evolve(tmp_path, *words, **{KEY_VARIABLE: key})
            assert done.returncode == 0, done.stdout
            findings = [(one["check"], one["detail"]) for one in json.loads(done.stdout)]
            assert ("tools", "the model calls them") in findings and key not in done.stdout
        done = evolve(tmp_path, "doctor", "--model", "litellm/unheard-of", "--base-url", url, **{KEY_VARIABLE: key})
        assert done.returncode and "does not serve it" in done.stdout + done.stderr


@pytest.mark.docker
@pytest.mark.usefixtures("task_images")
def test_a_round_through_the_proxy_takes_the_same_decisions(tmp_path: Path) -> None:
    with served_embedded(tmp_path) as upstream:
        direct = decisions(tmp_path / "direct", "embedded", upstream)
        with litellm_proxy(tmp_path, upstream) as (url, key):
            proxied = decisions(tmp_path / "proxied", "litellm/embedded", url, key)
    print(direct, file=sys.stderr)
    assert proxied == direct
    assert [row[0] for row in direct["decision"]] == [0, 1] and len(direct["trial"]) >= 10


def decisions(home: Path, model: str, url: str, key: str = "none") -> dict[str, list[Any]]:
    """What a run of one round decides, and on what."""
    home.mkdir()
    repository(home)
    name = f"{home.name}-{os.getpid()}"
    done = evolve(home, *WORDS, *GATE, "--run", name, "--model", model, "--base-url", url, **{KEY_VARIABLE: key})
    assert done.returncode == 0, done.stderr
    with closing(sqlite3.connect(home / "runs" / "evolve.db")) as database:
        return {table: database.execute(query).fetchall() for table, query in DECISIONS.items()}
