"""Tasks of several steps in real containers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from evolve.core.records import Outcome, TrialResult, VerifierMode
from evolve.trial import trajectory
from evolve.trial.reward import Reward
from evolve.trial.run import run_trial
from evolve.trial.solving import try_task

from .harbor_tasks import VERDICT, Small, with_scaffold

pytestmark = pytest.mark.docker
TOML = "[[steps]]\nname = 'first'\n{first}\n[[steps]]\nname = 'second'\n{second}\n"
FILES = {
    "steps/first/instruction.md": "Write first.\n",
    "steps/first/workdir/setup.sh": "[ $PWD = /app ] && cp input prepared\n",
    "steps/first/workdir/input": "given\n",
    "steps/first/tests/test.sh": f"grep -q given prepared && grep -q first out{VERDICT}\n",
    "steps/first/solution/solve.sh": "echo first > out\n",
    "steps/second/instruction.md": "Write second.\n",
    "steps/second/tests/test.sh": f"[ -e /tests/common ] && grep -q second out{VERDICT}\n",
    "steps/second/solution/solve.sh": "[ ! -e /tests ] && [ -z \"$(ls /logs/verifier)\" ] && echo second >> out\n",
    "tests/common": "",
}  # fmt: skip


def two_steps(first: str = "", second: str = "", root: str = "", **changes: str) -> Small:
    """The task; `changes`: other texts of its files, by their number's name in FILES."""
    return Small(toml=root + TOML.format(first=first, second=second), more={**FILES, **changes})


def test_each_step_is_prepared_solved_and_tested_by_itself(tmp_path: Path, base: str, swept: str) -> None:
    spec = two_steps().spec(tmp_path / "task", base, swept)
    assert try_task(spec, solve=True).grade == Reward(1.0, 1.0)
    assert try_task(spec, solve=False).grade == Reward(0.0, 0.0)


def test_steps_may_have_separate_verifiers(tmp_path: Path, base: str, swept: str) -> None:
    root = 'artifacts = ["/app"]\n'
    mode = '[steps.verifier]\nenvironment_mode = "separate"'
    assert try_task(two_steps(mode, mode, root).spec(tmp_path / "task", base, swept), solve=True).grade == Reward(1, 1)


STEP_BY_STEP = """
import os
import evolve_door as door
word = door.task()["instruction"].split()[1].strip(".")
seen = door.run("ls -d /tests /solution /logs/verifier/* /logs/agent/* 2>/dev/null").stdout
assert not seen.strip(), seen
door.run(f"echo {word} >> out; touch /logs/agent/x")
ACT
"""


def played(tmp_path: Path, base: str, swept: str, small: Small, act: str = "", seconds: float = 20.0) -> TrialResult:
    spec = with_scaffold(small.spec(tmp_path / "task", base, swept), STEP_BY_STEP.replace("ACT", act))
    return run_trial(replace(spec, limits=replace(spec.limits, seconds=seconds)))


def test_a_scaffold_is_run_on_each_step_and_sees_no_tests(tmp_path: Path, base: str, swept: str) -> None:
    result = played(tmp_path, base, swept, two_steps())
    assert (result.outcome, result.verifier, result.usage.commands) == (Outcome.PASSED, VerifierMode.SHARED, 4)
    assert result.recording is not None
    events = trajectory.load(tmp_path / "task" / result.recording.path)
    assert [event["command"][:9] for event in events if event["kind"] == "run"] == ["ls -d /te", "echo firs"] * 1 + [
        "ls -d /te", "echo seco",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("first", "root", "act", "outcome", "reward"),
    [
        ("", "", "if word == 'first': door.run('rm out')", Outcome.FAILED, 0.5),
        ("min_reward = 0.5", "", "if word == 'first': door.run('rm out')", Outcome.FAILED, 0.0),
        ("min_reward = {reward = 0.5}", 'multi_step_reward_strategy = "final"\n', "", Outcome.PASSED, 1.0),
        ("", 'multi_step_reward_strategy = "final"\n', "if word == 'first': door.run('rm out')", Outcome.PASSED, 1.0),
        ("[steps.agent]\ntimeout_sec = 4", "", "import time\nif word == 'first': time.sleep(30)", Outcome.PASSED, 1.0),
        ("", "", "if word == 'second': raise SystemExit(7)", Outcome.PASSED, 1.0),
        ("", "", "door.run('rm -f out')\nif word == 'second': raise SystemExit(7)", Outcome.SCAFFOLD_ERROR, 0.0),
    ],
)  # fmt: skip
def test_rewards_minimum_and_ends_of_steps(
    tmp_path: Path, base: str, swept: str, first: str, root: str, act: str, outcome: Outcome, reward: float
) -> None:
    result = played(tmp_path, base, swept, two_steps(first, "", root), act)
    assert (result.outcome, result.reward) == (outcome, reward), result.detail


def test_a_step_that_can_not_be_prepared(tmp_path: Path, base: str, swept: str) -> None:
    """At first that is the task's fault; later the agent may have caused it, and gains nothing by that."""
    broken = two_steps(**{"steps/first/workdir/setup.sh": "echo no such thing >&2; exit 4\n"})
    result = played(tmp_path / "first", base, swept, broken)
    assert result.outcome is Outcome.INFRA_ERROR and "no such thing" in result.detail
    later = two_steps(**{"steps/second/workdir/setup.sh": "[ ! -e out ]\n"})
    result = played(tmp_path / "second", base, swept, later)
    assert (result.outcome, result.reward) == (Outcome.FAILED, 0.5), result.detail


def test_a_container_that_the_agent_ended_earns_nothing_more(tmp_path: Path, base: str, swept: str) -> None:
    mode = '[steps.verifier]\nenvironment_mode = "separate"'
    end = "for p in /proc/[0-9]*; do grep -q sleep $p/comm && kill ${p#/proc/}; done; sleep 5"
    small = two_steps(mode, mode, 'artifacts = ["/app"]\n')
    result = played(tmp_path, base, swept, small, f"door.run({end!r})")
    assert (result.outcome, result.reward) == (Outcome.FAILED, 0.5), result.detail
