"""Whole trials: three containers, a gateway, a scaffold that a test writes."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest

from evolve.core.records import Cause, Limits, Outcome, SandboxSpec, TrialCondition
from evolve.sandbox import engine, images
from evolve.trial import comparison, trajectory
from evolve.trial.request_digest import digest
from evolve.trial.run import run_trial
from tests.test_gateway_seeds import slow_endpoint

from .conftest import Trials

pytestmark = pytest.mark.docker

SOLVED = """
import evolve_door as door
door.write("{name}", open("/scaffold/fixed.py").read())
"""
CURIOUS = """
import glob, os, socket
import evolve_door as door
print("KEY", os.environ.get("OPENAI_API_KEY"), "TESTS", glob.glob("/tests*"), os.path.exists("/var/run/docker.sock"))
try:
    socket.create_connection(("1.1.1.1", 53), timeout=1)
    print("NETWORK")
except OSError:
    print("no way out")
print("TASK", door.task()["id"], "NAME", "vending" in str(door.task()["id"]))
print("SEEN", door.run("ls -d /tests /solution/* /logs 2>/dev/null; env").stdout)
raise SystemExit(4)
"""


def fixed(trials: Trials) -> str:
    """A scaffold that puts the reference solution in place: it was handed it by the test, not by the sandbox."""
    file = next((trials.task.folder / "solution").glob("*.py"))
    spec = SOLVED.format(name=file.name)
    (trials.folder / "scaffold").mkdir(exist_ok=True)
    (trials.folder / "scaffold" / "fixed.py").write_text(file.read_text())
    return spec


def test_a_right_answer_passes_and_leaves_its_files(trials: Trials) -> None:
    spec = pickle.loads(pickle.dumps(trials.spec(fixed(trials))))
    result = pickle.loads(pickle.dumps(run_trial(spec)))
    assert (result.outcome, result.reward) == (Outcome.PASSED, 1.0), result.detail
    assert result.trajectory and trajectory.is_intact(result.trajectory, trials.folder)
    assert [event["kind"] for event in trajectory.load(trials.folder / result.recording.path)] == ["write"]


def test_doing_nothing_fails(trials: Trials) -> None:
    result = run_trial(trials.spec("pass"))
    assert (result.outcome, result.reward) == (Outcome.FAILED, 0.0)


def test_a_crash_is_the_scaffolds_own_fault(trials: Trials) -> None:
    result = run_trial(trials.spec("raise KeyError('mine')"))
    assert result.outcome is Outcome.SCAFFOLD_ERROR and "KeyError" in result.detail


def test_a_scaffold_that_hangs_is_killed(trials: Trials) -> None:
    result = run_trial(trials.spec("import time; time.sleep(60)", Limits(seconds=2)))
    assert result.outcome is Outcome.TIMEOUT and result.seconds < 15


def test_the_budget_of_calls_holds(trials: Trials) -> None:
    main = "import evolve_door as door\nwhile True: door.chat([{'role': 'user', 'content': 'hello'}])"
    result = run_trial(trials.spec(main, Limits(calls=3, seconds=30)))
    assert (result.outcome, result.usage.calls) == (Outcome.BUDGET, 3)


def test_the_limit_of_commands_holds(trials: Trials) -> None:
    main = "import evolve_door as door\nwhile True: door.run('true')"
    result = run_trial(trials.spec(main, Limits(commands=4, seconds=30)))
    assert (result.outcome, result.usage.commands) == (Outcome.BUDGET, 4)
    assert result.detail == "the budget of commands was spent"


def test_a_scaffold_sees_no_key_no_tests_no_network_and_no_name(
    trials: Trials, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    result = run_trial(trials.spec(CURIOUS))
    assert "KEY none TESTS [] False" in result.detail
    assert "no way out" in result.detail and "NAME False" in result.detail
    assert "sk-secret" not in result.detail and "/tests" not in result.detail.split("SEEN")[1]


def test_the_openai_port_answers_inside(trials: Trials) -> None:
    main = (
        "import json, os, urllib.request\n"
        "body = json.dumps({'model': 'x', 'messages': [{'role': 'user', 'content': 'hi'}]}).encode()\n"
        "url = os.environ['OPENAI_BASE_URL'] + '/chat/completions'\n"
        "request = urllib.request.Request(url, body, {'Content-Type': 'application/json'})\n"
        "print('MODEL', json.load(urllib.request.urlopen(request))['model'])\n"
        "raise SystemExit(1)\n"
    )
    assert "MODEL embedded" in run_trial(trials.spec(main)).detail


def test_a_forged_reward_earns_nothing(trials: Trials) -> None:
    main = (
        "import evolve_door as door\n"
        "door.run('mkdir -p /logs/verifier; echo 1 > /logs/verifier/reward.txt; echo 1 > reward.txt')\n"
        "door.write('sitecustomize.py', 'import os; os._exit(0)')\n"
        "door.write('unittest.py', 'print(1)')\n"
    )
    result = run_trial(trials.spec(main))
    assert (result.outcome, result.reward) == (Outcome.FAILED, 0.0)


def test_a_missing_image_is_an_infrastructure_error(trials: Trials) -> None:
    spec = trials.spec("pass")
    broken = type(spec)(**{**spec.__dict__, "image": type(spec.image)("evolve/absent:x", "/app")})
    result = run_trial(broken)
    assert result.outcome is Outcome.INFRA_ERROR and result.reward is None


def test_a_replay_without_a_model_repeats_the_trial(trials: Trials) -> None:
    main = "import evolve_door as door\nprint(door.chat([{'role': 'user', 'content': 'a'}]))\ndoor.run('ls')"
    spec = trials.spec(main)
    first = run_trial(spec)
    recording = trials.folder / first.recording.path
    again = run_trial(type(spec)(**{**spec.__dict__, "replay_of": recording, "folder": trials.folder / "again"}))
    old, new = trajectory.load(recording), trajectory.load(trials.folder / again.recording.path)
    assert comparison.first_difference(old, new) is None and again.outcome is first.outcome


CONCURRENT = """
from concurrent.futures import ThreadPoolExecutor
import evolve_door as door

