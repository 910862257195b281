"""Agents in the task's container: what they get, how they end, and what is recorded of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from evolve.core.launch import Launch, Place
from evolve.core.records import Cause, Limits, Outcome, ScaffoldSource, TrialResult, TrialSpec
from evolve.sandbox import engine
from evolve.trial import comparison, trajectory
from evolve.trial.changes import STATE
from evolve.trial.run import run_trial

from .conftest import Trials

pytestmark = pytest.mark.docker
ASK = """
import json, os, sys, urllib.request

def chat(text):
    body = json.dumps({"model": "any", "messages": [{"role": "user", "content": text}]}).encode()
    url = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request))["choices"][0]["message"]["content"]
"""
SEEN = """
import glob
print("ARGS", sys.argv[1:], "CWD", os.getcwd(), "UID", os.getuid())
print("FILE", open("/opt/evolve/instruction.md").read() == sys.argv[1] == sys.stdin.read())
print("SOCKET", glob.glob("/run/evolve*"), "TESTS", glob.glob("/tests*"), "KEY", os.environ["OPENAI_API_KEY"])
print("MINE", os.environ["MINE"], os.environ["ANTHROPIC_BASE_URL"])
sys.exit(3)
"""
Agent = Callable[..., TrialSpec]


@pytest.fixture
def agent(trials: Trials) -> Agent:
    """Makes trials of a program that runs in the task's container."""

    def made(
        main: str, *arguments: str, stdin: bool = False, env: dict[str, str] | None = None, limits: Limits | None = None
    ) -> TrialSpec:
        spec = trials.spec(ASK + main, limits)
        command = ("python3", "/scaffold/main.py", *arguments)
        launch = Launch(Place.TASK, command, stdin, tuple((env or {}).items()))
        return replace(spec, scaffold=ScaffoldSource(spec.scaffold.folder, "", trials.base, launch))

    return made


def fixing(trials: Trials) -> str:
    """A program that puts the reference solution in place."""
    file = next((trials.task.folder / "solution").glob("*.py"))
    return f"chat('now')\nopen({file.name!r}, 'w').write({file.read_text()!r})\n"


def log_of(trials: Trials, result: TrialResult) -> str:
    assert result.trajectory
    return str(trajectory.load(trials.folder / result.trajectory.path)[0]["extra"]["log"])


def events_of(trials: Trials, result: TrialResult) -> list[dict[str, object]]:
    assert result.recording
    return trajectory.load(trials.folder / result.recording.path)


def test_a_right_answer_passes_and_its_changes_are_recorded(trials: Trials, agent: Agent) -> None:
    result = run_trial(agent(fixing(trials)))
    assert (result.outcome, result.reward, result.usage.calls) == (Outcome.PASSED, 1.0, 1), result.detail
    events = events_of(trials, result)
    assert [event["kind"] for event in events] == ["chat", STATE]
    (changed,) = events[-1]["changes"]  # type: ignore[misc]
    assert changed["change"] == "modified" and changed["path"].endswith(".py")
    assert result.trajectory
    document = trajectory.load(trials.folder / result.trajectory.path)[0]
    assert [step["source"] for step in document["steps"]] == ["user", "agent", "system"]
    assert f"modified {changed['path']}" in document["steps"][-1]["message"]
    assert 0 <= document["extra"]["start_up_seconds"] < 20


def test_it_gets_its_instruction_its_variables_and_nothing_else(trials: Trials, agent: Agent) -> None:
    result = run_trial(agent(SEEN, "{instruction}", "{model} {workdir}", stdin=True, env={"MINE": "{url}!"}))
    assert result.outcome is Outcome.SCAFFOLD_ERROR and "exit status 3" in result.detail
    log = log_of(trials, result)
    assert "FILE True" in log and "'embedded /app'" in log and "CWD /app" in log
    assert "SOCKET [] TESTS [] KEY none" in log
    assert "MINE http://127.0.0.1:8111! http://127.0.0.1:8111\n" in log


def test_a_program_that_is_not_there_is_the_scaffolds_fault(trials: Trials, agent: Agent) -> None:
    spec = agent("")
    launch = replace(spec.scaffold.launch, command=("no-such-agent",))
    result = run_trial(replace(spec, scaffold=replace(spec.scaffold, launch=launch)))
    assert result.outcome is Outcome.SCAFFOLD_ERROR and "exit status 127" in result.detail


def test_an_entry_point_finds_the_door_there(trials: Trials, agent: Agent) -> None:
    spec = agent("import evolve_door as door\nprint(door.task()['id'], door.run('pwd').stdout)\nsys.exit(2)")
    launch = replace(spec.scaffold.launch, command=())
    result = run_trial(replace(spec, scaffold=replace(spec.scaffold, launch=launch, entry="main.py")))
    assert spec.task_id in result.detail and "/app" in result.detail


def test_past_its_time_it_is_killed(trials: Trials, agent: Agent) -> None:
    result = run_trial(agent("import time\nprint('begun', flush=True)\ntime.sleep(60)", limits=Limits(seconds=2)))
    assert result.outcome is Outcome.TIMEOUT and result.seconds < 20
    assert "begun" in log_of(trials, result)


def test_what_it_leaves_running_delays_nothing_and_dies(trials: Trials, agent: Agent) -> None:
    main = (
        fixing(trials)
        + "import subprocess\nsubprocess.Popen(['sh', '-c', 'while true; do echo x >late; sleep 0.05; done'])\n"
    )
    result = run_trial(agent(main))
    assert result.outcome is Outcome.PASSED and result.seconds < 20


def test_memory_is_the_tasks_and_its_end_is_told(trials: Trials, agent: Agent) -> None:
    result = run_trial(agent("chat('x')\nheld = [b'x' * 50_000_000 for _ in range(40)]"))
    assert (result.outcome, result.cause) == (Outcome.SCAFFOLD_ERROR, Cause.OOM), result.detail


def test_the_budget_holds(trials: Trials, agent: Agent) -> None:
    result = run_trial(agent("while True: chat('again')", limits=Limits(calls=3, seconds=30)))
    assert (result.outcome, result.usage.calls) == (Outcome.BUDGET, 3)


def test_a_replay_is_the_same_and_a_changed_answer_is_named(trials: Trials, agent: Agent, tmp_path: Path) -> None:
    spec = agent("said = chat('hello')\nopen('said.txt', 'w').write(said)\nchat(said)")
    first = run_trial(spec)
    assert first.recording and first.outcome is Outcome.FAILED, first.detail
    recording = trials.folder / first.recording.path
    again = run_trial(replace(spec, replay_of=recording, folder=tmp_path / "again"))
    assert again.recording
    replayed = trajectory.load(tmp_path / again.recording.path)
    assert comparison.first_difference(trajectory.load(recording), replayed) is None
    events = trajectory.load(recording)
    events[0]["response"]["choices"][0]["message"]["content"] += "!"
    changed = tmp_path / "changed.jsonl.gz"
    trajectory.store(changed, tmp_path, events)
    other = run_trial(replace(spec, replay_of=changed, folder=tmp_path / "other"))
    assert other.recording
    assert (
        comparison.first_difference(trajectory.load(recording), trajectory.load(tmp_path / other.recording.path)) == 1
    )


def test_nothing_is_left(trials: Trials, agent: Agent) -> None:
    run_trial(agent("chat('x')"))
    assert engine.sweep(agent("").owner) == 0
