"""Tries to exceed a sandbox's limits. Its source runs in a throw-away container, by `python3 -c`.

Prints one JSON object: by limit, [whether it holds, what was observed]. Standard library only.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import sys
from pathlib import Path

STEP = 1 << 20


def memory(limit_mb: int) -> tuple[bool, str]:
    """Let a child process take twice the memory that is allowed."""
    child = os.fork()
    if child == 0:
        blocks = []
        for _ in range(2 * limit_mb):
            blocks.append(b"x" * STEP)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    holds = not (os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0)
    return holds, f"{2 * limit_mb} MB {'refused' if holds else 'given'}, {limit_mb} allowed"


def processes(limit: int) -> tuple[bool, str]:
    """Start waiting children until no more can be started."""
    children: list[int] = []
    try:
        while len(children) <= limit:
            child = os.fork()
            if child == 0:
                signal.pause()
            children.append(child)
    except OSError as error:
        return error.errno == errno.EAGAIN, f"{len(children) + 1} of {limit}, then refused"
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    return False, f"{len(children)} started, {limit} allowed"


def network() -> tuple[bool, str]:
    """Check that there is only the loopback, and that nothing else can be reached."""
    names = [name for _, name in socket.if_nameindex()]
    try:
        with socket.create_connection(("192.0.2.1", 9), timeout=0.5):
            pass
    except TimeoutError:
        return False, "packets are sent"
    except OSError as error:
        return names in ([], ["lo"]), f"interfaces: {', '.join(names) or 'none'}; connecting: {error.strerror}"
    return False, "a connection was opened"


def root_read_only() -> tuple[bool, str]:
    """Check that no file can be created on the root file system."""
    for path in ("/evolve-doctor", "/usr/evolve-doctor", "/etc/evolve-doctor"):
        try:
            Path(path).write_bytes(b"")
        except OSError as error:
            if error.errno != errno.EROFS:
                return False, f"{path}: {error.strerror}, not read-only"
        else:
            return False, f"{path} could be written"
    return True, "writing refused"


def privileges() -> tuple[bool, str]:
    """Check that the process can't become root, has no capability, and has a filter of system calls."""
    lines = Path("/proc/self/status").read_text().splitlines()
    status = {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}
    observed = {"NoNewPrivs": status.get("NoNewPrivs"), "CapEff": status.get("CapEff", "").lstrip("0") or "0"}
    observed |= {"CapBnd": status.get("CapBnd", "").lstrip("0") or "0", "Seccomp": status.get("Seccomp")}
    try:
        os.setuid(0)
        became_root = True
    except OSError:
        became_root = False
    expected = {"NoNewPrivs": "1", "CapEff": "0", "CapBnd": "0", "Seccomp": "2"}
    text = ", ".join(f"{key} {value}" for key, value in observed.items())
    return observed == expected and not became_root, f"{text}{'; became root' if became_root else '; root refused'}"


def disk(limit_mb: int) -> tuple[bool, str]:
    """Write to /tmp until it is full."""
    written = 0
    try:
        with Path("/tmp/evolve-doctor").open("wb", buffering=0) as file:
            while written <= limit_mb:
                if file.write(bytes(STEP)) < STEP:
                    break
                written += 1
    except OSError as error:
        return error.errno in (errno.ENOSPC, errno.EFBIG), f"{written} of {limit_mb} MB, then refused"
    finally:
        Path("/tmp/evolve-doctor").unlink(missing_ok=True)
    return written <= limit_mb, f"{written} of {limit_mb} MB"


def main(memory_mb: int, pids: int, disk_mb: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    checks = {
        "root file system read-only": root_read_only(),
        "network none": network(),
        "no new privileges": privileges(),
        "disk": disk(disk_mb),
        "processes": processes(pids),
        "memory": memory(memory_mb),
    }
    print(json.dumps(checks), flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
