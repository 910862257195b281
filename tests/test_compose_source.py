"""What a compose file takes from other files: `extends`, `include` and `.env`, as Compose reads them."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from evolve.core.composition import Composition, Condition, MountKind, Service
from evolve.core.errors import BadInput
from evolve.suite.compose import COMPOSE_FILE, read_compose
from evolve.suite.compose_merge import merged
from tests.harbor_tasks import write

REAL = os.environ.get("EVOLVE_COMPOSE")
MAIN = "services:\n  main:\n"
BASE = """
services:
  root:
    image: r
    environment: {A: 1, B: '${WORD:-none}'}
    command: [a]
    volumes: ['./data:/data:ro', {type: bind, source: ./one, target: /one}, /anon]
    env_file: own.env
    depends_on: [side]
    healthcheck: {test: [CMD, x], interval: 3s}
  middle:
    extends: root
    environment: ['B=2', C=3]
  far:
    extends: {file: deep/far.yaml, service: far}
    build: .
"""
FILES = {
    "sub/base.yaml": BASE,
    "sub/own.env": "F=5\n",
    "sub/deep/far.yaml": "services: {far: {volumes: ['./v:/v'], image: x}}\n",
    "sub/deep/v/x": "", "sub/data/x": "", "sub/one": "", "mine/x": "",
}  # fmt: skip


def read(folder: Path, text: str, more: Mapping[str, str] | None = None, **values: str) -> Composition:
    files = {COMPOSE_FILE: text, **(more or {})}
    write(folder, {f"environment/{name}": content for name, content in files.items()})
    file = read_compose(folder, "environment", values)
    assert file is not None
    return file.composition


def mounts(service: Service, folder: Path) -> dict[str, str]:
    """The sources by target: names of volumes, and paths in the folder of the file."""
    top = f"{folder / 'environment'}/"
    return {one.target: one.source.removeprefix(top) for one in service.mounts}


INCLUDED = """
services:
  side:
    extends: {file: far.yaml, service: far}
    volumes: ['vol:/w']
    networks: [back]
    secrets: [key]
    environment: ['E=${E}', 'W=${WORD}']
    build: {context: ctx}
