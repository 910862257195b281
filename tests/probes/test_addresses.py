"""Mistakes in addresses, proxies and keys: `evolve run` ends with one line and exit status 2, and writes nothing."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest

from tests.imitated.endpoint import ImitatedEndpoints
from tests.probes.probing import SHORT, command, make_repository
from tests.upstream import Upstream, raw

pytestmark = pytest.mark.docker
KEY = "sk-proj-Zq3vT8nLw5RkYb2M"
REMOTE = "http://model.example/v1"
PAGE = raw("<!DOCTYPE html><html>Welcome</html>", headers={"content-type": "text/html"})
# Address, variables, and what the line says. CLOSED: a port at which nothing listens.
MISTAKES = {
    "long-address": ("http://gpu7:8000/v1/chat/completions", {}, "base_url: ", "use http://gpu7:8000/v1"),
    "closed-port": ("http://127.0.0.1:CLOSED/v1", {}, "base_url: ", "nothing listens at 127.0.0.1:CLOSED"),
    "socks": (REMOTE, {"ALL_PROXY": "socks5://127.0.0.1:CLOSED"}, "ALL_PROXY: ", "socks"),
    "proxy": (REMOTE, {"HTTP_PROXY": "http://127.0.0.1:CLOSED"}, "HTTP_PROXY: ", "nothing listens"),
    "line-break": (REMOTE, {"OPENAI_API_KEY": f"{KEY}\r"}, "OPENAI_API_KEY: ", "a line break"),
    "curly-quotes": (REMOTE, {"OPENAI_API_KEY": f"\u201c{KEY}\u201d"}, "OPENAI_API_KEY: ", "quotation mark"),
}
PROXIES = ("ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def assert_one_line(home: Path, address: str, variables: dict[str, str], *words: str) -> None:
    make_repository(home)
    options = ("run", "--model", "m", "--base-url", address, "--suite", "tasks", *SHORT)
    status, text, _ = command(home, *options, **{"OPENAI_API_KEY": KEY} | variables)
    errors = [line for line in text.splitlines() if line.startswith("error: ")]
    assert status == 2 and len(errors) == 1 and text.strip().endswith(errors[0]), text
    assert all(word in errors[0] for word in words) and KEY not in text, text
    branches = subprocess.run(["git", "branch"], cwd=home, capture_output=True, text=True, check=True).stdout
    assert "evolve/" not in branches and not (home / "runs").exists()


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line(tmp_path: Path, name: str, closed_port: int) -> None:
    address, variables, *words = MISTAKES[name]
    address, *words = (text.replace("CLOSED", str(closed_port)) for text in (address, *words))
    variables = {key: value.replace("CLOSED", str(closed_port)) for key, value in variables.items()}
    assert_one_line(tmp_path / "home", address, variables, *words)


def test_a_web_page_is_one_line(tmp_path: Path, upstream: Upstream) -> None:
    upstream.script(PAGE)
    assert_one_line(tmp_path / "home", upstream.base_url, {}, "base_url: ", "web page")


def test_a_proxy_is_not_asked_for_a_server_of_this_machine(
    tmp_path: Path, endpoints: ImitatedEndpoints, closed_port: int
) -> None:
    make_repository(tmp_path / "home")
    options = ("run", "--plan", "--model", "m", "--base-url", endpoints.endpoint("plain").base_url, "--suite", "tasks")
    proxy = f"http://127.0.0.1:{closed_port}"
    status, text, _ = command(tmp_path / "home", *options, *SHORT, HTTP_PROXY=proxy)
    assert status == 0 and "plan for 10 rounds" in text, text
