"""Networks by phase, and allowlists, against servers in real containers."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from evolve.trial.reward import Reward

from .egress_servers import Server, servers
from .harbor_tasks import DOCKERFILE, Small, solved

pytestmark = pytest.mark.docker
# Writes the names of the servers that can be reached to a file.
REACHED = """
import json, sys, urllib.request
found = []
for name, address in json.load(open("/app/servers.json")).items():
    try:
        found.append(urllib.request.urlopen(f"http://{address}:8123/", timeout=2).read().decode().split()[0])
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
# Each mode in each phase, and each step from one mode to another.
COMBINED = [modes for modes in itertools.product(MODES, repeat=3) if len(set(modes)) > 1 or modes[0] == "allowlist"]


@pytest.mark.slow
@pytest.mark.parametrize("modes", COMBINED, ids="/".join)
def test_each_phase_has_its_own_network_in_one_container(
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