volumes: {vol: }
networks: {back: {internal: true}}
secrets: {key: {file: ./key}}
x-more: 1
"""
# Files by name: one that takes from others, and those.
SAMPLES = {
    "extends": (
        f"{MAIN}    extends: {{file: sub/base.yaml, service: middle}}\n    environment: [C=4]\n"
        "    volumes: ['./mine:/data', 'vol:/w']\n    healthcheck: {test: y}\n  side: {image: s}\nvolumes: {vol: }\n",
        {**FILES, ".env": "WORD=w\n"},
    ),
    "far": (f"{MAIN}    image: m\n  side:\n    extends: {{file: sub/base.yaml, service: far}}\n", FILES),
    "include": (
        f"include: [inc/one.yaml]\n{MAIN}    image: m\n    depends_on: [side]\n    environment: ['E=${{E:-none}}']\n",
        {"inc/one.yaml": INCLUDED, "inc/far.yaml": FILES["sub/deep/far.yaml"], "inc/v/x": "x", "inc/key": "k",
         "inc/.env": "E=own\nWORD=own\n", ".env": "WORD=main\n"},
    ),
    "own folder": (
        "include: [{path: inc/one.yaml, project_directory: sub, env_file: [a.env, b.env]}]\n"
        f"{MAIN}    image: m\n",
        {**FILES, "inc/one.yaml": "services: {side: {image: s, environment: ['A=${A}', 'B=${B}'], volumes: "
                                  "['./data:/d']}}\n",
         "a.env": "A=1\nB=1\n", "b.env": "B=${A}2\n", "sub/.env": "A=9\n"},
    ),
    "project's variables": (f"{MAIN}    image: m\n    environment: ['A=${{A}}', 'B=${{B}}']\n",
                            {".env": "A=1 # one\nB='2'\n"}),
}  # fmt: skip


def test_a_service_extends_one_of_another_file(tmp_path: Path) -> None:
    main = read(tmp_path, *SAMPLES["extends"]).main
    assert dict(main.env) == {"A": "1", "B": "2", "C": "4", "F": "5"}
    assert (main.image, main.command, main.depends) == ("r", ("a",), (("side", Condition.STARTED),))
    assert main.health and (main.health.test, main.health.interval) == (("CMD-SHELL", "y"), 3.0)
    assert mounts(main, tmp_path) == {"/data": "mine", "/one": "sub/one", "/anon": "", "/w": "vol"}


def test_paths_are_those_of_the_file_that_names_them(tmp_path: Path) -> None:
    (side,) = read(tmp_path, *SAMPLES["far"]).services
    assert side.build and side.build.context == "environment/sub"
    assert mounts(side, tmp_path) == {"/v": "sub/deep/v"}


def test_included_files_bring_services_volumes_networks_and_files(tmp_path: Path) -> None:
    composition = read(tmp_path, *SAMPLES["include"])
    (side,) = composition.services
    assert dict(composition.main.env) == {"E": "none"} and dict(side.env) == {"E": "own", "W": "main"}
    assert mounts(side, tmp_path) == {"/v": "inc/v", "/w": "vol", "/run/secrets/key": "inc/key"}
    assert side.build and side.build.context == "environment/inc/ctx" and not composition.may_go_out(side)


def test_an_include_has_a_folder_and_variables_of_its_own(tmp_path: Path) -> None:
    (side,) = read(tmp_path, *SAMPLES["own folder"]).services
    assert dict(side.env) == {"A": "1", "B": "12"} and mounts(side, tmp_path) == {"/d": "sub/data"}


def test_variables_of_the_project_have_the_least_to_say(tmp_path: Path) -> None:
    text, more = SAMPLES["project's variables"]
    assert dict(read(tmp_path, text, more, A="task").main.env) == {"A": "task", "B": "2"}


@pytest.mark.skipif(not REAL, reason="EVOLVE_COMPOSE names no folder of Docker's settings with the compose plugin")
@pytest.mark.parametrize("name", list(SAMPLES))
def test_compose_itself_takes_the_same(tmp_path: Path, name: str) -> None:
    composition = read(tmp_path, *SAMPLES[name])
    ours = {service.name: described(service) for service in (composition.main, *composition.services)}
    assert ours == {name: told(table) for name, table in real_config(tmp_path / "environment").items()}


BASE_FILE = f"{MAIN}    extends: {{file: sub/base.yaml, service: x}}\n"
REFUSED = {
    "file of the host": (f"{MAIN}    extends: {{file: /etc/x.yaml, service: x}}\n", "`/etc/x.yaml` is a path"),
    "file of the tests": (f"{MAIN}    extends: {{file: ../tests/x.yaml, service: x}}\n", "would show the task's tests"),
    "absent file": (f"{MAIN}    extends: {{file: no.yaml, service: x}}\n", "key `extends`: `no.yaml` is no file"),
    "absent service": (BASE_FILE, "there is no service `x` in `sub/base.yaml`"),
    "absent sibling": (f"{MAIN}    extends: x\n", "there is no service `x`"),
    "itself": (f"{MAIN}    extends: main\n", "takes from itself"),
    "cycle": (f"{MAIN}    extends: a\n  a: {{extends: main}}\n", "takes from itself"),
    "cycle of files": (f"{MAIN}    extends: {{file: loop.yaml, service: a}}\n", "takes from itself"),
    "extends with more": (f"{MAIN}    extends: {{service: a, with: b}}\n  a: {{image: x}}\n", "`with` is not"),
    "host by way of a base": (f"{MAIN}    extends: {{file: host.yaml, service: a}}\n", "is a path of the host"),
    "privileges by way of a base": (f"{MAIN}    extends: {{file: host.yaml, service: b}}\n", "`privileged`"),
    "two addresses": (
        f"{MAIN}    extends: a\n    extra_hosts: ['h:1.1.1.1']\n  a: {{image: x, extra_hosts: ['h:1.1.1.2']}}\n",
        "two addresses",
    ),
    "another kind": (f"{MAIN}    extends: a\n    deploy: x\n  a: {{image: x, deploy: {{}}}}\n", "can't be merged"),
    "profile of main": (f"{MAIN}    extends: a\n  a: {{image: x, profiles: [p]}}\n", "`profiles`"),
    "include of the host": (f"include: [../../x.yaml]\n{MAIN}", "is a path of the host"),
    "include of the tests": (f"include: [../tests/x.yaml]\n{MAIN}", "would show the task's tests"),
    "absent include": (f"include: [no.yaml]\n{MAIN}", "key `include`: `no.yaml` is no file"),
    "include of several": (f"include: [{{path: [sub/base.yaml, loop.yaml]}}]\n{MAIN}", "`path` must be one file"),
    "include with more": (f"include: [{{path: loop.yaml, with: a}}]\n{MAIN}", "`with` is not supported"),
    "include in a cycle": (f"include: [round.yaml]\n{MAIN}", "takes from itself"),
    "include of main": (f"include: [main.yaml]\n{MAIN}", "`main` is the task's own service"),
    "declared twice": (f"include: [sub/base.yaml]\n{MAIN}  root: {{image: other}}\n", "`services.root`"),
    "include without env_file": (f"include: [{{path: main.yaml, env_file: no.env}}]\n{MAIN}", "`no.env` is no file"),
    "include with a key": (f"include: [key.yaml]\n{MAIN}", "key `models`"),
    "many files": (f"include: [{', '.join(f'n{number}.yaml' for number in range(30))}]\n{MAIN}", "more than 20 files"),
}  # fmt: skip
MORE = {
    **FILES, "loop.yaml": f"services: {{a: {{extends: {{file: {COMPOSE_FILE}, service: main}}}}}}\n",
    "host.yaml": "services: {a: {image: x, volumes: ['/etc:/e']}, b: {image: x, privileged: true}}\n",
    "round.yaml": f"include: [{COMPOSE_FILE}]\n", "main.yaml": "services: {main: {image: m}}\n",
    "key.yaml": "models: {}\n", "../tests/x.yaml": "services: {x: {image: x}}\n",
    **{f"n{number}.yaml": "" for number in range(30)},
}  # fmt: skip


@pytest.mark.parametrize("name", list(REFUSED))
def test_what_can_not_be_taken_is_refused_by_name(tmp_path: Path, name: str) -> None:
    text, problem = REFUSED[name]
    more = {key: value or "services: {}\n" for key, value in MORE.items()}
    with pytest.raises(BadInput) as refusal:
        read(tmp_path, text, more)
    assert problem in str(refusal.value) and "\n" not in str(refusal.value)


def test_a_link_out_of_the_task_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/x.yaml").write_text("services: {x: {image: x}}\n")
    (tmp_path / "task/environment").mkdir(parents=True)
    (tmp_path / "task/environment/x.yaml").symlink_to(tmp_path / "out/x.yaml")
    for text in (f"{MAIN}    extends: {{file: x.yaml, service: x}}\n", f"include: [x.yaml]\n{MAIN}"):
        with pytest.raises(BadInput, match="leads out of the task"):
            read(tmp_path / "task", text)


# By key: values that a service and the one that it extends may have.
FORMS: Mapping[str, tuple[Any, ...]] = {
    "environment": (["A=1", "B"], {"A": 2, "C": None}, None),
    "command": (["a", "b"], "c d", None),
    "entrypoint": (["a"], "b", None),
    "volumes": (["./a:/x:ro", "vol:/v"], [{"type": "bind", "source": "./b", "target": "/x"}], ["/v", "./c:/w"], None),
    "env_file": ("one.env", ["one.env", "two.env"], None),
    "build": ("./ctx", {"context": "ctx", "dockerfile": "D", "args": ["A=1"]}, {"args": {"A": 2, "B": 3}}, None),
    "depends_on": (["one"], {"one": {"condition": "service_healthy"}}, ["two"], None),
    "networks": (["n", "default"], {"n": {"aliases": ["z"]}}, {"n": {"aliases": ["y"]}, "default": None}, None),
    "tmpfs": ("/t", ["/t", "/u"], None),
    "cap_add": (["KILL"], ["KILL", "CHOWN"], None),
    "cap_drop": (["NET_RAW"], None),
    "healthcheck": ({"test": ["CMD", "x"], "interval": "3s"}, {"test": "y"}, {"disable": True}, None),
    "ulimits": ({"nofile": 3}, {"nofile": {"soft": 5, "hard": 6}, "nproc": 4}, None),
    "deploy": (
        {"resources": {"limits": {"cpus": "0.5", "memory": "100M"}}}, {"resources": {"limits": {"cpus": 2}}}, None,
    ),
    "extra_hosts": (["a:1.1.1.1"], {"b": "2.2.2.2"}, None),
    "secrets": (["s"], [{"source": "s", "target": "q"}], None),
    "configs": (["c"], [{"source": "c", "target": "/c"}], None),
    "sysctls": ({"net.core.somaxconn": 1}, ["net.core.somaxconn=2", "net.ipv4.ip_forward=1"], None),
    "mem_limit": ("100m", 209715200, None), "user": ("ann", "1000", None), "working_dir": ("/a", "/b", None),
    "shm_size": ("64m", None), "restart": ("always", "no", None), "links": (["one"], ["two"], None),
}  # fmt: skip


def every_pair() -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """A file in which a service for each pair of forms extends one of another file; and that file's services."""
    bases, services = {}, {"one": {"image": "x"}, "two": {"image": "x"}}
    for key, forms in FORMS.items():
        for first, base in enumerate(forms):
            bases[f"{key}-{first}"] = {"image": "x", **({} if base is None else {key: base})}
            for second, own in enumerate(forms):
                extends = {"file": "sub/base.yaml", "service": f"{key}-{first}"}
                is_given = base is not None or own is not None  # Compose takes a null alone for an error
                services[f"{key}-{first}-{second}"] = {"extends": extends, **({key: own} if is_given else {})}
    return bases, services


