"""A run with the embedded model sends nothing: its processes have no network, and an attempt to reach one is logged."""

from __future__ import annotations

import functools
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from evolve.sandbox import engine, images
from tests.e2e.marked import ROOT, repository

GUARD = Path(__file__).parent / "network_guard"
SECONDS = 300
SHORT = ("--suite", "tasks", "--gate", "passes=1", "--gate", "tip_passes=1")
ATTEMPTS = {
    "import socket; socket.create_connection(('192.0.2.1', 9), timeout=1)": "socket.getaddrinfo 192.0.2.1",
    "import socket; socket.socket().connect_ex(('192.0.2.1', 9))": "socket.connect 192.0.2.1",
    "import socket; socket.socket(socket.AF_INET6).connect(('2001:db8::1', 9))": "socket.connect 2001:db8::1",
    "import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 9))": "socket.sendto 192.0.2.1",
    "import socket; socket.gethostbyname('host.invalid')": "socket.gethostbyname host.invalid",
    "import urllib.request as u; u.urlopen('http://host.invalid/')": "socket.getaddrinfo host.invalid",
    "import openai; openai.OpenAI(base_url='http://host.invalid', api_key='x', max_retries=0).models.list()": (
        "socket.getaddrinfo host.invalid"
    ),
}
LOCAL = """
import socket
with socket.create_server(("127.0.0.1", 0)) as server:
    socket.create_connection(server.getsockname()).close()
    socket.create_connection(("localhost", server.getsockname()[1])).close()
with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
    listener.bind("s")
    listener.listen()
    client.connect("s")
"""


@functools.cache
def without_network() -> tuple[str, ...]:
    """What runs a command in a network namespace of its own; nothing where that is not permitted."""
    prefix = ("unshare", "--net") if os.geteuid() == 0 else ("unshare", "--map-current-user", "--net")
    if shutil.which("unshare") is None:
        return ()
    return prefix if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0 else ()


def run_python(folder: Path, *words: str, prefix: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run Python in `folder` with the guard and without a key; its log is `guard.log` beside the folder."""
    keys = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "MODEL", "BASE_URL")
    variables = {name: value for name, value in os.environ.items() if name not in keys}
    variables |= {"PYTHONPATH": f"{GUARD}{os.pathsep}{ROOT}", "EVOLVE_GUARD_LOG": str(log_of(folder))}
    command = [*prefix, sys.executable, *words]
    return subprocess.run(
        command, cwd=folder, env=variables, capture_output=True, text=True, timeout=SECONDS, check=False
    )


def log_of(folder: Path) -> Path:
    return folder.parent / "guard.log"


def guard_log(folder: Path) -> tuple[int, list[str]]:
    """Returns the number of processes that were guarded, and the attempts to reach a network."""
    lines = log_of(folder).read_text().splitlines()
    attempts = [line for line in lines if not line.startswith("guarded ")]
    return len(lines) - len(attempts), attempts


def rows(folder: Path, query: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(folder / "runs" / "evolve.db") as database:
        return database.execute(query).fetchall()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder"


@pytest.mark.parametrize(("source", "attempt"), ATTEMPTS.items(), ids=range(len(ATTEMPTS)))
def test_the_guard_logs_every_attempt(folder: Path, source: str, attempt: str) -> None:
    done = run_python(folder, "-c", source)
    assert guard_log(folder) == (1, [attempt])
    assert done.returncode == 1


def test_the_guard_lets_local_connections_through(folder: Path) -> None:
    done = run_python(folder, "-c", LOCAL)
    assert (done.returncode, guard_log(folder)) == (0, (1, [])), done.stderr


def test_importing_everything_sends_nothing(folder: Path) -> None:
    done = run_python(folder, "-m", "evolve", "models", prefix=without_network())
    assert done.returncode == 0 and "embedded" in done.stdout, done.stderr
    assert guard_log(folder) == (1, [])


@pytest.mark.slow
def test_a_run_without_an_engine_sends_nothing(folder: Path) -> None:
    shutil.copytree(ROOT / "scaffolds" / "single", folder / "scaffold")
    main = folder / "scaffold" / "main.py"
    # The played trials read this level.
    main.write_text(f"LEVEL = 3\n{main.read_text()}")
    (folder / "tasks").mkdir()
    for words in (["init", "-q"], ["add", "-A"], ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "x"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    done = run_python(folder, "-m", "tests.offline_run", str(folder), "2", prefix=without_network())
    assert done.returncode == 0, done.stderr
    assert rows(folder, "select round from candidate order by round") == [(0,), (1,), (2,)]
    assert guard_log(folder) == (1, [])


@pytest.mark.docker
def test_a_run_with_an_engine_sends_nothing(folder: Path) -> None:
    engine.bring_up(print)
    images.base_image(print)
    repository(folder)
    words = ["run", "--rounds", "1", "--run", f"offline-{os.getpid()}", *SHORT]
    done = run_python(folder, "-m", "evolve", *words, prefix=without_network())
    assert done.returncode == 0, done.stderr
    assert rows(folder, "select count(*) > 0, min(reward is not null), sum(calls) > 0 from trial") == [(1, 1, 1)]
    processes, attempts = guard_log(folder)
    assert attempts == [] and processes > 1
