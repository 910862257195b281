"""A run with `--model local`, whose server answers as the embedded model: started, stopped, resumed on another port."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests import llamacpp
from tests.e2e.marked import ROOT, repository

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("task_images")]
RUN = f"local-{os.getpid()}"
# A gate that decides after a few trials, and no final ones.
SHORT = ("--gate", "passes=1", "--gate", "tip_passes=1", "--score-attempts", "1", "--holdout-attempts", "0")
PORT = re.compile(r"Small-1B\.Q4_0 at http://127\.0\.0\.1:(\d+)/v1")


def test_a_run_is_resumed_by_its_name_on_another_port(tmp_path: Path) -> None:
    home, modules = tmp_path / "home", tmp_path / "modules"
    home.mkdir()
    modules.mkdir()
    repository(home)
    file = llamacpp.install(modules)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("OPENAI_")}
    environment |= {"PYTHONPATH": f"{ROOT}{os.pathsep}{modules}", "EVOLVE_LOCAL_FILE": str(file)}

    def run(*words: str) -> str:
        """Returns what the command reported on its way."""
        command = [sys.executable, "-m", "evolve", "run", "--run", RUN, *words]
        done = subprocess.run(
            command, cwd=home, env=environment, capture_output=True, text=True, timeout=400, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stderr

    first = run("--model", "local", "--rounds", "0", "--suite", "tasks", "--seed", "1", *SHORT)
    second = run("--rounds", "1")
    assert f"resuming run {RUN}" in second
    assert PORT.findall(first) and PORT.findall(second) and PORT.findall(first) != PORT.findall(second)
    with closing(sqlite3.connect(home / "runs" / "evolve.db")) as database:
        assert database.execute("SELECT id, model FROM run").fetchall() == [(RUN, "Small-1B.Q4_0")]
        assert [row[0] for row in database.execute("SELECT round FROM decision ORDER BY round")] == [0, 1]
        assert database.execute("SELECT count(*) FROM preflight WHERE base_url LIKE '%127.0.0.1%'").fetchone() == (2,)
        assert database.execute("SELECT count(*) FROM trial WHERE outcome = 'infra_error'").fetchone() == (0,)