def document(services: Mapping[str, Any]) -> str:
    more = {
        "networks": {"n": None}, "volumes": {"vol": None}, "secrets": {"s": {"file": "./s"}},
        "configs": {"c": {"file": "./c"}},
    }  # fmt: skip
    return yaml.safe_dump({"services": dict(services), **more})


def prepared(folder: Path) -> Composition:
    bases, services = every_pair()
    names = ("one.env", "two.env", "sub/one.env", "sub/two.env", "s", "c", "a", "b", "sub/a", "sub/b", "sub/c")
    texts = {name: f"{name[-7:-4].upper()}={name}\n" if name.endswith("env") else "x" for name in names}
    more = {**texts, "sub/base.yaml": yaml.safe_dump({"services": bases})}
    return read(folder, document(services), more)


def test_every_pair_of_forms_can_be_merged(tmp_path: Path) -> None:
    composition = prepared(tmp_path)
    assert len(composition.services) == sum(len(forms) ** 2 for forms in FORMS.values()) + 2
    for key, forms in FORMS.items():
        for form in filter(None, forms):
            assert merged({key: form}, {}) == {key: form} == merged({}, {key: form})


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("a:/=.-", max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(("a", "test", "target")), inner),
    max_leaves=5,
)
TABLES = st.dictionaries(st.sampled_from((*FORMS, "image", "labels", "x-more")), VALUES, max_size=4)


