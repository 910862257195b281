"""Tasks with a compose file: the agent's container and services beside it, in real containers."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from evolve.core.errors import InfraError
from evolve.core.records import Outcome
from evolve.sandbox import engine
from evolve.sandbox.leftovers import sweep_dead
from evolve.trial.reward import Reward
from evolve.trial.run import run_trial, sandboxes

from .harbor_tasks import Small, solved, with_scaffold

pytestmark = pytest.mark.docker
COMPOSE = "environment/docker-compose.yaml"
NO_NETWORK = "[environment]\nnetwork_mode = 'no-network'\n"
SERVER = """
import http.server, os, sys
open("/tmp/greeting", "w").write(os.environ.get("GREETING", "hello"))
os.chdir("/tmp")
http.server.ThreadingHTTPServer(("0.0.0.0", 8000), http.server.SimpleHTTPRequestHandler).serve_forever()
"""
FETCH = (
    "python3 -c 'import urllib.request as u; print(u.urlopen(\"http://{}:8000/greeting\", timeout=5).read().decode())'"
)
# The first address of a network is the host's, if it has one there: it would refuse a connection.
KNOCK = """
import socket, errno
own = socket.gethostbyname(socket.gethostname()).split(".")
for address in (".".join([*own[:3], "1"]), "172.17.0.1"):
    try:
        socket.create_connection((address, 9), 1)
    except OSError as error:
        print("reached" if error.errno == errno.ECONNREFUSED else "unreachable")
try:
    print("reached", socket.gethostbyname("example.org"))
except OSError:
    print("unreachable")
""".replace("'", '"')
API = """
  api:
    build: ./api
    environment: [GREETING=good day]
    expose: ["8000"]
    healthcheck:
      test: ["CMD", "python3", "-c", "import socket; socket.create_connection(('localhost', 8000), 2)"]
      interval: 1s
      retries: 20
