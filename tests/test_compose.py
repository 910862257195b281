"""Compose files: what is read, as Compose reads it, and what is refused by name."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from evolve.core.composition import Composition, Condition, MountKind, ServiceBuild, ServiceHealth, ServiceMount
from evolve.core.errors import BadInput
from evolve.core.records import Split, SuiteProfile, Task
from evolve.core.task_format import NetworkMode
from evolve.sandbox.services import waiting_for_main
from evolve.suite.compose import COMPOSE_FILE, read_compose
from evolve.suite.compose_files import read_variables
from evolve.suite.task_files import load_task
from tests.harbor_tasks import write

REAL = os.environ.get("EVOLVE_COMPOSE")
MAIN = "services:\n  main:\n"
SIDE = "services:\n  side:\n    image: busybox\n"


def read(folder: Path, text: str, **values: str) -> Composition:
    (folder / "environment").mkdir(exist_ok=True, parents=True)
    (folder / "environment" / COMPOSE_FILE).write_text(text)
    file = read_compose(folder, "environment", values)
    assert file is not None
    return file.composition


def load(folder: Path, text: str, **files: str) -> Task:
    return load_task(
        write(folder, {f"environment/{COMPOSE_FILE}": text, **files}), Split.TRAIN, SuiteProfile.LOOSE, True
    )


VALUES = {
    "list": ("['A=1', 'B=x=y', 'C']", {"A": "1", "B": "x=y"}),
    "table": ("{A: 8081, B: 1.50, C: true, D: null, E: yes, F: 0644, G: 1e3, H: 1_000}",
              {"A": "8081", "B": "1.5", "C": "true", "E": "yes", "F": "420", "G": "1000", "H": "1000"}),
    "numbers": ("{A: 1000000.0, B: 0x1F, C: 12:30, D: 0.00001, E: -1.25e-7, F: 123456.5, G: 12345678.5}",
                {"A": "1e+06", "B": "31", "C": "12:30", "D": "1e-05", "E": "-1.25e-07", "F": "123456.5",
                 "G": "1.23456785e+07"}),
    "defaults": ("['A=${X:-d}', 'B=${X-d}', 'C=${X:+d}', 'D=${Y:-d}', 'E=${Y-d}', 'F=${Y+d}', 'G=$Z$$Z', "
                 "'H=${W-${X:-e}}']",
                 {"A": "d", "B": "", "C": "", "D": "y", "E": "y", "F": "d", "G": "$Z", "H": "e"}),
    "Harbor's": ("['A=${TEST_DIR}', 'B=${ENV_AGENT_LOGS_PATH}']", {"A": "", "B": "/logs/agent"}),
}  # fmt: skip


@pytest.mark.parametrize("name", list(VALUES))
def test_variables_are_read_as_compose_reads_them(tmp_path: Path, name: str) -> None:
    text, expected = VALUES[name]
    composition = read(tmp_path, f"{MAIN}    environment: {text}\n", X="", Y="y")
    assert dict(composition.main.env) == expected


@pytest.mark.skipif(not REAL, reason="EVOLVE_COMPOSE names no folder of Docker's settings with the compose plugin")
@pytest.mark.parametrize("name", [name for name in VALUES if name != "Harbor's"])
def test_compose_itself_reads_the_same(tmp_path: Path, name: str) -> None:
    service = real_config(tmp_path, f"{MAIN}    image: x\n    environment: {VALUES[name][0]}\n")["main"]
    known = {key: value.replace("$$", "$") for key, value in service["environment"].items() if value is not None}
    assert known == VALUES[name][1]


@pytest.mark.skipif(not REAL, reason="EVOLVE_COMPOSE names no folder of Docker's settings with the compose plugin")
def test_compose_itself_reads_the_same_options(tmp_path: Path) -> None:
    text = f"{MAIN}    image: x\n    command: sh -c \"echo 'a b'\"\n    shm_size: 1.5g\n    mem_limit: 300m\n"
    text += "    healthcheck: {test: curl x, interval: 1m30s, retries: 2}\n    depends_on: [side]\n"
    text += "    extra_hosts: ['a:1.2.3.4', 'b=1.2.3.5']\n    volumes: ['./a:/b:ro', '/c']\n  side: {image: y}\n"
    ours, theirs = read(tmp_path / "own", text).main, real_config(tmp_path, text)["main"]
    assert list(ours.command or ()) == theirs["command"]
    assert (str(ours.shm_bytes), ours.memory_mb) == (theirs["shm_size"], int(theirs["mem_limit"]) >> 20)
    assert ours.health and list(ours.health.test) == theirs["healthcheck"]["test"]
    assert {name: str(one) for name, one in ours.depends} == {
        name: one["condition"] for name, one in theirs["depends_on"].items()
    }
    assert [f"{name}={address}" for name, address in ours.extra_hosts] == theirs["extra_hosts"]
    assert [(one.target, one.read_only) for one in ours.mounts] == [
        (one["target"], one.get("read_only", False)) for one in theirs["volumes"]
    ]


def real_config(folder: Path, text: str) -> dict[str, Any]:
    """The services as `docker compose config` prints them."""
    (folder / COMPOSE_FILE).write_text(text)
    command = [
        "docker",
        "compose",
        "-f",
        str(folder / COMPOSE_FILE),
        "config",
        "--format",
        "json",
        "--no-path-resolution",
    ]
    variables = {"PATH": os.environ["PATH"], "DOCKER_CONFIG": str(REAL), "X": "", "Y": "y"}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
    services: dict[str, Any] = json.loads(done.stdout)["services"]
    return services


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp"))))
def test_any_text_survives_as_a_value(tmp_path_factory: pytest.TempPathFactory, value: str) -> None:
    folder = tmp_path_factory.mktemp("task")
    document = {"services": {"main": {"environment": {"A": value.replace("$", "$$")}}}}
    assert dict(read(folder, yaml.safe_dump(document, allow_unicode=True)).main.env) == {"A": value}


@given(st.text(alphabet="${}:-?+AB_ x", max_size=12))
def test_templates_are_filled_in_or_refused(tmp_path_factory: pytest.TempPathFactory, value: str) -> None:
    folder = tmp_path_factory.mktemp("task")
    text = yaml.safe_dump({"services": {"main": {"environment": {"A": value}}}})
    with contextlib.suppress(BadInput):
        assert set(dict(read(folder, text).main.env)) == {"A"}


def test_options_of_a_service(tmp_path: Path) -> None:
    text = (
        "x-common: &common\n  restart: on-failure:3\n"
        f"{MAIN}    depends_on: {{side: {{condition: service_healthy}}}}\n"
        "  side:\n    <<: *common\n    build: {context: ./side, dockerfile: Dockerfile.side, args: [A=1]}\n"
        "    entrypoint: [run]\n    command: serve --port 80\n    user: 1000:1000\n    container_name: other\n"
        "    mem_limit: 1.5g\n    cpus: 0.5\n    pids_limit: -1\n    ulimits: {nofile: {soft: 5, hard: 6}, nproc: 3}\n"
        "    healthcheck: {test: curl x, interval: 1m30s, timeout: 500ms, retries: 0}\n"
        "    networks: {back: {aliases: [db]}}\n    sysctls: [net.core.somaxconn=1024]\n"
        "    ports: ['80:80']\n    logging: {driver: none}\n"
        "  unasked:\n    profiles: [debug]\n    privileged: true\n"
        "networks: {back: {internal: true}}\n"
    )
    composition = read(tmp_path, text)
    (side,) = composition.services
    assert composition.main.depends == (("side", Condition.HEALTHY),)
    assert side.build == ServiceBuild("environment/side", "Dockerfile.side", (("A", "1"),))
    assert (side.entrypoint, side.command, side.user) == (("run",), ("serve", "--port", "80"), "1000:1000")
    assert (side.memory_mb, side.cpus, side.pids, side.ulimits) == (1536, 0.5, None, (("nofile", 5, 6),))
    assert side.health == ServiceHealth(("CMD-SHELL", "curl x"), 90.0, 0.5, 0.0, 0)
    assert side.networks == (("back", ("other", "db")),) and side.restarts
    assert composition.may_go_out(composition.main) and not composition.may_go_out(side)


def test_mounts(tmp_path: Path) -> None:
    text = (
        f"{MAIN}    tmpfs: /scratch:size=1m\n    volumes:\n"
        "      - ${HOST_VERIFIER_LOGS_PATH}:${ENV_VERIFIER_LOGS_PATH}\n"
        "      - ${CONTEXT_DIR}/data:/data:ro\n      - vol:/v\n      - /anonymous\n"
        "      - {type: bind, source: ./one, target: /one, read_only: true}\n"
        "      - {type: tmpfs, target: /m, tmpfs: {size: 64m}}\nvolumes: {vol: }\n"
    )
    assert read(tmp_path, text).main.mounts == (
        ServiceMount(MountKind.LOGS, "/logs/verifier", "verifier"),
        ServiceMount(MountKind.FILES, "/data", f"{tmp_path}/environment/data", True),
        ServiceMount(MountKind.VOLUME, "/v", "vol"),
        ServiceMount(MountKind.VOLUME, "/anonymous"),
        ServiceMount(MountKind.FILES, "/one", f"{tmp_path}/environment/one", True),
        ServiceMount(MountKind.MEMORY, "/m", bytes=64 << 20),
        ServiceMount(MountKind.MEMORY, "/scratch", bytes=1 << 20),
    )


def test_files_of_the_task_are_variables_secrets_and_configs(tmp_path: Path) -> None:
    files = {"a.env": "A=1\nB=2\n", "b.env": "B=3\nC=${A}\n", "key": "k", "conf": "c"}
    write(tmp_path, {f"environment/{name}": text for name, text in files.items()})
    text = (
        f"{MAIN}    env_file: [a.env, {{path: b.env}}, {{path: no.env, required: false}}]\n    environment: {{A: 0}}\n"
    )
    text += "    secrets: [key, {source: key, target: /k}]\n"
    text += "    configs: [conf, {source: conf, target: etc/c, mode: 0440}]\n"
    found = read(tmp_path, text + "secrets: {key: {file: ./key}}\nconfigs: {conf: {file: conf}}\n").main
    assert dict(found.env) == {"A": "0", "B": "3", "C": "1"}
    folder = tmp_path / "environment"
    assert found.mounts == tuple(
        ServiceMount(MountKind.FILES, target, str(folder / name), True)
        for target, name in (("/run/secrets/key", "key"), ("/k", "key"), ("/conf", "conf"), ("/etc/c", "conf"))
    )


VARIABLES = """\
# a comment
A=1 # not B
export B = two words
C='$A "x"' # c
D="$A\\n\\$A \\"q\\""
E=a#b
I="a\\tb\\\\c\\qd"
J= #b
F=
G
H.x=${A}${Z:-z}
"""


def test_files_of_variables_are_read_as_compose_reads_them(tmp_path: Path) -> None:
    ours = read_variables(VARIABLES, {})
    assert ours == {
        "A": "1", "B": "two words", "C": '$A "x"', "D": '1\n$A "q"', "E": "a#b", "I": "a\tb\\c\\qd", "J": "#b",
        "F": "", "H.x": "1z",
    }  # fmt: skip
    if REAL:
        (tmp_path / "v.env").write_text(VARIABLES)
        theirs = real_config(tmp_path, f"{MAIN}    image: x\n    env_file: {tmp_path}/v.env\n")["main"]["environment"]
        assert {name: value for name, value in theirs.items() if value is not None} == {
            name: value.replace("$", "$$") for name, value in ours.items()
        }


@pytest.mark.parametrize("line", ["A B", "=1", "1A=2", "A='x", 'A="x" y', "A=${"])
def test_other_lines_are_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"line 2 of the file|has no end"):
        read_variables(f"X=1\n{line}\n", {})


REFUSED = {
    "privileged": (f"{MAIN}    privileged: true\n", "service `main` has the key `privileged`"),
    "privileged sidecar": (f"{SIDE}    privileged: true\n", "service `side` has the key `privileged`"),
    "privileged by a merge": (f"x-x: &x {{privileged: true}}\n{MAIN}    <<: *x\n", "privileged"),
    "engine's socket": (f"{MAIN}    volumes: ['/var/run/docker.sock:/var/run/docker.sock']\n", "docker.sock"),
    "root of the host": (f"{SIDE}    volumes: ['/:/host:ro']\n", "`/` is a path of the host"),
    "home": (f"{MAIN}    volumes: ['~/.ssh:/ssh']\n", "~/.ssh"),
    "host's variable": (f"{MAIN}    volumes: ['${{HOME}}/.config:/c:ro']\n", "`/.config` is a path of the host"),
    "out of the task": (f"{MAIN}    volumes: ['../../x:/x']\n", "`../../x` is a path of the host"),
    "by way of logs": (f"{MAIN}    volumes: ['${{HOST_AGENT_LOGS_PATH}}/../../x:/x']\n", "is a path of the host"),
    "tests": (f"{MAIN}    volumes: ['../tests:/t:ro']\n", "would show the task's tests"),
    "whole task": (f"{MAIN}    volumes: ['${{CONTEXT_DIR}}/..:/t:ro']\n", "would show the task's tests"),
    "bind by long form": (f"{SIDE}    volumes: [{{type: bind, source: /etc, target: /x}}]\n", "`/etc` is a path"),
    "host's network": (f"{MAIN}    network_mode: host\n", "key `network_mode`: `host`"),
    "another's network": (f"{SIDE}    network_mode: 'container:x'\n", "`container:x`"),
    "pid": (f"{MAIN}    pid: host\n", "the key `pid`"),
    "ipc": (f"{MAIN}    ipc: host\n", "the key `ipc`"),
    "user namespace": (f"{MAIN}    userns_mode: host\n", "`userns_mode`"),
    "devices": (f"{SIDE}    devices: ['/dev/kvm']\n", "`devices`"),
    "capability": (f"{MAIN}    cap_add: [SYS_ADMIN]\n", "key `cap_add`: `SYS_ADMIN`"),
    "all capabilities": (f"{MAIN}    cap_add: [ALL]\n", "key `cap_add`: `ALL`"),
    "no filter": (f"{MAIN}    security_opt: ['seccomp:unconfined']\n", "`security_opt`"),
    "sysctl": (f"{MAIN}    sysctls: {{kernel.core_pattern: '|/x'}}\n", "kernel.core_pattern"),
    "host gateway": (f"{MAIN}    extra_hosts: ['h:host-gateway']\n", "host-gateway"),
    "volume of the host": (
        f"{MAIN}    volumes: ['vol:/v']\nvolumes: {{vol: {{driver_opts: {{o: bind}}}}}}\n", "driver_opts"
    ),
    "external volume": (f"{MAIN}    volumes: ['vol:/v']\nvolumes: {{vol: {{external: true}}}}\n", "external"),
    "external network": (f"{MAIN}    networks: [n]\nnetworks: {{n: {{external: true}}}}\n", "external"),
    "host driver": (f"{MAIN}    networks: [n]\nnetworks: {{n: {{driver: host}}}}\n", "driver"),
    "context outside": ("services: {side: {build: /etc}}\n", "`/etc` is a path of the host"),
    "remote context": ("services: {side: {build: {context: ., ssh: default}}}\n", "`ssh`"),
    "Dockerfile outside": ("services: {side: {build: {dockerfile: ../../x}}}\n", "`dockerfile`"),
    "gpu": (f"{MAIN}    deploy: {{resources: {{reservations: {{devices: [{{capabilities: [gpu]}}]}}}}}}\n", "devices"),
    "replicas": (f"{SIDE}    deploy: {{replicas: 2}}\n", "replicas"),
    "env_file of the host": (f"{MAIN}    env_file: /etc/environment\n", "key `env_file`: `/etc/environment` is a path"),
    "env_file of the tests": (f"{MAIN}    env_file: ../tests/test.sh\n", "would show the task's tests"),
    "absent env_file": (f"{MAIN}    env_file: [{{path: no.env}}]\n", "key `env_file`: `no.env` is no file"),
    "secret of the host": (f"{MAIN}    secrets: [s]\nsecrets: {{s: {{file: ~/.ssh/id}}}}\n", "`~/.ssh/id` is a path"),
    "secret in a variable": (f"{MAIN}    secrets: [s]\nsecrets: {{s: {{environment: KEY}}}}\n", "`secrets.s`: only"),
    "external config": (f"{MAIN}    configs: [c]\nconfigs: {{c: {{external: true}}}}\n", "`configs.c`: only a `file`"),
    "undeclared secret": (f"{MAIN}    secrets: [s]\n", "key `secrets`: `s` is not declared"),
    "unknown": (f"{MAIN}    privilegd: true\n", "`privilegd`"),
    "no image": ("services: {side: {}}\n", "service `side` has neither"),
    "absent dependency": (f"{MAIN}    depends_on: [db]\n", "`db`, which is no service"),
    "cycle": ("services:\n  a: {image: x, depends_on: [b]}\n  b: {image: x, depends_on: [a]}\n", "depends on itself"),
    "drive of Windows": (f"{MAIN}    volumes: ['d:/d']\nvolumes: {{d: }}\n", "a letter alone for a drive of Windows"),
    "undeclared volume": (f"{MAIN}    volumes: ['vol:/v']\n", "`vol` is not declared"),
    "undeclared network": (f"{MAIN}    networks: [n]\n", "`n`, which the file doesn't declare"),
    "required variable": (f"{MAIN}    environment: ['A=${{KEY:?set it}}']\n", "KEY is required: set it"),
    "bad template": (f"{MAIN}    environment: ['A=${{KEY']\n", "has no end"),
    "no YAML": ("services: [\n", "is not valid YAML"),
    "list": ("[]\n", "holds no services"),
    "size": (f"{MAIN}    mem_limit: much\n", "key `mem_limit`"),
    "small": (f"{MAIN}    mem_limit: 8m\n", "memory_mb at least 32"),
    "read-only": (f"{MAIN}    read_only: true\n", "must be writable"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(REFUSED))
def test_what_would_reach_the_host_or_is_not_known_is_refused_by_name(tmp_path: Path, name: str) -> None:
    text, problem = REFUSED[name]
    with pytest.raises(BadInput) as refusal:
        load(tmp_path / "task", text)
    assert problem in str(refusal.value) and f"environment/{COMPOSE_FILE}" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_link_does_not_show_the_tests(tmp_path: Path) -> None:
    write(tmp_path / "task", {f"environment/{COMPOSE_FILE}": f"{MAIN}    volumes: ['./x:/x:ro']\n"})
    (tmp_path / "task/environment/x").symlink_to("../tests")
    with pytest.raises(BadInput, match="would show the task's tests"):
        load_task(tmp_path / "task", Split.TRAIN, SuiteProfile.LOOSE, harbor=True)


@pytest.mark.parametrize("source", ["$HOME/.config", "${HOME}/.config", "${HOME:?no}", "${AUTH}"])
def test_a_folder_that_a_variable_names_is_empty_if_the_user_leaves_the_variable_empty(
    tmp_path: Path, source: str
) -> None:
    long = f"{{type: bind, source: '{source}', target: /d}}"
    text = f"services:\n  main:\n    volumes: ['{source}:/c:ro', {long}, './x:/x']\n"
    write(tmp_path / "task", {f"environment/{COMPOSE_FILE}": text, "environment/x/y": ""})

    def loaded(*passed: str) -> Task:
        return load_task(tmp_path / "task", Split.TRAIN, SuiteProfile.LOOSE, harbor=True, pass_env=passed)

    with pytest.raises(BadInput, match=r"key `volumes`: `.*` is a path of the host, named by (HOME|AUTH); --pass-env "):
        loaded("HOME" if "AUTH" in source else "AUTH=")
    composition = loaded("HOME=", "AUTH=").format.environment.composition
    assert composition is not None
    assert [(mount.kind, mount.target, mount.source, mount.read_only) for mount in composition.main.mounts[:2]] == [
        (MountKind.VOLUME, "/c", "", True), (MountKind.VOLUME, "/d", "", False),
    ]  # fmt: skip
    assert composition.main.mounts[2].kind is MountKind.FILES


def test_variables_of_the_host_are_empty_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "a secret")
    task = load(tmp_path / "task", f"{MAIN}    environment: ['A=${{SECRET_KEY}}', 'B=${{SECRET_KEY:-}}', SECRET_KEY]\n")
    composition = task.format.environment.composition
    assert composition and dict(composition.main.env) == {"A": "", "B": ""}
    (line,) = task.format.warnings
    assert "the variable SECRET_KEY is empty" in line and COMPOSE_FILE in line


def test_the_file_has_the_last_word_on_main(tmp_path: Path) -> None:
    toml = "[environment]\nmemory_mb = 512\ncpus = 2\nnetwork_mode = 'public'\n"
    text = f"{MAIN}    deploy: {{resources: {{limits: {{cpus: '${{CPUS}}', memory: 256M}}}}}}\n    working_dir: /w\n"
    task = load(tmp_path / "a", text, **{"task.toml": toml})
    sizes = task.sandbox
    assert (sizes.cpus, sizes.memory_mb, sizes.network, task.format.environment.workdir) == (2, 256, True, "/w")
    lonely = load(tmp_path / "b", f"{MAIN}    network_mode: none\n", **{"task.toml": toml})
    assert (lonely.sandbox.network, lonely.format.environment.network.mode) == (False, NetworkMode.NONE)


def test_an_image_of_main_counts_where_none_is_built(tmp_path: Path) -> None:
    given = {"task.toml": "[environment]\ndocker_image = 'given:1'\n"}
    images = {
        "image: other:1": "other:1",
        "image: other:1\n    build: .": "",
        "environment: {}": "given:1",
        "build: '${CONTEXT_DIR}'\n    image: '${MAIN_IMAGE_NAME}'": "",
    }
    for number, (line, expected) in enumerate(images.items()):
        task = load(tmp_path / str(number), f"{MAIN}    {line}\n", **given)
        assert task.format.environment.docker_image == expected


def test_services_after_main(tmp_path: Path) -> None:
    text = f"{SIDE}  a: {{image: x, depends_on: [main]}}\n  b: {{image: x, depends_on: [a]}}\n"
    composition = read(tmp_path, text)
    assert waiting_for_main(composition) == {"a", "b"}
    assert set(composition.names) == {"side", "a", "b"}


def test_a_key_service_names_a_container_of_the_task(tmp_path: Path) -> None:
    toml = "artifacts = [{ source = '/x', service = 'side' }]\n"
    assert load(tmp_path / "a", SIDE, **{"task.toml": toml}).format.artifacts[0].service == "side"
    with pytest.raises(BadInput, match=r"key `artifacts\.service`: `other` is no service of the task"):
        load(tmp_path / "b", SIDE, **{"task.toml": toml.replace("side", "other")})
    with pytest.raises(BadInput, match="no absolute path"):
        load(tmp_path / "c", SIDE, **{"task.toml": toml.replace("/x", "x")})


def test_a_strict_suite_has_no_compose_files(tmp_path: Path) -> None:
    write(tmp_path / "task", {f"environment/{COMPOSE_FILE}": SIDE})
    with pytest.raises(BadInput, match="not supported in a strict suite"):
        load_task(tmp_path / "task", Split.TRAIN)