@given(base=TABLES, own=TABLES)
def test_any_tables_are_merged_and_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, base: dict[str, Any], own: dict[str, Any]
) -> None:
    folder = tmp_path_factory.mktemp("task")
    services = {"main": {"extends": {"file": "base.yaml", "service": "a"}, **own}}
    with contextlib.suppress(BadInput):
        read(folder, yaml.safe_dump({"services": services}), {"base.yaml": yaml.safe_dump({"services": {"a": base}})})


@pytest.mark.skipif(not REAL, reason="EVOLVE_COMPOSE names no folder of Docker's settings with the compose plugin")
def test_compose_itself_merges_every_pair_to_the_same(tmp_path: Path) -> None:
    ours = {service.name: described(service) for service in prepared(tmp_path).services}
    theirs = {name: told(table) for name, table in real_config(tmp_path / "environment").items() if name in ours}
    assert ours == theirs


def real_config(folder: Path) -> dict[str, Any]:
    """The services as `docker compose config` prints them."""
    command = ["docker", "compose", "-f", str(folder / COMPOSE_FILE), "config", "--format", "json"]
    variables = {"PATH": os.environ["PATH"], "DOCKER_CONFIG": str(REAL)}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
    services: dict[str, Any] = json.loads(done.stdout)["services"]
    return services


