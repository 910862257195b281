"""Linux only, and said in one line elsewhere; the calls that other systems lack are in one module."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from evolve.core.errors import EXIT_BAD_INPUT, BadInput
from evolve.executor.evaluate import default_jobs
from evolve.host import platform

PACKAGE = Path(platform.__file__).parent.parent
LINUX_NAMES = {"sched_getaffinity", "sched_setaffinity", "CLOCK_BOOTTIME", "prctl", "SIGPWR"}
LINUX_PATHS = ("boot_id",)
LINUX_MODULES = {"ctypes"}
# What macOS lacks: the command line must still be importable there, to say what is wrong.
IMPORT_WITHOUT_LINUX = """
import os, signal, time
del os.sched_getaffinity, os.sched_setaffinity, time.CLOCK_BOOTTIME, signal.SIGPWR
import evolve.cli
"""
CHILD = """
import os, sys, time
from evolve.host.platform import die_with_parent
die_with_parent(int(sys.argv[1]))
print("alive", flush=True)
time.sleep(60)
"""
PARENT = """
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", sys.argv[1], str(os.getpid())], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
"""


def linux_only(tree: ast.Module) -> Iterator[str]:
    """The names, imports and paths in a module that only Linux has."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in LINUX_NAMES:
            yield node.attr
        elif isinstance(node, ast.ImportFrom):
            yield from (alias.name for alias in node.names if alias.name in LINUX_NAMES)
            yield from {node.module} & LINUX_MODULES
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in LINUX_MODULES)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("/proc/"):
            yield from (path for path in LINUX_PATHS if path in node.value)


def test_one_module_calls_what_only_linux_has() -> None:
    sources = {
        path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text("utf-8")) for path in PACKAGE.rglob("*.py")
    }
    users = {name: sorted(set(linux_only(tree))) for name, tree in sources.items()}
    assert {name for name, uses in users.items() if uses} == {"host/platform.py"}
    assert set(users["host/platform.py"]) == {"CLOCK_BOOTTIME", "boot_id", "ctypes", "prctl", "sched_getaffinity"}


@pytest.mark.parametrize(
    "source",
    [
        "import os\nos.sched_getaffinity(0)",
        "from os import sched_getaffinity",
        "import ctypes",
        "from ctypes import CDLL",
        "open('/proc/sys/kernel/random/boot_id')",
        "libc.prctl(1, 9)",
        "time.clock_gettime(time.CLOCK_BOOTTIME)",
        "signal.SIGPWR",
    ],
)
def test_each_use_elsewhere_is_found(source: str) -> None:
    assert list(linux_only(ast.parse(source)))


def test_linux_passes() -> None:
    platform.check_platform()


@pytest.mark.parametrize(
    ("system", "name", "alternative"),
    [("darwin", "macOS", "Colima"), ("win32", "Windows", "WSL2"), ("freebsd14", "freebsd14", "virtual machine")],
)
def test_another_system_is_refused_with_an_alternative(
    monkeypatch: pytest.MonkeyPatch, system: str, name: str, alternative: str
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    with pytest.raises(BadInput) as caught:
        platform.check_platform()
    assert str(caught.value).startswith(f"{name}: evolve needs Linux; run it in ") and alternative in str(caught.value)
    assert "\n" not in str(caught.value) and caught.value.exit_status == EXIT_BAD_INPUT


def test_the_command_line_is_importable_where_linux_calls_are_missing() -> None:
    subprocess.run([sys.executable, "-c", IMPORT_WITHOUT_LINUX], check=True, timeout=120)


def test_processors_are_those_that_this_process_may_use() -> None:
    before = os.sched_getaffinity(0)
    assert platform.usable_processors() == len(before)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert platform.usable_processors() == default_jobs() == 1
    finally:
        os.sched_setaffinity(0, before)


def test_the_available_memory_is_that_of_the_machine() -> None:
    total = int(platform.MEMORY.read_text().split()[1]) >> 10
    assert 0 < platform.available_memory_mb() <= total


@pytest.mark.parametrize(
    ("limit", "left"), [("max\n", None), (f"{100 << 20}\n", 90), (f"{20 << 20}\n", 10), (f"{1 << 20}\n", 0)]
)
def test_a_container_around_this_process_limits_its_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, left: int | None
) -> None:
    unlimited = platform.available_memory_mb()
    files = {"max": limit, "used": f"{15 << 20}\n", "memory.stat": f"anon 1\ncache {5 << 20}\n"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(platform, "MEMORY_GROUPS", ((tmp_path, "max", "used", "cache"), (tmp_path, "no", "no", "")))
    if left is None:
        assert abs(platform.available_memory_mb() - unlimited) < unlimited / 2
    else:
        assert platform.available_memory_mb() == left


def test_the_boot_has_one_id_and_a_clock() -> None:
    assert len(platform.boot_id()) == 36 and platform.boot_id() == platform.boot_id()
    before = platform.seconds_since_boot()
    time.sleep(0.01)
    assert before < platform.seconds_since_boot()


def test_a_process_dies_with_its_parent() -> None:
    parent = subprocess.run([sys.executable, "-c", PARENT, CHILD], check=True, capture_output=True, timeout=60)
    assert ends(int(parent.stdout))


def test_a_process_whose_parent_is_already_gone_exits_at_once() -> None:
    child = subprocess.run([sys.executable, "-c", CHILD, "1"], capture_output=True, timeout=60, check=False)
    assert (child.returncode, child.stdout) == (1, b"")


def ends(process: int) -> bool:
    """Whether a process that is not a child of this one ends within ten seconds."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        state = Path(f"/proc/{process}/stat")
        if not state.exists() or state.read_text().rpartition(") ")[2].startswith("Z"):
            return True
        time.sleep(0.05)
    os.kill(process, signal.SIGKILL)
    return False


def test_a_process_is_named_by_its_id_and_start() -> None:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    start = platform.process_start(process.pid)
    assert start is not None and start == platform.process_start(process.pid)
    assert start >= (platform.process_start(os.getpid()) or 0)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert platform.process_start(process.pid) is None, "a zombie is dead"
    process.wait()
    assert platform.process_start(process.pid) is None
