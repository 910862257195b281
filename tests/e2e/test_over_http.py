"""A run whose model is `evolve embedded serve`, behind HTTP: the real client, a profile of the user's own, streams."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evolve.core.records import StoredFile
from evolve.trial import trajectory
from tests.e2e.marked import ROOT, repository

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("task_images")]
ROUNDS = 3
PROFILE = """[lab]
base_url = "http://127.0.0.1:{port}/v1"
local = true
streaming = true

[lab.models.embedded]
context = {{ tokens = 131_072 }}
"""


def environment() -> dict[str, str]:
    env = {key: value for key, value in os.environ.items() if not key.startswith("OPENAI_")}
    return env | {"PYTHONPATH": str(ROOT)}


@pytest.fixture
def port() -> Iterator[int]:
    """Of the served model."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        free = int(listener.getsockname()[1])
    command = [sys.executable, "-m", "evolve", "embedded", "serve", "--port", str(free)]
    with subprocess.Popen(command, env=environment()) as process:
        try:
            _wait_for(free)
            yield free
        finally:
            process.kill()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError("the served model does not answer")


@pytest.fixture
def database(tmp_path: Path, port: int) -> Path:
    """Of three rounds."""
    home = tmp_path / "home"
    home.mkdir()
    repository(home)
    (home / "evolve.models.toml").write_text(PROFILE.format(port=port))
    order = [
        "run",
        "--rounds",
        str(ROUNDS),
        "--run",
        f"served-{os.getpid()}",
        "--model",
        "lab/embedded",
        "--suite",
        "tasks",
    ]
    gate = ["--seed", "1", "--gate", "passes=1", "--gate", "tip_passes=1"]
    final = ["--score-attempts", "1", "--holdout-attempts", "0"]
    command = [sys.executable, "-m", "evolve", *order, *gate, *final]
    done = subprocess.run(
        command, cwd=home, env=environment(), capture_output=True, text=True, timeout=400, check=False
    )
    assert done.returncode == 0, done.stderr
    return home / "runs" / "evolve.db"


def test_proposals_lessons_and_trials_come_over_http(database: Path) -> None:
    def rows(query: str) -> list[tuple[Any, ...]]:
        with sqlite3.connect(database) as connection:
            return connection.execute(query).fetchall()

    ((config,),) = rows("select config from run")
    assert {"profile": "lab", "stream": True}.items() <= json.loads(config)["facts"].items()
    verdicts = dict(rows("select round, verdict from decision where round > 0"))
    measured = [number for number, verdict in verdicts.items() if verdict != "refused"]
    tried = "select distinct round from candidate join trial on candidate.id = candidate_id where round > 0 order by 1"
    assert sorted(verdicts) == [1, 2, 3] and [row[0] for row in rows(tried)] == measured
    assert measured

    assert [row[0] for row in rows("select round from lesson where problem = '' and calls > 0")] == measured
    assert {row[0] for row in rows("select round from prediction")} & {*measured}
    assert rows("select min(prompt_tokens) > 0, min(completion_tokens) > 0 from proposal") == [(1, 1)]
    kept = [StoredFile(*row) for row in rows("select transcript_path, transcript_sha256 from proposal")]
    assert len(kept) == ROUNDS
    for file in kept:
        assert trajectory.is_intact(file, database.parent)
        assert trajectory.load(database.parent / file.path)[-1]["tool_calls"][0]["function"]["name"] == "propose"