def described(service: Service) -> dict[str, Any]:
    """A service of ours, in terms that both have."""
    build, health = service.build, service.health
    return {
        "env": dict(service.env), "command": list(service.command or ()), "entrypoint": list(service.entrypoint or ()),
        "build": build and (build.context.removeprefix("environment/"), build.dockerfile, dict(build.arguments)),
        "depends": {name: str(one) for name, one in service.depends},
        "networks": {name: sorted(aliases) for name, aliases in service.networks},
        "caps": (list(service.cap_add), list(service.cap_drop)),
        "health": health and (list(health.test), health.interval if health.test != ("NONE",) else 30),
        "ulimits": sorted(service.ulimits), "cpus": service.cpus, "memory": service.memory_mb,
        "hosts": sorted(service.extra_hosts), "sysctls": dict(service.sysctls), "user": service.user,
        "workdir": service.workdir, "shm": service.shm_bytes, "restarts": service.restarts,
        "mounts": sorted(
            (one.target, one.source.rpartition("environment/")[2], one.kind is MountKind.MEMORY, one.read_only)
            for one in service.mounts if not one.target.startswith(("/run/secrets", "/q", "/c"))
        ),
        "files": sorted(one.target for one in service.mounts if one.target.startswith(("/run/secrets", "/q", "/c"))),
    }  # fmt: skip


def told(table: Mapping[str, Any]) -> dict[str, Any]:
    """A service of Compose's, in the same terms."""
    build, health, limits = table.get("build"), table.get("healthcheck"), table.get("deploy", {}).get("resources", {})
    of = limits.get("limits", {})
    memory = table.get("mem_limit") or of.get("memory")
    tests = ["NONE"] if health and health.get("disable") else (health or {}).get("test")
    return {
        "env": {name: value for name, value in (table.get("environment") or {}).items() if value is not None},
        "command": table.get("command") or [], "entrypoint": table.get("entrypoint") or [],
        "build": build and (build["context"].rpartition("environment")[2].strip("/") or "environment",
                            build["dockerfile"], build.get("args") or {}),
        "depends": {name: one["condition"] for name, one in (table.get("depends_on") or {}).items()}
        | dict.fromkeys(set(table.get("links") or ()) - set(table.get("depends_on") or ()), "service_started"),
        "networks": {name: sorted((one or {}).get("aliases") or ()) for name, one in table["networks"].items()},
        "caps": (table.get("cap_add") or [], table.get("cap_drop") or []),
        "health": health and (tests, 3.0 if health.get("interval") and tests != ["NONE"] else 30),
        "ulimits": sorted((name, one, one) if isinstance(one, int) else (name, one["soft"], one["hard"])
                          for name, one in (table.get("ulimits") or {}).items() if name != "nproc"),
        "cpus": float(of["cpus"]) if "cpus" in of else None, "memory": int(memory) >> 20 if memory else None,
        "hosts": sorted(tuple(one.split("=")) for one in table.get("extra_hosts") or ()),
        "sysctls": table.get("sysctls") or {}, "user": table.get("user", ""), "workdir": table.get("working_dir", ""),
        "shm": int(table["shm_size"]) if "shm_size" in table else None,
        "restarts": table.get("restart") == "always",
        "mounts": sorted(
            [(one["target"], one.get("source", "").rpartition("environment/")[2], False, one.get("read_only", False))
             for one in table.get("volumes") or ()] + [(one, "", True, False) for one in table.get("tmpfs") or ()]
        ),
        "files": sorted([one["target"] if one["target"][0] == "/" else f"/run/secrets/{one['target']}"
                         for one in table.get("secrets") or ()]
                        + [one.get("target", f"/{one['source']}") for one in table.get("configs") or ()]),
    }  # fmt: skip
