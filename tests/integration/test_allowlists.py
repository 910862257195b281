"""Networks by phase, and allowlists, against servers in real containers."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest

from evolve.budget.ledger import SpendingFile
from evolve.core.errors import BadInput, EngineError
from evolve.core.records import Fault, Outcome, Split, SuiteProfile
from evolve.loop.watcher import SilentWatcher
from evolve.runs import check_tasks
from evolve.runs.regrade import KeptState, _regrade_one
from evolve.sandbox import egress, engine, images
from evolve.sandbox.egress_check import refuse_unsupported
from evolve.suite.task_files import load_task
from evolve.suite.tasks import load_suite
from evolve.trial import verdict
from evolve.trial.reward import NoReward, Reward, Ungraded
from evolve.trial.run import run_trial
from evolve.trial.solving import try_task

from .egress_servers import Server, servers
from .harbor_tasks import DOCKERFILE, Small, solved, with_scaffold

pytestmark = pytest.mark.docker
# Writes the names of the servers that can be reached to a file.
REACHED = """
import json, sys, urllib.request
found = []
for name, address in json.load(open("/app/servers.json")).items():
    try:
        found.append(urllib.request.urlopen(f"http://{address}:8123/", timeout=10).read().decode().split()[0])
    except OSError:
        pass
open(sys.argv[1], "w").write(" ".join(found))
"""
MODES = {"public": "listed other", "no-network": "", "allowlist": "listed"}


@pytest.fixture(scope="module")
def two(task_images: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Server]]:
    with servers(task_images, tmp_path_factory.mktemp("servers"), "listed", "other") as made:
        yield made


def network_of(table: str, mode: str, two: Mapping[str, Server]) -> str:
    hosts = f'allowed_hosts = ["{two["listed"].address}"]\n' if mode == "allowlist" else ""
    return f'[{table}]\nnetwork_mode = "{mode}"\n{hosts}'


def phases(two: Mapping[str, Server], modes: tuple[str, str, str], more: str = "") -> Small:
    """A task that notes what setup, agent and tests reach, and compares it with their modes."""
    tables = zip(("environment", "agent", "verifier"), modes, strict=True)
    toml = "\n".join(network_of(table, mode, two) for table, mode in tables)
    check = '[environment.healthcheck]\ncommand = "python3 /app/reached.py /app/setup"\nretries = 1\n'
    expected = [f'[ "$(cat /app/{name})" = "{MODES[mode]}" ]' for name, mode in zip(PHASES, modes, strict=True)]
    addresses = {name: server.address for name, server in two.items()}
    return Small(
        " && ".join(["python3 /app/reached.py /app/tests", *expected]),
        "python3 /app/reached.py /app/agent",
        toml.replace("[verifier]\n", f"[verifier]\n{more}\n") + check,
        DOCKERFILE + "COPY reached.py servers.json /app/\nRUN chmod 777 /app\n",
        {"environment/reached.py": REACHED, "environment/servers.json": json.dumps(addresses)},
    )


PHASES = ("setup", "agent", "tests")
# Each mode in each phase, and each change from one mode to another, of all 27 combinations.
COMBINED = [
    ("allowlist", "allowlist", "allowlist"),
    ("public", "allowlist", "no-network"),
    ("no-network", "public", "allowlist"),
    ("allowlist", "no-network", "public"),
    ("public", "public", "no-network"),
    ("allowlist", "public", "public"),
    ("no-network", "allowlist", "public"),
]


OTHERS = [modes for modes in itertools.product(MODES, repeat=3) if modes not in COMBINED]


@pytest.mark.slow
@pytest.mark.parametrize("modes", COMBINED, ids="/".join)
def test_each_phase_has_its_own_network_in_one_container(
    tmp_path: Path, base: str, swept: str, two: Mapping[str, Server], modes: tuple[str, str, str]
) -> None:
    judgement = solved(phases(two, modes).spec(tmp_path / "task", base, swept))
    assert judgement.grade == Reward(1.0, 1.0), judgement


@pytest.mark.whole
@pytest.mark.parametrize("modes", OTHERS, ids="/".join)
def test_all_other_combinations_hold_too(
    tmp_path: Path, base: str, swept: str, two: Mapping[str, Server], modes: tuple[str, str, str]
) -> None:
    judgement = solved(phases(two, modes).spec(tmp_path / "task", base, swept))
    assert judgement.grade == Reward(1.0, 1.0), judgement


@pytest.mark.parametrize("mode", ["isolated", "live"])
def test_other_verifiers_have_the_network_of_the_tests_too(
    tmp_path: Path, base: str, swept: str, two: Mapping[str, Server], mode: str
) -> None:
    small = phases(two, ("public", "public", "allowlist"), f'environment_mode = "{mode}"')
    judgement = solved(small.spec(tmp_path / "task", base, swept))
    assert judgement.grade == Reward(1.0, 1.0), judgement


@pytest.mark.parametrize("mode", ["shared", "isolated", "live"])
def test_a_proxy_that_fails_before_the_tests_is_no_evidence(
    tmp_path: Path, base: str, swept: str, two: Mapping[str, Server], monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    real, calls = egress.Egress.allow, list[object]()

    def failing(self: egress.Egress, hosts: tuple[str, ...] | None) -> None:
        calls.append(hosts)
        if len(calls) > 1:
            self.proxy.stop()
        real(self, hosts)

    monkeypatch.setattr(egress.Egress, "allow", failing)
    small = phases(two, ("public", "allowlist", "allowlist"), f'environment_mode = "{mode}"')
    with pytest.raises(EngineError, match="proxy of a network allowlist"):
        solved(small.spec(tmp_path / "task", base, swept))


def test_a_separate_verifier_has_the_network_of_its_own_environment(
    tmp_path: Path, base: str, swept: str, two: Mapping[str, Server]
) -> None:
    small = phases(two, ("no-network", "public", "allowlist"), 'environment_mode = "separate"')
    asked = 'artifacts = ["/app/setup", "/app/agent"]\n'
    judgement = solved(replace(small, toml=asked + small.toml).spec(tmp_path / "task", base, swept))
    assert judgement.grade == Reward(1.0, 1.0), judgement


def test_each_step_has_a_list_of_its_own(tmp_path: Path, base: str, swept: str, two: Mapping[str, Server]) -> None:
    small = phases(two, ("no-network", "public", "public"))
    toml, files = '[environment]\nnetwork_mode = "no-network"\n', dict(small.more)
    for name in two:
        hosts = f'allowed_hosts = ["{two[name].address}"]'
        toml += f'[[steps]]\nname = "{name}"\n[steps.agent]\nnetwork_mode = "allowlist"\n{hosts}\n'
        verdict = f'[ "$(cat /app/agent)" = {name} ] && echo 1 > /logs/verifier/reward.txt'
        files |= {
            f"steps/{name}/instruction.md": "Go.\n",
            f"steps/{name}/tests/test.sh": f"#!/bin/bash\n{verdict} || echo 0 > /logs/verifier/reward.txt\n",
            f"steps/{name}/solution/solve.sh": "#!/bin/bash\npython3 /app/reached.py /app/agent\n",
        }
    judgement = solved(replace(small, toml=toml, more=files).spec(tmp_path / "task", base, swept))
    assert judgement.grade == Reward(1.0, 1.0), judgement


def test_a_strict_task_and_its_verifier_can_have_one(
    tmp_path: Path, base: str, swept: str, two: Mapping[str, Server]
) -> None:
    small = phases(two, ("no-network", "allowlist", "allowlist"))
    folder = small.written(tmp_path / "task")
    for script in ("tests/test.sh", "solution/solve.sh"):
        (folder / script).chmod(0o755)
    (folder / "environment" / "Dockerfile").write_text(DOCKERFILE + "COPY reached.py servers.json /app/\n")
    task = load_task(folder, Split.TRAIN, SuiteProfile.STRICT)
    spec = replace(small.spec(tmp_path / "other", base, swept), task=task, image=images.task_image(task, base))
    judgement = try_task(spec, solve=True)
    assert judgement.grade == Reward(1.0, 1.0), judgement


def test_a_scaffolds_commands_reach_the_list_alone(
    tmp_path: Path, base: str, swept: str, two: Mapping[str, Server]
) -> None:
    small = phases(two, ("no-network", "allowlist", "no-network"))
    main = "import evolve_door as door\ndoor.run('python3 /app/reached.py /app/agent')\n"
    result = run_trial(with_scaffold(small.spec(tmp_path / "task", base, swept), main))
    assert result.outcome is Outcome.PASSED, result.detail


STARTS = """
import sys, time
from evolve.core.records import SandboxSpec, SuiteProfile, TaskImage
from evolve.core.task_format import Environment, NetworkMode, NetworkPolicy, TaskFormat
from evolve.sandbox.task_containers import task_container
from evolve.sandbox.task_state import TaskState
from evolve.sandbox.egress import set_network
policy = NetworkPolicy(NetworkMode.ALLOWLIST, ("a.test",))
format = TaskFormat(harbor=True, environment=Environment(network=policy))
state = TaskState(sys.argv[1], TaskImage(sys.argv[2], "/tmp"), SandboxSpec(), SuiteProfile.LOOSE, None, format)
set_network(task_container(state, 120), state, policy)
print("started", flush=True)
time.sleep(100)
"""


def test_a_proxy_ends_with_the_process_that_started_it_and_is_swept(base: str) -> None:
    owner = f"evolve-tests-killed-{os.getpid()}"
    with subprocess.Popen([sys.executable, "-c", STARTS, owner, base], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "started\n"
        process.kill()
    filters = {"label": f"{engine.LABEL}={owner}"}
    deadline = time.monotonic() + 20
    while len(engine.connect().api.containers(filters=filters)) > 1 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert len(engine.connect().api.containers(filters=filters)) == 1, "the task's own container goes on"
    assert engine.sweep(owner) == 3, "two containers and the socket's folder"
    assert engine.connect().api.containers(all=True, filters=filters) == []


def test_a_kernel_without_the_rules_is_refused_by_name(tmp_path: Path, base: str, swept: str) -> None:
    small = Small(toml='[agent]\nnetwork_mode = "allowlist"\nallowed_hosts = ["a.test"]\n')
    task = small.task(tmp_path / "task")
    refuse_unsupported([task], swept, None)
    powerless = mock.patch.object(egress, "CATCH_POWERS", [])
    with powerless, pytest.raises(BadInput, match=r"`allowlist` is not supported here: .*not permitted"):
        refuse_unsupported([task], swept, None)
    with pytest.raises(BadInput, match="runsc"):
        refuse_unsupported([task], swept, "runsc")
    plain = replace(small, toml="").task(tmp_path / "plain")
    with powerless:
        refuse_unsupported([plain], swept, "runsc")


def test_a_state_is_graded_again_with_the_allowlist_of_the_tests(
    tmp_path: Path, base: str, swept: str, two: Mapping[str, Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    small = phases(two, ("no-network", "public", "allowlist"), 'environment_mode = "separate"')
    small = replace(small, toml='artifacts = ["/app/setup", "/app/agent"]\n' + small.toml)
    main = "import evolve_door as door\ndoor.run('python3 /app/reached.py /app/agent')\n"
    spec = with_scaffold(small.spec(tmp_path / "task", base, swept), main)
    with monkeypatch.context() as broken:
        broken.setattr(verdict, "_read_grade", lambda *_: NoReward(Ungraded.MISSING, "a server did not answer"))
        result = run_trial(spec)
    assert result.fault is Fault.GRADER and result.state is not None, result.detail
    state = KeptState(1, result, spec.folder.parent / result.state.path)
    again = _regrade_one(spec, state, SpendingFile(tmp_path / "spending.db"))
    assert (again.reward, again.passed) == (1.0, True), again


def test_checks_of_tasks_find_the_same_every_time(tmp_path: Path, base: str, two: Mapping[str, Server]) -> None:
    changes = {"closes": ("no-network", "allowlist", "no-network"), "stays": ("public", "allowlist", "allowlist")}
    for name, modes in changes.items():
        phases(two, modes).written(tmp_path / "suite" / name)
    for finding in check_tasks.check_suite(load_suite(tmp_path / "suite", ()), 2, SilentWatcher()):
        assert (finding.problem, finding.solution, finding.nothing) == ("", (1.0, 1.0), (0.0, 0.0)), finding
