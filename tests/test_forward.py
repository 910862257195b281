"""What leads a port on a container's loopback to the door's Unix socket."""

from __future__ import annotations

import contextlib
import importlib.util
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

FILE = Path(__file__).parents[1] / "evolve" / "sandbox" / "files" / "forward.py"


@pytest.fixture
def forward() -> ModuleType:
    spec = importlib.util.spec_from_file_location("forward", FILE)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def port(forward: ModuleType, tmp_path: Path) -> Iterator[int]:
    """The shim's TCP port; its door is `door` in the test's folder."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=forward.serve, args=(listener, str(tmp_path / "door")), daemon=True).start()
        yield listener.getsockname()[1]


def connected(port: int) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", port), timeout=5)
    made.sendall(b"hello")
    return made


def test_a_door_that_hangs_up_ends_the_clients_wait(port: int, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(tmp_path / "door"))
        door.listen()
        with connected(port) as client:
            door.accept()[0].close()
            assert client.recv(1) == b""


def test_a_door_that_is_not_there_yet_does_not_end_the_shim(port: int, tmp_path: Path) -> None:
    with connected(port) as client:
        assert _nothing(client)
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(tmp_path / "door"))
        door.listen()
        with connected(port) as client:
            other, _ = door.accept()
            assert other.recv(9) == b"hello"
            other.sendall(b"back")
            assert client.recv(9) == b"back"
            other.close()


def test_a_connection_without_a_thread_is_closed_and_the_next_one_is_led(
    forward: ModuleType, port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(tmp_path / "door"))
        door.listen()
        with monkeypatch.context() as patch:
            patch.setattr(forward._thread, "start_new_thread", full)
            with connected(port) as client:
                assert _nothing(client)
            door.accept()[0].close()
        with connected(port), door.accept()[0] as other:
            assert other.recv(9) == b"hello"


def test_a_port_in_use_is_left_to_its_user(forward: ModuleType) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        used = taken.getsockname()[1]
        with contextlib.closing(forward.listen([used, 0])) as listener:
            assert listener.getsockname()[1] not in (0, used)
        with pytest.raises(SystemExit):
            forward.listen([used])


@pytest.mark.parametrize(
    ("module", "large"), [("launch", {"socket", "selectors", "contextlib", "enum", "re"}), ("evolve_door", {"socket"})]
)
def test_no_start_waits_for_large_modules(module: str, large: set[str]) -> None:
    program = f"import sys; sys.path.insert(0, {str(FILE.parent)!r}); import {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-S", "-E", "-B", "-c", program], capture_output=True, text=True, check=True)
    assert module in done.stdout.split() and not large & set(done.stdout.split())


def _nothing(client: socket.socket) -> bool:
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True
