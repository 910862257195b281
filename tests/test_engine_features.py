"""What an engine says of itself, and what follows."""

from __future__ import annotations

from typing import Any

import pytest

from evolve.core.errors import BadInput
from evolve.sandbox.engine_features import refuse_missing_limits, refuse_podman, uses_selinux

# Answers to /version, shortened: Debian's docker.io 20.10 and podman 4.3.1.
DOCKER_VERSION = {"Platform": {"Name": ""}, "Components": [{"Name": "Engine", "Version": "20.10.24"}]}
PODMAN_VERSION = {
    "Platform": {"Name": "linux/amd64/debian-12"},
    "Components": [{"Name": "Podman Engine", "Version": "4.3.1"}, {"Name": "Conmon", "Version": "2.1.6"}],
}


def test_docker_is_accepted() -> None:
    refuse_podman("here", DOCKER_VERSION)
    refuse_podman("here", {"Version": "18"})


def test_podman_is_refused_with_the_reason() -> None:
    with pytest.raises(BadInput, match=r"^container engine here: Podman 4\.3\.1 answers; .*seccomp.*inode.*; use "):
        refuse_podman("here", PODMAN_VERSION)


@pytest.mark.parametrize(
    ("info", "missing"),
    [
        ({"MemoryLimit": False, "PidsLimit": False}, "can't limit memory and processes"),
        ({"MemoryLimit": True, "PidsLimit": False}, "can't limit processes"),
    ],
)
def test_an_engine_without_limits_is_refused(info: dict[str, Any], missing: str) -> None:
    with pytest.raises(BadInput, match=missing):
        refuse_missing_limits("here", info)


@pytest.mark.parametrize("info", [{"MemoryLimit": True, "PidsLimit": True}, {}])
def test_an_engine_with_limits_is_accepted(info: dict[str, Any]) -> None:
    refuse_missing_limits("here", info)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["name=seccomp,profile=default", "name=selinux"], True),
        (["name=seccomp,profile=default", "name=apparmor", "name=rootless"], False),
        (["name=selinuxless"], False),
        (None, False),
    ],
)
def test_selinux_is_one_of_the_security_options(options: list[str] | None, expected: bool) -> None:
    assert uses_selinux({"SecurityOptions": options}) is expected
