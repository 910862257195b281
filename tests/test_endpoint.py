"""Which engine is used: DOCKER_HOST, else DOCKER_CONTEXT, else the current context, else the default socket."""

from __future__ import annotations

import hashlib
import json
import os
import socket
from pathlib import Path

import pytest

from evolve.core.errors import BadInput
from evolve.sandbox.endpoint import Endpoint, current_endpoint

ROOTLESS = "unix:///run/user/1000/docker.sock"
COLIMA = "unix:///home/me/.colima/default/docker.sock"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Docker's own folder, empty; none of its variables is set."""
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    return tmp_path


def add_context(folder: Path, name: str, url: str, **options: object) -> Path:
    """Write a context as `docker context create` does; returns its id."""
    digest = hashlib.sha256(name.encode()).hexdigest()
    path = folder / "contexts/meta" / digest / "meta.json"
    path.parent.mkdir(parents=True)
    endpoints = {"docker": {"Host": url, **options}, "kubernetes": {"Host": "https://k", "DefaultNamespace": "x"}}
    path.write_text(json.dumps({"Name": name, "Metadata": {"Description": ""}, "Endpoints": endpoints}))
    return path


def use_context(folder: Path, name: str) -> None:
    (folder / "config.json").write_text(json.dumps({"auths": {}, "currentContext": name}))


def test_the_default_socket_where_nothing_is_set() -> None:
    assert current_endpoint() == Endpoint("unix:///var/run/docker.sock") and not current_endpoint().chosen


def test_the_home_folder_has_dockers_settings(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOCKER_CONFIG")
    monkeypatch.setenv("HOME", str(folder))
    (folder / ".docker").mkdir()
    add_context(folder / ".docker", "rootless", ROOTLESS)
    use_context(folder / ".docker", "rootless")
    assert current_endpoint() == Endpoint(ROOTLESS, "context rootless")


def test_the_variables_come_before_the_current_context(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_context(folder, "rootless", ROOTLESS)
    add_context(folder, "colima", COLIMA)
    use_context(folder, "rootless")
    assert str(current_endpoint()) == f"{ROOTLESS} (context rootless)"
    monkeypatch.setenv("DOCKER_CONTEXT", "colima")
    assert str(current_endpoint()) == f"{COLIMA} (context colima)"
    monkeypatch.setenv("DOCKER_CONTEXT", "default")
    assert not current_endpoint().chosen
    monkeypatch.setenv("DOCKER_HOST", "unix:///other.sock")
    assert str(current_endpoint()) == "unix:///other.sock (DOCKER_HOST)" and current_endpoint().chosen


def test_a_context_needs_no_config_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_context(folder, "colima", COLIMA)
    monkeypatch.setenv("DOCKER_CONTEXT", "colima")
    assert current_endpoint().url == COLIMA


@pytest.mark.parametrize("config", ["{}", '{"currentContext": ""}', '{"currentContext": null, "auths": {}}'])
def test_a_config_without_a_context_means_the_default(folder: Path, config: str) -> None:
    (folder / "config.json").write_text(config)
    assert current_endpoint() == Endpoint()


def test_a_missing_context_is_not_replaced_by_the_default(folder: Path) -> None:
    use_context(folder, "gone")
    with pytest.raises(BadInput, match=r"^context gone: not in .*contexts; choose another"):
        current_endpoint()


@pytest.mark.parametrize("text", ["{", "[]", '{"Endpoints": 3}', '{"Endpoints": {}}', '{"Endpoints": {"docker": {}}}'])
def test_a_damaged_context_is_named(folder: Path, text: str) -> None:
    path = add_context(folder, "broken", ROOTLESS)
    path.write_text(text)
    use_context(folder, "broken")
    with pytest.raises(BadInput) as caught:
        current_endpoint()
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_damaged_config_is_named(folder: Path) -> None:
    (folder / "config.json").write_text("{")
    with pytest.raises(BadInput, match=r"config.json"):
        current_endpoint()


def test_an_engine_on_another_machine_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_context(folder, "far", "ssh://me@far")
    monkeypatch.setenv("DOCKER_CONTEXT", "far")
    with pytest.raises(BadInput, match=r"^context far: ssh://me@far is on another machine"):
        current_endpoint()
    monkeypatch.setenv("DOCKER_HOST", "ssh://me@farther")
    with pytest.raises(BadInput, match=r"^DOCKER_HOST: ssh://me@farther is on another machine"):
        current_endpoint()


@pytest.mark.parametrize("skip", [True, False])
def test_a_context_may_have_certificates(folder: Path, skip: bool) -> None:
    path = add_context(folder, "tls", "tcp://127.0.0.1:2376", SkipTLSVerify=skip)
    use_context(folder, "tls")
    certificates = folder / "contexts/tls" / path.parent.name / "docker"
    certificates.mkdir(parents=True)
    (certificates / "ca.pem").touch()
    endpoint = current_endpoint()
    assert endpoint.tls is not None and endpoint.tls.verify is not skip and endpoint.tls.cert is None
    (certificates / "cert.pem").touch()
    (certificates / "key.pem").touch()
    endpoint = current_endpoint()
    assert endpoint.tls is not None and endpoint.tls.cert == tuple(
        str(certificates / name) for name in ("cert.pem", "key.pem")
    )


def test_missing_certificates_of_the_environment_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:2376")
    monkeypatch.setenv("DOCKER_CERT_PATH", str(tmp_path))
    with pytest.raises(BadInput, match=r"^DOCKER_CERT_PATH: "):
        current_endpoint()


def test_a_socket_may_be_forbidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "s"
    endpoint = Endpoint(f"unix://{path}")
    assert not endpoint.forbidden()
    with socket.socket(socket.AF_UNIX) as listener:
        monkeypatch.chdir(tmp_path)
        listener.bind("s")
        assert not endpoint.forbidden()
        monkeypatch.setattr(os, "access", lambda *_: False)
        assert endpoint.forbidden()
    assert not Endpoint("tcp://127.0.0.1:1").forbidden()
