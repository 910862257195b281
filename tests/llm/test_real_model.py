"""llama.cpp with SmolLM2-135M-Instruct: what the check of its endpoint finds, and that every token is accounted for."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

from evolve.core.errors import EXIT_BUG
from tests.llm.serving import bundled_tasks, counting, evolve, metrics, served_file

pytestmark = pytest.mark.llm
RUN = f"real-{os.getpid()}"
SPENT = "SELECT sum(calls), sum(prompt_tokens), sum(completion_tokens) FROM cost"
BY_PURPOSE = "SELECT purpose, sum(calls), sum(prompt_tokens), sum(completion_tokens) FROM cost GROUP BY purpose"
OUTCOMES = "SELECT task, attempt, outcome, calls, reward FROM trial"
ROUND = "SELECT round, verdict, reason FROM decision"


def test_the_check_gives_a_table(tmp_path: Path) -> None:
    done = evolve(tmp_path, "doctor", "--model", "local", "--json")
    print(done.stdout, file=sys.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
    findings = json.loads(done.stdout)
    assert {one["state"] for one in findings} == {"good", "note"}
    table: Mapping[str, str] = {one["check"]: one["detail"] for one in findings if one["check"] != "server"}
    server = dict(one["detail"].split(" ", 1) for one in findings if one["check"] == "server")

    assert table["model"].startswith("SmolLM2-135M-Instruct.Q4_1 at http://127.0.0.1:")
    assert table["tools"] in ("the model calls them", "none was called")
    window = table["window"]
    assert window.startswith("8,192 tokens advertised; a prompt of ") and "runs keep within 8,192" in window
    assert re.match(r"[1-3] of 3 simple questions answered", table["answers"])
    assert re.match(r"\d+ tokens a second; ", table["speed"])
    assert table["usage"].startswith("tokens are reported")
    assert table["price"].startswith("$0 and $0") and table["licence"] == "Apache License 2.0"
    assert server["model_path"].endswith(".gguf") and server["model_ftype"] == "Q4_1" and server["build_info"]
    assert server["chat_template"].startswith("sha256:")


@pytest.mark.docker
def test_a_round_is_accounted_for_to_the_token(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    bundled_tasks(home / "tasks", "moving-average", "slug-length")
    words = ["run", "--run", RUN, "--rounds", "1", "--suite", "tasks", "--seed", "1", "--jobs", "1"]
    words += ["--score-attempts", "1", "--holdout-attempts", "0", "--gate", "passes=1", "--gate", "tip_passes=1"]
    limits = ["--limit", "max_tokens=256", "--limit", "calls=6", "--limit", "seconds=1500", "--call-seconds", "1200"]
    with served_file(tmp_path) as server, counting(server) as (url, counter):
        done = evolve(home, *words, *limits, "--model", "local", "--base-url", url)
        counted = metrics(server)
    with closing(sqlite3.connect(home / "runs" / "evolve.db")) as database:
        for query in (BY_PURPOSE, OUTCOMES, ROUND):
            print(*database.execute(query).fetchall(), sep="\n", file=sys.stderr)
        ((calls, prompt, completion),) = database.execute(SPENT).fetchall()
        outcomes = {row[2] for row in database.execute(OUTCOMES)}
    print(done.returncode, done.stdout, done.stderr, counted, counter.statuses, sep="\n", file=sys.stderr)
    assert done.returncode == 0 and done.returncode != EXIT_BUG
    assert "infra_error" not in outcomes
    # The cached tokens of a prompt are counted apart from those that had to be processed.
    assert prompt == counted["prompt_tokens_total"] + counted["prompt_tokens_cached_total"]
    assert completion == counted["tokens_predicted_total"]
    assert calls == len(counter.statuses)
