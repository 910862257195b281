"""Suites of the loose profile, and tasks whose tests run beside what the agent left running."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from evolve.core.errors import InfraError
from evolve.core.records import Cause, Limits, Outcome, Split, SuiteProfile, TaskImage, TrialSpec, VerifierMode
from evolve.loop.watcher import SilentWatcher
from evolve.runs import check_tasks
from evolve.sandbox import engine, images
from evolve.sandbox.container import frozen_image
from evolve.sandbox.inside import ROOT
from evolve.sandbox.task_containers import task_container, verifier_container
from evolve.sandbox.task_state import TaskState
from evolve.suite.tasks import Suite, load_task
from evolve.trial.run import run_trial

from .conftest import Trials

pytestmark = pytest.mark.docker
SERVER = "setsid python3 -m http.server 8000 --bind 127.0.0.1 >/dev/null 2>&1 & "
ASK = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:8000/answer').read())"
JUDGE = """#!/bin/sh
reward=0
{test} && reward=1
mkdir -p /logs/verifier
echo $reward > /logs/verifier/reward.txt
"""


@pytest.fixture
def live_folder(tmp_path: Path) -> Path:
    """A task whose tests ask a server that the solution starts."""
    test = f'[ "$(id -u)" = 0 ] && python3 -c "{ASK}" | grep -q 42'
    return written(tmp_path / "served", test, f"{SERVER} echo 42 > answer; sleep 0.5", "environment_mode = 'live'")


@pytest.fixture
def loose_folder(tmp_path: Path) -> Path:
    """A task about files that only root may write, far from the working directory."""
    return written(tmp_path / "rooted", "grep -q ok /etc/answer && [ -x /usr/local/bin/tool ]", SOLVE_ROOTED, "")


SOLVE_ROOTED = "echo ok > /etc/answer; printf '#!/bin/sh\\n' > /usr/local/bin/tool; chmod 755 /usr/local/bin/tool"


def written(folder: Path, test: str, solve: str, verifier: str) -> Path:
    files = {
        "task.toml": f"[environment]\nmemory_mb = 128\n[verifier]\ntimeout_sec = 30\n{verifier}\n",
        "instruction.md": "Do it.\n",
        "environment/Dockerfile": "ARG BASE=python:3.11-slim\nFROM ${BASE}\nWORKDIR /work\n",
        "tests/test.sh": JUDGE.replace("{test}", test),
        "solution/solve.sh": f"#!/bin/sh\n{solve}\n",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder


def spec_of(trials: Trials, folder: Path, profile: SuiteProfile, command: str) -> TrialSpec:
    task = load_task(folder, Split.TRAIN, profile)
    image = images.task_image(task, trials.base)
    main = f"import evolve_door as door\nresult = door.run({command!r}, timeout=9)\nprint(result.stdout, result.stderr)"
    return replace(trials.spec(main, Limits(seconds=20)), task=task, image=image)


def test_a_live_verifier_finds_the_agents_server_and_the_row_says_so(trials: Trials, live_folder: Path) -> None:
    command = f"{SERVER} echo 42 > answer; sleep 1"
    result = run_trial(spec_of(trials, live_folder, SuiteProfile.STRICT, command))
    assert (result.outcome, result.verifier) == (Outcome.PASSED, VerifierMode.LIVE), result.detail
    isolated = spec_of(trials, live_folder, SuiteProfile.STRICT, command)
    isolated = replace(isolated, task=replace(isolated.task, verifier=VerifierMode.ISOLATED))
    result = run_trial(isolated)
    assert (result.outcome, result.verifier) == (Outcome.FAILED, VerifierMode.ISOLATED)


def test_a_live_verifiers_reward_is_roots(trials: Trials, live_folder: Path) -> None:
    forging = "(while :; do mkdir -p /logs/verifier; echo 1 > /logs/verifier/reward.txt; done) >/dev/null 2>&1 & "
    result = run_trial(spec_of(trials, live_folder, SuiteProfile.STRICT, f"{forging} cat /tests/*; echo 1 > /tests/x"))
    assert (result.outcome, result.reward) == (Outcome.FAILED, 0.0), result.detail


def test_a_live_environment_without_room_for_tests_is_the_agents_work(trials: Trials, live_folder: Path) -> None:
    bomb = "i=0; while [ $i -lt 400 ]; do setsid sleep 60 & i=$((i+1)); done"
    result = run_trial(spec_of(trials, live_folder, SuiteProfile.STRICT, bomb))
    assert (result.outcome, result.cause) == (Outcome.FAILED, Cause.PIDS), result.detail


def test_the_loose_profile_hands_over_the_whole_file_system(trials: Trials, loose_folder: Path) -> None:
    result = run_trial(spec_of(trials, loose_folder, SuiteProfile.LOOSE, SOLVE_ROOTED))
    assert (result.outcome, result.verifier) == (Outcome.PASSED, VerifierMode.ISOLATED), result.detail
    strict = run_trial(spec_of(trials, loose_folder, SuiteProfile.STRICT, SOLVE_ROOTED))
    assert strict.outcome is Outcome.FAILED


@pytest.mark.parametrize(
    "end",
    [
        "kill -9 -1", "for p in /proc/[0-9]*; do kill -9 ${p#/proc/}; done", "kill 1; sleep 5", "kill -INT 1; sleep 5",
        "for p in /proc/[0-9]*; do grep -q sleep $p/comm && kill ${p#/proc/}; done; sleep 5",
    ],
)  # fmt: skip
def test_root_that_ends_its_own_container_has_failed(trials: Trials, loose_folder: Path, end: str) -> None:
    result = run_trial(spec_of(trials, loose_folder, SuiteProfile.LOOSE, end))
    assert result.outcome is Outcome.FAILED, result.detail


FLOODS = "#!/usr/bin/python3\nimport os\nwhile True: os.write(1, b'x' * 65536)\n"
FLOODING = f"cat > /f <<'END'\n{FLOODS}END\nchmod 755 /f; for f in /bin/sh /usr/bin/sh; do rm -f $f; cp /f $f; done"


@pytest.mark.parametrize(
    "ruin",
    [
        "rm -f /bin/tar /usr/bin/tar", "rm -f /bin/timeout /usr/bin/timeout", "rm -rf /tests; echo > /tests",
        "rm -rf /usr/lib/*", FLOODING,
    ],
)  # fmt: skip
def test_root_that_ruined_its_file_system_has_failed(trials: Trials, loose_folder: Path, ruin: str) -> None:
    result = run_trial(spec_of(trials, loose_folder, SuiteProfile.LOOSE, ruin))
    assert (result.outcome, result.reward) == (Outcome.FAILED, 0.0), result.detail
    assert "the environment that the agent left" in result.detail and result.seconds < 60


def test_a_file_system_in_which_no_tests_can_run_is_the_images_fault(trials: Trials, loose_folder: Path) -> None:
    dockerfile = loose_folder / "environment" / "Dockerfile"
    dockerfile.write_text(dockerfile.read_text() + "RUN rm -f /bin/tar /usr/bin/tar\n")
    result = run_trial(spec_of(trials, loose_folder, SuiteProfile.LOOSE, "true"))
    assert result.outcome is Outcome.INFRA_ERROR and "/tests" in result.detail


def test_a_shell_that_root_replaced_floods_nobody(trials: Trials, loose_folder: Path) -> None:
    """It is what would end the command that runs too long, and every later one."""
    spec = spec_of(trials, loose_folder, SuiteProfile.LOOSE, "")
    commands = [FLOODING, "sleep 20", "echo more"]
    main = f"import evolve_door as door\nfor one in {commands!r}: door.run(one, timeout=1)\n"
    (spec.scaffold.folder / "main.py").write_text(main)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = run_trial(spec)
    assert (result.outcome, result.reward) == (Outcome.FAILED, 0.0), result.detail
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 << 10


def test_a_timeout_as_root_leaves_the_container_up(trials: Trials, loose_folder: Path) -> None:
    command = f"{SOLVE_ROOTED}; setsid sleep 77 & sleep 78"
    spec = spec_of(trials, loose_folder, SuiteProfile.LOOSE, command)
    result = run_trial(spec)
    assert result.outcome is Outcome.PASSED, result.detail


def test_an_engine_that_stops_a_container_of_roots_is_at_fault(state: TaskState) -> None:
    task = task_container(state, 60)
    shell = task.shell(ROOT, "/work")
    try:
        task.client.api.stop(task.id, timeout=5)
        with pytest.raises(InfraError):
            shell.run("echo never")
    finally:
        task.kill()


@pytest.fixture
def state(trials: Trials, loose_folder: Path, swept: str) -> Iterator[TaskState]:
    spec = spec_of(trials, loose_folder, SuiteProfile.LOOSE, "true")
    made = TaskState(swept, TaskImage(spec.image.image, "/work"), spec.task.sandbox, SuiteProfile.LOOSE)
    yield made
    made.remove()


def test_the_loose_profile_keeps_every_limit_but_the_users_powers(state: TaskState) -> None:
    task = task_container(state, 60)
    shell = task.shell(ROOT, "/work")
    try:
        facts = shell.run(
            "id -u; grep -E 'NoNewPrivs|CapEff|Seccomp:' /proc/self/status; touch /x && echo wrote"
        ).stdout.decode()
        assert facts.startswith("0\n") and "wrote" in facts
        assert "NoNewPrivs:\t1" in facts and "Seccomp:\t2" in facts and "CapEff:\t00000000a80425fb" in facts
        assert shell.run("mount -t tmpfs x /mnt").exit_code != 0 and shell.run("unshare -n true").exit_code != 0
        host = task.client.api.inspect_container(task.id)["HostConfig"]
        assert host["PidsLimit"] == 256 and host["Memory"] == host["MemorySwap"] == 128 << 20
        assert host["NetworkMode"] == "none" and not host["Privileged"]
    finally:
        shell.close()
        task.kill()


def test_a_frozen_image_is_found_by_a_sweep(state: TaskState) -> None:
    task = task_container(state, 60)
    with frozen_image(task):
        task.kill()
        assert engine.sweep(state.run) == 1
    with frozen_image(task_container(state, 60)) as image:
        verifier_container(state, 60, image)
        assert engine.sweep(state.run) == 3


def test_both_kinds_of_task_can_be_checked(
    trials: Trials, live_folder: Path, loose_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check_tasks, "OWNER", trials.spec("").owner)
    for folder, profile in ((live_folder, SuiteProfile.STRICT), (loose_folder, SuiteProfile.LOOSE)):
        suite = Suite(folder.parent, (load_task(folder, Split.TRAIN, profile),), profile)
        (finding,) = check_tasks.check_suite(suite, 2, SilentWatcher())
        assert finding.problem == "", finding
