"""Tasks with Harbor's defaults, in real containers: environment, users, verifiers, and how trials of scaffolds end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evolve.core.records import Outcome, TrialResult, VerifierMode
from evolve.trial.reward import Reward
from evolve.trial.run import run_trial

from .harbor_tasks import DOCKERFILE, IS_OK, NONE_LEFT, Small, solved, with_scaffold

pytestmark = pytest.mark.docker
ANN = "RUN useradd -m ann && chown ann /app\n"
BASHISM = "# a comment before the first line\n#!/bin/sh\n[[ x == x* ]] && "
ALL_WRITABLE = "for f in verifier agent artifacts; do touch /logs/$f/x || exit 1; done; "

SOLVED = {
    "control": Small(),
    "environment env": Small('[ "$X" = 1 ] && ' + IS_OK, '[ "$X" = 1 ] && echo ok > out', '[environment.env]\nX = "1"'),
    "verifier env": Small('[ "$X" = "a b" ]', '[ -z "$X" ] || exit 1', '[verifier.env]\nX = "a b"'),
    "solution env": Small('grep -q "ok noninteractive" out && [ -z "$X$DEBIAN_FRONTEND" ]',
                          "echo $X $DEBIAN_FRONTEND > out", '[solution.env]\nX = "ok"'),
    "agent user": Small('grep -q "ann /home/ann" out && [ $(id -u) = 0 ] && [ "$HOME" = /root ]',
                        f'{ALL_WRITABLE}echo $(whoami) $HOME > /app/out', '[agent]\nuser = "ann"', DOCKERFILE + ANN),
    "verifier user": Small('[ $(whoami) = ann ] && ' + IS_OK, '[ $(whoami) = root ] && echo ok > /app/out',
                           '[verifier]\nuser = "ann"', DOCKERFILE + ANN),
    "image user": Small("grep -q ann /app/out && [ $(whoami) = ann ]", "whoami > /app/out", "",
                        DOCKERFILE + ANN + "USER ann\n", image={"user": "ann"}),
    "own workdir": Small('[ $PWD = /app ] && grep -q ok out', "echo ok > out"),
    "workdir /": Small('[ $PWD = / ] && ' + IS_OK, '[ $PWD = / ] && echo ok > app/out', image={"workdir": "/"}),
    "state in /tmp and /etc": Small("grep -q ok /tmp/a && grep -q ok /etc/b", "echo ok | tee /tmp/a > /etc/b"),
    "any status of the solution": Small(solve="echo ok > out; exit 3"),
    "scripts for bash": Small(more={"tests/test.sh": f"{BASHISM}echo 1 > /logs/verifier/reward.txt\n",
                                    "solution/solve.sh": f"{BASHISM}true\n"}),
    "large file": Small("[ $(stat -c %s big) = 200000000 ]", "head -c 200000000 /dev/zero > big"),
    "much memory": Small(solve='python3 -c "x = bytearray(700 << 20)" && echo ok > out'),
    "many tests": Small("[ $(stat -c %s /tests/big) = 40000000 ]", more={"tests/big": "x" * 40_000_000}),
    "services": Small('python3 -c "import urllib.request as u; u.urlopen(\'http://127.0.0.1:8123/\')"',
                      "nohup python3 -m http.server 8123 >/dev/null 2>&1 &\nsleep 1.5"),
    "MCP servers": Small('grep -q \'"command": "serve"\' out', "echo $EVOLVE_MCP_SERVERS > out",
                         '[[environment.mcp_servers]]\nname = "m"\ntransport = "stdio"\ncommand = "serve"\n'),
    "volume": Small("grep -q ok /data/out", "echo ok > /data/out", "[verifier]\nenvironment_mode = 'isolated'",
                    DOCKERFILE + "VOLUME /data\n"),
    "isolated": Small(NONE_LEFT + " && [ -e /etc/b ] && [ -e /logs/artifacts/a ]", "touch /etc/b /logs/artifacts/a; "
                      "setsid sleep 99 &", "[verifier]\nenvironment_mode = 'isolated'"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(SOLVED))
def test_a_task_behaves_as_in_harbor(tmp_path: Path, base: str, swept: str, name: str) -> None:
    judgement = solved(SOLVED[name].spec(tmp_path / "task", base, swept))
    assert judgement.grade == Reward(1.0, 1.0), judgement


RUN = "import evolve_door as door\n"
FORGE = "echo '{\"reward\": 1}' > /logs/verifier/reward.json; echo 1 > /logs/verifier/reward.txt"


def trial_of(
    tmp_path: Path, base: str, swept: str, small: Small, main: str, seconds: float = 20.0, **changes: Any
) -> TrialResult:
    spec = with_scaffold(small.spec(tmp_path / "task", base, swept), RUN + main)
    few = replace(spec.task.sandbox, pids=256)
    spec = replace(spec, task=replace(spec.task, sandbox=few), **changes)
    return run_trial(replace(spec, limits=replace(spec.limits, seconds=seconds)))


def test_services_stay_and_the_row_says_shared(tmp_path: Path, base: str, swept: str) -> None:
    small = Small("python3 -c \"import urllib.request as u; u.urlopen('http://127.0.0.1:8123/')\"")
    server = "python3 -m http.server 8123 >/dev/null 2>&1 &"
    for prefix, outcome in (("setsid", Outcome.PASSED), ("nohup", Outcome.PASSED), ("", Outcome.FAILED)):
        main = f"door.run('{prefix} {server} sleep 1')"
        result = trial_of(tmp_path / (prefix or "plain"), base, swept, small, main)
        assert (result.outcome, result.verifier) == (outcome, VerifierMode.SHARED), result.detail


@pytest.mark.parametrize(
    "act",
    [FORGE, f"(while :; do {FORGE}; done) >/dev/null 2>&1 &",
     "rm -rf /logs; ln -s /app /logs; echo 1 > /app/reward.txt",
     "mkdir -p /tests; echo 'import os' > /tests/conftest.py; echo 'exit 0' > /tests/test.sh"],
)  # fmt: skip
def test_a_reward_of_the_agents_own_gains_nothing(tmp_path: Path, base: str, swept: str, act: str) -> None:
    result = trial_of(tmp_path, base, swept, Small("[ -e /tests/conftest.py ] || " + IS_OK), f"door.run({act!r})")
    if "conftest" in act:
        assert result.outcome is Outcome.FAILED, result.detail
    assert (result.outcome, result.reward) == (Outcome.FAILED, 0.0), result.detail


@pytest.mark.parametrize(
    ("act", "outcome", "reward"),
    [
        ("echo ok > out; sleep 99", Outcome.PASSED, 1.0),
        ("sleep 99", Outcome.TIMEOUT, 0.0),
        ("sleep 6; echo ok > out", Outcome.TIMEOUT, 0.0),
        ("(sleep 6; echo ok > out) >/dev/null 2>&1 & sleep 99", Outcome.TIMEOUT, 0.0),
    ],
)
def test_a_scaffold_out_of_time_is_judged_and_works_on_no_more(
    tmp_path: Path, base: str, swept: str, act: str, outcome: Outcome, reward: float
) -> None:
    small = Small("sleep 8; " + IS_OK)
    main = f"import time\ndoor.run({act!r}, timeout=60)\ntime.sleep(60)"
    result = trial_of(tmp_path, base, swept, small, main, seconds=4)
    assert (result.outcome, result.reward) == (outcome, reward), result.detail


def test_a_partial_reward_of_a_scaffold_out_of_time_is_kept(tmp_path: Path, base: str, swept: str) -> None:
    small = Small(more={"tests/test.sh": "echo .25 > /logs/verifier/reward.txt\n"})
    result = trial_of(tmp_path, base, swept, small, "import time\ntime.sleep(60)", seconds=3)
    assert (result.outcome, result.reward) == (Outcome.TIMEOUT, 0.25), result.detail
    result = trial_of(tmp_path / "crash", base, swept, small, "raise SystemExit(3)")
    assert (result.outcome, result.reward) == (Outcome.SCAFFOLD_ERROR, 0.25), result.detail
    failed = trial_of(tmp_path / "unjudged", base, swept, small, "raise SystemExit(3)", judges_failures=False)
    assert (failed.outcome, failed.reward) == (Outcome.SCAFFOLD_ERROR, 0.0)


@pytest.mark.parametrize(
    "ruin",
    ["rm -rf /bin/rm /usr/bin/rm /bin/mkdir /usr/bin/mkdir",
     "for p in /proc/[0-9]*; do grep -q sleep $p/comm && kill ${p#/proc/}; done; sleep 5",
     "i=0; while [ $i -lt 400 ]; do setsid sleep 60 & i=$((i+1)); done"],
)  # fmt: skip
def test_an_agent_that_leaves_no_room_for_the_tests_has_failed(
    tmp_path: Path, base: str, swept: str, ruin: str
) -> None:
    result = trial_of(tmp_path, base, swept, Small(), f"door.run('echo ok > out')\ndoor.run({ruin!r})")
    assert (result.outcome, result.reward) == (Outcome.FAILED, 0.0), result.detail


def test_a_user_that_does_not_exist_is_no_fault_of_the_scaffold(tmp_path: Path, base: str, swept: str) -> None:
    for phase in ("verifier", "agent"):
        small = Small(toml=f'[{phase}]\nuser = "absent"')
        result = trial_of(tmp_path / phase, base, swept, small, "door.run('true')")
        assert result.outcome is Outcome.INFRA_ERROR and "absent" in result.detail


HEALTH = "[environment.healthcheck]\ninterval_sec = 0.5\nretries = 2\n"


def test_the_agent_starts_in_a_healthy_environment_or_not_at_all(tmp_path: Path, base: str, swept: str) -> None:
    """The check passes at the second time; the scaffold sees that."""
    ready = HEALTH + 'command = "echo x >> /checks; [ $(wc -l < /checks) = 2 ]"'
    main = "door.run('[ $(wc -l < /checks) = 2 ] && echo ok > out')"
    result = trial_of(tmp_path / "ready", base, swept, Small(toml=ready), main)
    assert result.outcome is Outcome.PASSED, result.detail
    result = trial_of(tmp_path / "never", base, swept, Small(toml=HEALTH + 'command = "false"'), main)
    assert result.outcome is Outcome.INFRA_ERROR and "unhealthy" in result.detail


ONLINE, OFFLINE = "grep -q eth /proc/net/dev", "! grep -q eth /proc/net/dev"
PHASES = {
    "public by default": ("", ONLINE, ONLINE),
    "none": ('[environment]\nnetwork_mode = "no-network"', OFFLINE, OFFLINE),
    "agent without": ('[agent]\nnetwork_mode = "no-network"', OFFLINE, ONLINE),
    "tests without": ('[verifier]\nnetwork_mode = "no-network"', ONLINE, OFFLINE),
    "tests only": ('[environment]\nnetwork_mode = "no-network"\n[verifier]\nnetwork_mode = "public"', OFFLINE, ONLINE),
    "separate tests": ('[agent]\nnetwork_mode = "no-network"\n[verifier]\nenvironment_mode = "separate"\n'
                       '[[artifacts]]\nsource = "/app"', OFFLINE, ONLINE),
    "tests on a copy": ('[verifier]\nenvironment_mode = "isolated"\nnetwork_mode = "no-network"', ONLINE, OFFLINE),
    "setup": (f'[agent]\nnetwork_mode = "no-network"\n[environment.healthcheck]\nretries = 1\ncommand = "{ONLINE}"',
              OFFLINE, ONLINE),
}  # fmt: skip


@pytest.mark.parametrize("name", list(PHASES))
def test_each_phase_has_its_own_network(tmp_path: Path, base: str, swept: str, name: str) -> None:
    toml, agent, tests = PHASES[name]
    small = Small(f"{tests} && {IS_OK}", f"{agent} && echo ok > out", toml)
    judgement = solved(small.spec(tmp_path / "task", base, swept))
    assert judgement.grade == Reward(1.0, 1.0), judgement


def test_an_agent_that_ended_its_container_has_failed_in_every_mode(tmp_path: Path, base: str, swept: str) -> None:
    """Also where a network is to be connected, commands to be run, or artifacts to be taken out of it."""
    end = "echo ok > out; for p in /proc/[0-9]*; do grep -q sleep $p/comm && kill ${p#/proc/}; done; sleep 5"
    hooks = '[[verifier.collect]]\ncommand = "true"\n'
    for mode in ("shared", "separate", "isolated"):
        toml = f'[agent]\nnetwork_mode = "no-network"\n[verifier]\nenvironment_mode = "{mode}"\n{hooks}'
        result = trial_of(tmp_path / mode, base, swept, Small("[ -e /absent ]", toml=toml), f"door.run({end!r})")
        assert (result.outcome, result.reward) == (Outcome.FAILED, 0.0), (mode, result.detail)
