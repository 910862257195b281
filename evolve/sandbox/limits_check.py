"""Run inside a throw-away container, as its source alone (`python3 -c`): tries what a sandbox must refuse.

Prints one JSON object, limit -> [whether it holds, what was seen]. The standard library only.
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
    """A child takes twice the memory that there is."""
    child = os.fork()
    if child == 0:
        taken = []
        for _ in range(2 * limit_mb):
            taken.append(b"x" * STEP)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    held = not (os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0)
    return held, f"{2 * limit_mb} MB {'refused' if held else 'given'}, {limit_mb} allowed"


def processes(limit: int) -> tuple[bool, str]:
    """Children that only wait, until no more can be made."""
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
    return False, f"{len(children)} made, {limit} allowed"


def network() -> tuple[bool, str]:
    """Only the loopback is there, and nothing beyond it can be reached."""
    names = [name for _, name in socket.if_nameindex()]
    try:
        with socket.create_connection(("192.0.2.1", 9), timeout=0.5):
            pass
    except TimeoutError:
        return False, "packets leave"
    except OSError as error:
        return names in ([], ["lo"]), f"interfaces: {', '.join(names) or 'none'}; a way out: {error.strerror}"
    return False, "a connection was made"


def root_read_only() -> tuple[bool, str]:
    for place in ("/evolve-doctor", "/usr/evolve-doctor", "/etc/evolve-doctor"):
        try:
            Path(place).write_bytes(b"")
        except OSError as error:
            if error.errno != errno.EROFS:
                return False, f"{place}: {error.strerror}, not read-only"
        else:
            return False, f"{place} could be written"
    return True, "writing refused"


def privileges() -> tuple[bool, str]:
    """No way to become root, by the kernel's word and by trying; no capability; a filter of system calls."""
    lines = Path("/proc/self/status").read_text().splitlines()
    facts = {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}
    found = {"NoNewPrivs": facts.get("NoNewPrivs"), "CapEff": facts.get("CapEff", "").lstrip("0") or "0"}
    found |= {"CapBnd": facts.get("CapBnd", "").lstrip("0") or "0", "Seccomp": facts.get("Seccomp")}
    try:
        os.setuid(0)
        became = True
    except OSError:
        became = False
    wanted = {"NoNewPrivs": "1", "CapEff": "0", "CapBnd": "0", "Seccomp": "2"}
    seen = ", ".join(f"{key} {value}" for key, value in found.items())
    return found == wanted and not became, f"{seen}{'; became root' if became else '; root refused'}"


def disk(limit_mb: int) -> tuple[bool, str]:
    """What may be written into /tmp."""
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
    found = {
        "root file system read-only": root_read_only(),
        "network none": network(),
        "no new privileges": privileges(),
        "disk": disk(disk_mb),
        "processes": processes(pids),
        "memory": memory(memory_mb),
    }
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
