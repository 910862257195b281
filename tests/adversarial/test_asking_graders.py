"""Attacks on tests that ask a model: what an agent leaves must gain neither the key, nor the token, nor an answer."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from evolve.core.records import Grader, Limits, Outcome, Split, SuiteProfile, Task, TrialSpec, VerifierMode
from evolve.core.task_format import TaskFormat
from evolve.sandbox.container import Container
from evolve.sandbox.task_state import TaskState
from evolve.suite.tasks import load_task
from evolve.trial import grader_gateway, in_place, judging, run
from evolve.trial.gateway import endpoint as routes
from evolve.trial.verdict import Judgement
from tests.upstream import Upstream, says, scripted_upstream

from .conftest import Arena

pytestmark = pytest.mark.docker
KEY = "sk-of-the-host-0123456789"
ENV = '[verifier.env]\nOPENAI_API_KEY = "${OPENAI_API_KEY}"\n'
SEPARATE = f'[verifier]\nenvironment_mode = "separate"\n{ENV}'
# Asks with whatever it is given in place of a key, and says whether there was an answer.
ASK = """import json, sys, urllib.request
body = json.dumps({"model": "x", "messages": [{"role": "user", "content": "agent asks"}]}).encode()
heads = {"Authorization": "Bearer " + sys.argv[1], "Content-Type": "application/json"}
json.load(urllib.request.urlopen(urllib.request.Request("http://127.0.0.1:8111/v1/chat/completions", body, heads)))
open("/tmp/answered", "w").write("ok")
"""
WRITE_ASK = f"door.write('ask.py', {ASK!r})"
# Waits for the tests, and takes the token out of their environment.
SPY = """while :; do for file in /proc/[0-9]*/environ; do
token=$(tr '\\0' '\\n' < $file 2>/dev/null | sed -n 's/^OPENAI_API_KEY=//p')
[ -n "$token" ] && python3 -I /app/ask.py $token && exit; done; sleep 0.1; done"""


def in_the_agents_container(spec: TrialSpec, state: TaskState, task: Container, ttl: int, *_: Any) -> Judgement:
    with state.with_door(task, ttl):
        return in_place.judge_in_place(spec, state, task, ttl)


def with_the_key(format: TaskFormat, *_: Any) -> TaskFormat:
    return format


@contextlib.contextmanager
def shared() -> Iterator[None]:
    """The tests run beside what the agent left, as in another task's shared mode."""
    with mock.patch.object(judging, "judge_copy", in_the_agents_container):
        yield


@dataclass(frozen=True)
class Attack:
    """What the agent does; `test` passes if it was of use. `hole` lets it through."""

    main: str
    test: str
    hole: AbstractContextManager[object]
    toml: str = ENV


ATTACKS = {
    "a helper asks with the token of the tests": Attack(
        f"{WRITE_ASK}\ndoor.write('spy.sh', {SPY!r})\ndoor.run('setsid sh spy.sh >/dev/null 2>&1 &')",
        "sleep 5; [ -e /tmp/answered ]",
        shared(),
    ),
    "a program that the tests run has no token": Attack(
        WRITE_ASK, "env -i python3 -I /app/ask.py none; [ -e /tmp/answered ]", mock.patch.object(routes, "check_token")
    ),
    "the key is looked for in the container of the tests": Attack(
        "door.run('true')", f"env | grep -q {KEY}", mock.patch.object(grader_gateway, "with_gateway", with_the_key),
        SEPARATE,
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Upstream]:
    with scripted_upstream([says("yes")]) as upstream:
        yield upstream


def written(folder: Path, toml: str, test: str) -> Task:
    files = {
        "task.toml": toml,
        "instruction.md": "Do it.\n",
        "environment/Dockerfile": "FROM scratch\n",
        "tests/test.sh": f"#!/bin/bash\n({test}) && reward=1\necho ${{reward:-0}} > /logs/verifier/reward.txt\n",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return load_task(folder, Split.TRAIN, SuiteProfile.LOOSE, harbor=True, has_grader=True)


def attacked(arena: Arena, folder: Path, endpoint: Upstream, toml: str, test: str, main: str) -> TrialSpec:
    model = endpoint.spec(key_variable="OPENAI_API_KEY", prompt_price=0.0, completion_price=0.0)
    grader = Grader(model, Limits(calls=3, seconds=600.0), arena.base)
    spec = arena.spec(f"import evolve_door as door\n{main}")
    return replace(spec, task=written(folder, toml, test), grader=grader)


@pytest.mark.parametrize("is_weakened", [False, True])
@pytest.mark.parametrize("name", list(ATTACKS))
def test_an_agent_gains_nothing_from_tests_that_ask(
    arena: Arena, tmp_path: Path, endpoint: Upstream, monkeypatch: pytest.MonkeyPatch, name: str, is_weakened: bool
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    attack = ATTACKS[name]
    spec = attacked(arena, tmp_path / "task", endpoint, attack.toml, attack.test, attack.main)
    with attack.hole if is_weakened else contextlib.nullcontext():
        result = run.run_trial(spec)
    assert (result.outcome, result.reward) == ((Outcome.PASSED, 1.0) if is_weakened else (Outcome.FAILED, 0.0)), (
        result.detail
    )
    assert result.verifier is VerifierMode.ISOLATED and result.usage.calls == 0


def test_what_the_tests_run_of_the_agents_is_counted_as_the_graders(
    arena: Arena, tmp_path: Path, endpoint: Upstream
) -> None:
    test = "python3 -I /app/ask.py $OPENAI_API_KEY; [ -e /tmp/answered ]"
    result = run.run_trial(attacked(arena, tmp_path / "task", endpoint, ENV, test, WRITE_ASK))
    assert result.outcome is Outcome.PASSED, result.detail
    assert result.grading is not None and (result.usage.calls, result.grading.usage.calls) == (0, 1)


def test_nothing_of_the_grader_is_there_while_the_agent_works(
    arena: Arena, tmp_path: Path, endpoint: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    look = "env > seen; cat /proc/[0-9]*/environ >> seen; find / -xdev -name 'grader*' -not -path '/proc/*' >> seen"
    test = f"! grep -aq -e {KEY} -e OPENAI -e grader /app/seen && ! grep -q ok /app/asked"
    ask = f"{WRITE_ASK}\ndoor.run({look!r})\ndoor.run('python3 -I ask.py none && echo ok > asked || touch asked')"
    result = run.run_trial(attacked(arena, tmp_path / "task", endpoint, ENV, test, ask))
    assert result.outcome is Outcome.PASSED, result.detail