def ask(question):
    message = door.chat([{"role": "user", "content": question}])
    assert message.finish_reason == "stop"
    return message["content"]

plan = ask("plan")
with ThreadPoolExecutor(4) as pool:
    parts = list(pool.map(lambda name: ask("check " + ask(f"part {name}: {plan}")), "abcd"))
door.write("summary", ask("\\n".join(parts)))
"""


def test_calls_at_once_have_the_same_seeds_again_and_can_be_replayed(trials: Trials) -> None:
    with slow_endpoint() as model:
        specs = [trials.spec(CONCURRENT, Limits(calls=20), model) for _ in range(2)]
        specs = [replace(spec, attempt=number, concurrency=2) for number, spec in enumerate(specs)]
        results = [run_trial(spec) for spec in specs]
    assert [result.outcome for result in results] == [Outcome.FAILED] * 2, results[0].detail
    recordings = [trajectory.load(trials.folder / result.recording.path) for result in results]
    assert len(recordings[0]) == 11
    one, other = ({digest(e["request"]): e["request"]["seed"] for e in events[:-1]} for events in recordings)
    assert one == other and len(one) == 10
    assert [result.condition for result in results] == [
        TrialCondition(("scripted",), (), images.image_id(trials.base), images.image_id(trials.image.image), 2)
    ] * 2
    recording = trials.folder / results[0].recording.path
    replayed = run_trial(replace(specs[0], replay_of=recording, folder=trials.folder / "again"))
    events = trajectory.load(trials.folder / replayed.recording.path)
    assert comparison.first_difference(recordings[0], events) is None and replayed.outcome is Outcome.FAILED


def test_sweeping_finds_what_a_killed_run_left(trials: Trials, swept: str) -> None:
    made = engine.connect().api.create_container(trials.base, ["true"], labels={engine.LABEL: swept})
    assert made["Id"] and engine.sweep(swept) == 1


GREEDY = "x = bytearray(400 << 20)"
GREEDY_CHILD = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {GREEDY!r}])\n"
BOMB = "import os\nwhile True: os.fork()"


@pytest.mark.parametrize(
    ("main", "outcome", "cause", "words"),
    [
        (GREEDY, Outcome.SCAFFOLD_ERROR, Cause.OOM, "the scaffold's container ran out of memory; exit status 137"),
        (BOMB, Outcome.SCAFFOLD_ERROR, Cause.PIDS, "the scaffold's container had too many processes"),
        (
            f"import subprocess, sys, time\nsubprocess.run([sys.executable, '-c', {GREEDY!r}])\ntime.sleep(60)",
            Outcome.TIMEOUT, Cause.OOM, "the scaffold's container ran out of memory; killed at the time limit",
        ),
        *(
            (f"{GREEDY_CHILD}raise SystemExit({status})", outcome, Cause.OOM, "the scaffold's container ran out of")
            for status, outcome in ((0, Outcome.FAILED), (1, Outcome.SCAFFOLD_ERROR), (77, Outcome.SCAFFOLD_ERROR))
        ),
        (
            f"{GREEDY_CHILD}import os\nos.kill(os.getpid(), 15)",
            Outcome.SCAFFOLD_ERROR, Cause.OOM, "the scaffold's container ran out of memory",
        ),
        (
            f"import evolve_door as door\ndoor.run({f'python3 -c {GREEDY!r}'!r})",
            Outcome.FAILED, Cause.OOM, "the task's container ran out of memory",
        ),
        *(
            (
                f"import evolve_door as door\ndoor.run({f'python3 -c {GREEDY!r}; exit {status}'!r})",
                Outcome.FAILED, Cause.OOM, "the task's container ran out of memory",
            )
            for status in (0, 5)
        ),
        (
            "import evolve_door as door\nfor _ in range(2): door.run('b() { b | b & }; b; sleep 9', timeout=3)",
            Outcome.FAILED, Cause.PIDS, "the task's container had too many processes",
        ),
        (
            "import evolve_door as door\ndoor.run('kill -9 -1')\ndoor.run('kill -9 $PPID')",
            Outcome.FAILED, Cause.NONE, "",
        ),
    ],
)  # fmt: skip
def test_limits_that_were_met_are_typed_and_are_evidence(
    trials: Trials, main: str, outcome: Outcome, cause: Cause, words: str
) -> None:
    spec = trials.spec(main, Limits(calls=5, seconds=9))
    small = replace(spec.task.sandbox, pids=64)
    spec = replace(spec, task=replace(spec.task, sandbox=small), sandbox=SandboxSpec(memory_mb=200, pids=32))
    result = run_trial(spec)
    assert (result.outcome, result.cause) == (outcome, cause), result.detail
    assert result.detail.startswith(words) and result.reward == 0.0


def test_a_full_disk_is_no_fault_of_the_machine(trials: Trials) -> None:
    fill = "i=0; while head -c 30000000 /dev/zero > $i; do i=$((i+1)); cp $i /tmp/; done; truncate -s 100G huge"
    result = run_trial(trials.spec(f"import evolve_door as door\nfor _ in range(4): door.run({fill!r})"))
    assert result.outcome is Outcome.FAILED, result.detail


def test_a_solved_task_has_no_cause(trials: Trials) -> None:
    main = fixed(trials) + f"\ndoor.run({f'python3 -c {GREEDY!r}'!r})"
    result = run_trial(trials.spec(main))
    assert (result.outcome, result.cause) == (Outcome.PASSED, Cause.NONE)
