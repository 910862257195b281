"""A run that is stopped: by a cap, by its user, by a second one on the same run. By the command that users type."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.marked import ROOT, repository

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("task_images")]
RUN = f"stopped-{os.getpid()}"
WORDS = f"run --run {RUN} --rounds 1 --suite tasks --seed 1 --jobs 2 --gate passes=1 --gate tip_passes=1"
ALL_TOKENS = """SELECT sum(tokens) FROM (
    SELECT prompt_tokens + completion_tokens AS tokens FROM trial
    UNION ALL SELECT prompt_tokens + completion_tokens FROM proposal
    UNION ALL SELECT prompt_tokens + completion_tokens FROM lesson
    UNION ALL SELECT prompt_tokens + completion_tokens FROM loss)"""
COUNTED_TWICE = """SELECT count(*) - count(DISTINCT candidate_id || '-' || task || '-' || attempt) FROM trial
    WHERE reward IS NOT NULL"""
# The longest prompt of a trial on these tasks, and the longest answer.
ONE_CALL = 20_000


class Home:
    """A repository with a small suite, and the command at work in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        repository(folder)

    def start(self, *more: str) -> subprocess.Popen[str]:
        env = {key: value for key, value in os.environ.items() if not key.startswith("OPENAI_")}
        command = [sys.executable, "-m", "evolve", *WORDS.split(), *more]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        # A handler of this process's own becomes the default in a child, whatever this process was begun with.
        return subprocess.Popen(
            command, cwd=self.folder, env=env | {"PYTHONPATH": str(ROOT)}, text=True, start_new_session=True, **pipes
        )

    def run(self, *more: str) -> tuple[int, str]:
        with self.start(*more) as process:
            out, error = process.communicate(timeout=400)
        return process.returncode, out + error

    def asked(self, query: str) -> Any:
        with closing(sqlite3.connect(self.folder / "runs" / "evolve.db")) as database:
            return database.execute(query).fetchone()[0]

    def trials(self) -> int:
        file = self.folder / "runs" / "evolve.db"
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
            return int(database.execute("SELECT count(*) FROM trial").fetchone()[0])


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def until(happened: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            if happened():
                return
        except sqlite3.OperationalError:
            pass  # not there yet
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_cap_ends_a_run_cleanly_and_a_larger_one_goes_on(home: Home) -> None:
    status, said = home.run("--budget-tokens", "60000")
    assert status == 0 and "budget of 60000 tokens is spent" in said, said
    # Half of a small cap is kept for the final trials, which the seed scaffold as champion has already.
    assert 30_000 <= home.asked(ALL_TOKENS) <= 60_000 + ONE_CALL
    assert home.asked("SELECT count(*) FROM trial WHERE outcome = 'infra_error' AND fault <> 'cap'") == 0
    before = home.trials()
    status, said = home.run("--budget-tokens", "100000000", "--budget-trials", "1000000")
    assert status == 0 and f"resuming run {RUN}" in said and f"{before} trials" in said, said
    assert home.asked("SELECT count(*) FROM decision") == 2
    assert home.asked("SELECT count(*) FROM session") == 2
    assert home.asked(COUNTED_TWICE) == 0


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_keeps_what_was_begun_and_a_second_run_is_told_who_is_at_work(home: Home) -> None:
    with home.start("--rounds", "50") as process:
        until(lambda: home.trials() > 0)
        status, said = home.run()
        assert status == 75 and f"run {RUN}: process {process.pid} on " in said, said
        before = home.trials()
        process.send_signal(signal.SIGINT)
        _out, error = process.communicate(timeout=300)
    assert process.returncode == 130 and "press Ctrl-C again" in error and "Traceback" not in error, error
    assert home.trials() >= before and home.asked("SELECT count(*) FROM trial WHERE outcome = 'infra_error'") == 0
    assert home.asked("SELECT count(*) FROM loss") == 0
    status, said = home.run()
    assert status == 0 and home.asked("SELECT count(*) FROM decision") >= 2, said
    assert home.asked(COUNTED_TWICE) == 0 and home.asked("SELECT count(*) FROM loss") == 0


def test_a_seed_that_does_no_work_is_bad_input_of_one_line(home: Home) -> None:
    main = home.folder / "scaffolds" / "single" / "main.py"
    main.write_text("import nothing_such\n" + main.read_text())
    for _ in range(2):
        status, said = home.run()
        assert status == 2 and "Traceback" not in said, said
        line = said.strip().splitlines()[-1]
        assert line.startswith("error: scaffold: no trial of the seed scaffold made a model call or a command; 5 of 5 ")
        assert "ended with scaffold_error: ModuleNotFoundError: No module named 'nothing_such'" in line
    assert home.trials() == 5, "the second command measures nothing again"


def test_a_seed_that_passes_everything_is_scored_and_stops_after_round_0(home: Home) -> None:
    for tests in (home.folder / "tasks").glob("*/tests/test_hidden.py"):
        tests.write_text(re.sub(r"self\.assertEqual\(.*\)", "pass", tests.read_text()))
    status, said = home.run("--rounds", "5")
    assert status == 0 and "the seed scaffold passes all 5 trials" in said, said
    assert f"run {RUN}: 0 rounds, champion of round 0" in said
    assert home.asked("SELECT count(*) FROM round") == 1 and home.asked("SELECT count(*) FROM proposal") == 0
    assert home.asked("SELECT count(*) FROM holdout_look") == 0 and "holdout: not used" in said
    assert home.asked("SELECT count(*) FROM run_end WHERE reason = 'done'") == 1