"""
API_FILES = {"environment/api/Dockerfile": "ARG BASE=python:3.11-slim\nFROM ${BASE}\nCOPY server.py /\n"
             "CMD [\"python3\", \"/server.py\"]\n", "environment/api/server.py": SERVER}  # fmt: skip


def composed(text: str, **options: str | dict[str, str]) -> Small:
    more = options.pop("more", {})
    assert isinstance(more, dict)
    return replace(Small(**options), more={COMPOSE: text, **more})  # type: ignore[arg-type]


ALONE = {
    "variables": composed(
        "services:\n  main:\n    container_name: x\n    environment: ['LOGS=${ENV_AGENT_LOGS_PATH}', 'A=b c', D=$$D]\n",
        test='[ "$LOGS$A$D" = "/logs/agentb c\\$D" ] && grep -q ok /app/out',
        solve='[ "$A" = "b c" ] && echo ok > /app/out',
    ),
    "task's variables win": composed(
        "services: {main: {environment: {A: file, B: file}}}\n",
        toml="[environment.env]\nA = 'task'\n", test='[ "$A$B" = taskfile ]',
    ),
    "options": composed(
        "services:\n  main:\n    working_dir: /srv\n    hostname: box\n    user: nobody\n    shm_size: 32m\n"
        "    tmpfs: /scratch:size=1m\n    extra_hosts: ['db.example:10.9.8.7']\n    ulimits: {nofile: 333}\n"
        "    cap_drop: [NET_RAW]\n",
        toml="[verifier]\nuser = 'root'\n",
        test="[ $(pwd) = /srv ] && [ $(hostname) = box ] && grep -q 10.9.8.7 /etc/hosts && [ $(ulimit -n) = 333 ] && "
        "grep -q '/scratch tmpfs.*size=1024k' /proc/mounts && grep -q '/dev/shm.*size=32768k' /proc/mounts && "
        "[ $(cat /tmp/who) = nobody ]",
        solve="id -un > /tmp/who",
    ),
    "limits": composed(
        "services: {main: {deploy: {resources: {limits: {memory: 96M, cpus: '0.5'}}}, pids_limit: 77}}\n",
        test="[ $(cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null) = 100663296 ]"
        " && [ $(cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null) = 77 ]",
    ),
    "command": composed(
        "services: {main: {command: [sh, -c, 'touch /app/begun; exec sleep infinity']}}\n", test="[ -e /app/begun ]"
    ),
    "another Dockerfile": composed(
        "services: {main: {build: {context: ., dockerfile: own.Dockerfile, args: {WORD: hi}}}}\n",
        test='[ "$(cat /word)" = hi ]',
        more={"environment/own.Dockerfile": "ARG BASE=python:3.11-slim\nFROM ${BASE}\nARG WORD\nRUN echo $WORD > /word"
              "\nWORKDIR /app\n"},
    ),
    "files": composed(
        "services: {main: {volumes: ['./data:/data:ro', './data:/own', './one.txt:/etc/one', 'vol:/v', '/w']}}\n"
        "volumes: {vol: }\n",
        test="[ $(cat /data/a /own/a /etc/one | tr -d '\\n') = 112 ] && [ -e /own/new ] && ! touch /data/x && "
        "[ -e /v/x ] && [ -e /w/x ]",
        solve="touch /own/new /v/x /w/x",
        more={"environment/data/a": "1", "environment/one.txt": "2"},
    ),
    "no network": composed(
        "services: {main: {network_mode: none}}\n", test="[ $(ls /sys/class/net) = lo ]",
    ),
    "healthy": composed(
        "services:\n  main:\n    command: [sh, -c, 'sleep 1; touch /ready; sleep infinity']\n"
        "    healthcheck: {test: '[ -e /ready ]', interval: 1s}\n", test="[ -e /ready ] && [ -e /seen ]",
        solve="[ -e /ready ] && touch /seen",
    ),
}  # fmt: skip

BESIDE = {
    "by name": composed(
        f"services:\n  main:\n    depends_on: {{api: {{condition: service_healthy}}}}\n{API}",
        solve=f"{FETCH.format('api')} > /app/out", test="grep -q 'good day' /app/out", more=API_FILES,
    ),
    "without a network": composed(
        f"services:\n  main:\n    depends_on: {{api: {{condition: service_healthy}}}}\n{API}",
        toml=NO_NETWORK, more=API_FILES,
        solve=f"{FETCH.format('api')} > /app/out; python3 -c '{KNOCK}' >> /app/out",
        test="grep -q 'good day' /app/out && [ $(grep -c unreachable /app/out) = 3 ]",
    ),
    "volumes and logs": composed(
        "services:\n  main: {volumes: ['shared:/startup']}\n  side:\n    image: evolve/base:python3\n"
        "    command: [sh, -c, \"printf '%s' $${SET-unset} > /startup/env; echo hi > /logs/artifacts/side; "
        "sleep infinity\"]\n"
        "    volumes: ['shared:/startup', '${HOST_ARTIFACTS_PATH}:${ENV_ARTIFACTS_PATH}']\nvolumes: {shared: }\n",
        toml="[environment.env]\nSET = 'main'\n",
        test="[ $(cat /startup/env) = unset ] && [ $(cat /logs/artifacts/side) = hi ] && [ -w /logs/artifacts ]",
    ),
    "collected": composed(
        "services:\n  side:\n    image: evolve/base:python3\n    command: sleep infinity\n",
        toml="artifacts = [{source = '/evidence', service = 'side'}]\n[verifier]\nenvironment_mode = 'separate'\n"
        "[[verifier.collect]]\ncommand = 'hostname > /evidence; echo seen >> /evidence'\nservice = 'side'\n",
        test="grep -q seen /evidence && [ $(head -1 /evidence) != $(hostname) ]",
    ),
    "of the tests alone": replace(
        Small("grep -q ok /app/out && [ $B = c ] && " + FETCH.format("api") + " | grep -q 'good day'",
              toml="artifacts = ['/app/out']\n[verifier]\nenvironment_mode = 'separate'\n"),
        more={"tests/Dockerfile": "ARG BASE=python:3.11-slim\nFROM ${BASE}\nWORKDIR /app\nCOPY test.sh /tests/\n",
              "tests/docker-compose.yaml": f"services:\n  main: {{environment: [B=c], depends_on: [api]}}\n{API}",
              **{name.replace("environment", "tests"): text for name, text in API_FILES.items()}},
    ),
    "in order": composed(
        "services:\n  main:\n    depends_on: {setup: {condition: service_completed_successfully}}\n"
        "    volumes: ['data:/d']\n  setup:\n    image: evolve/base:python3\n"
        "    command: sh -c 'sleep 1; echo a >> /d/log'\n"
        "    volumes: ['data:/d']\n  late:\n    image: evolve/base:python3\n    depends_on: [main]\n"
        "    command: sh -c 'echo b >> /d/log; sleep infinity'\n    volumes: ['data:/d']\nvolumes: {data: }\n",
        solve="for i in 1 2 3 4 5; do grep -q b /d/log && break; sleep 1; done; cat /d/log > /app/out",
        test="[ \"$(tr -d '\\n' < /app/out)\" = ab ]",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", list(ALONE))
def test_a_file_with_main_alone_needs_nothing_else(tmp_path: Path, base: str, swept: str, name: str) -> None:
    judgement = solved(ALONE[name].spec(tmp_path / "task", base, swept))
    assert judgement.grade == Reward(1.0, 1.0), judgement


@pytest.mark.parametrize("name", list(BESIDE))
def test_services_run_beside_main(tmp_path: Path, base: str, swept: str, name: str) -> None:
    judgement = solved(BESIDE[name].spec(tmp_path / "task", base, swept))
    assert judgement.grade == Reward(1.0, 1.0), judgement
    labelled = {"label": f"{engine.LABEL}={swept}"}
    assert engine.connect().api.networks(filters=labelled) == []


def left_of(owner: str) -> dict[str, int]:
    """How much the engine has of an owner, by kind."""
    api, label = engine.connect().api, {"label": f"{engine.LABEL}={owner}"}
    volumes = api.volumes(filters=label)["Volumes"] or []
    return {
        "containers": len(api.containers(all=True, filters=label)),
        "networks": len(api.networks(filters=label)),
        "volumes": len(volumes),
    }


NOTHING = {"containers": 0, "networks": 0, "volumes": 0}


def test_a_trial_sees_its_services_and_leaves_nothing(tmp_path: Path, base: str, swept: str) -> None:
    main = f"import evolve_door as door\ndoor.run({(FETCH.format('api') + ' > /app/out')!r})"
    spec = with_scaffold(BESIDE["by name"].spec(tmp_path / "task", base, swept), main)
    result = run_trial(spec)
    assert (result.outcome, result.reward) == (Outcome.PASSED, 1.0), result.detail
    assert left_of(swept) == NOTHING


def test_a_service_has_the_limits_and_marks_of_all_containers(tmp_path: Path, base: str, swept: str) -> None:
    text = (
        "services:\n  side:\n    image: evolve/base:python3\n    command: sleep infinity\n    ports: ['8123:80']\n"
        "    mem_limit: 64m\n    pids_limit: 50000\n    ulimits: {core: -1}\n    logging: {driver: syslog}\n"
    )
    with sandboxes(composed(text).spec(tmp_path / "task", base, swept), 60) as (_, main):
        facts = [engine.connect().api.inspect_container(one.id) for one in (main, main.service("side"))]
        networks = [set(one["NetworkSettings"]["Networks"]) for one in facts]
        inside = engine.connect().containers.get(facts[1]["Id"]).exec_run("unshare -U true")
    for host in (one["HostConfig"] for one in facts):
        assert any(option.startswith("seccomp={") for option in host["SecurityOpt"]), "the list of system calls"
        assert "no-new-privileges" in host["SecurityOpt"] and "/proc/locks" in host["MaskedPaths"]
        assert (host["Privileged"], host["PortBindings"] or {}, host["Binds"]) == (False, {}, None)
        assert host["MemorySwap"] == host["Memory"] > 0 and 0 < host["PidsLimit"] <= 4096
        assert [(one["Soft"], one["Hard"]) for one in host["Ulimits"] if one["Name"] == "core"] == [(0, 0)]
    assert facts[1]["HostConfig"]["Memory"] == 64 << 20 and inside.exit_code != 0
    assert {one["Config"]["Labels"][engine.LABEL] for one in facts} == {swept}
    assert all(engine.UNTIL in one["Config"]["Labels"] for one in facts)
    assert len(networks[0] & networks[1]) == 2, "the trial's network, and the engine's, which the task asks for"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("  side: {image: evolve/base:python3, command: sh -c 'echo broken; exit 3'}\n", "ended with status 3: broken"),
        ("  side:\n    image: evolve/base:python3\n    command: sleep infinity\n"
         "    healthcheck: {test: 'echo sick; exit 1', interval: 1s, retries: 1}\n", "side is unhealthy: sick"),
    ],
)  # fmt: skip
def test_a_service_that_does_not_start_is_nobodys_failure(
    tmp_path: Path, base: str, swept: str, text: str, problem: str
) -> None:
    with pytest.raises(InfraError, match=problem):
        solved(composed(f"services:\n{text}").spec(tmp_path / "task", base, swept))
    assert left_of(swept) == NOTHING


def test_networks_of_phases_hold_for_all_services(tmp_path: Path, base: str, swept: str) -> None:
    """The solution runs without a network, the tests with one; what connects is the network of the engine."""
    text = "services:\n  side:\n    image: evolve/base:python3\n    command: sleep infinity\n"
    toml = "[agent]\nnetwork_mode = 'no-network'\n[[verifier.collect]]\nservice = 'side'\n"
    toml += "command = 'ls /sys/class/net | wc -l > /logs'\n"
    count = "ls /sys/class/net | wc -l"
    small = composed(
        text, toml=toml, solve=f"{count} > /app/out", test=f"[ $(cat /app/out) = 2 ] && [ $({count}) = 3 ]"
    )
    assert solved(small.spec(tmp_path / "task", base, swept)).grade == Reward(1.0, 1.0)


VICTIM = """
import sys
from pathlib import Path
from evolve.host.temporary import process_mark
from evolve.trial.run import sandboxes
from tests.integration.test_compose import BESIDE
owner = f"check-{process_mark()}"
with sandboxes(BESIDE["volumes and logs"].spec(Path(sys.argv[1]), sys.argv[2], owner), 60):
    print(owner, flush=True)
    sys.stdin.read()
"""


def test_nothing_is_left_after_kill_9(tmp_path: Path, base: str) -> None:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", VICTIM, str(tmp_path / "task"), base]
    variables = {**os.environ, "PYTHONPATH": str(root)}
    with subprocess.Popen(command, cwd=root, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as victim:
        assert victim.stdout
        owner = victim.stdout.readline().decode().strip()
        assert left_of(owner) == {"containers": 2, "networks": 1, "volumes": 2}
        sweep_dead()
        assert left_of(owner)["containers"] == 2
        victim.kill()
    sweep_dead()
    assert left_of(owner) == NOTHING
