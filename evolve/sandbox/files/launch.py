"""Starts a scaffold inside its container: `launch.py ENTRY`.

A TCP port on the container's own loopback leads to the Unix socket of the door, so that ordinary OpenAI clients work
by OPENAI_BASE_URL. Standard library only.
"""

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time

PORT = 8111
CGROUPS = "/sys/fs/cgroup/"
COUNTERS = (
    ("oom", "oom_kill", ("memory/memory.oom_control", "memory.events")),
    ("pids", "max", ("pids/pids.events", "pids.events")),
)


def pump(source, target):
    """Carry bytes until an end or an error of either side; then the target's reader sees an end too."""
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def serve(listener):
    """Lead every connection to the door; one that can't be led there is closed, and the next may have more luck."""
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            time.sleep(0.05)
            continue
        door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            door.connect(os.environ["EVOLVE_SOCKET"])
        except OSError:
            client.close()
            continue
        for pair in ((client, door), (door, client)):
            threading.Thread(target=pump, args=pair, daemon=True).start()


def count(key, paths):
    """A counter of the container's own cgroup, of version 1 or 2; 0 where there is none."""
    for path in paths:
        try:
            with open(CGROUPS + path) as file:
                return next((int(line.split()[1]) for line in file if line.startswith(key + " ")), 0)
        except (OSError, ValueError, IndexError):
            continue
    return 0


def sacrifice(pid):
    """Where memory runs out, the scaffold goes first and this process stays to tell."""
    try:
        with open(f"/proc/{pid}/oom_score_adj", "w") as file:
            file.write("1000")
    except OSError:
        pass


def main():
    listener = socket.create_server(("127.0.0.1", PORT))
    threading.Thread(target=serve, args=(listener,), daemon=True).start()
    scaffold = subprocess.Popen([sys.executable, sys.argv[1]], cwd="/scaffold")
    sacrifice(scaffold.pid)
    status = scaffold.wait()
    met = [kind for kind, key, paths in COUNTERS if status and count(key, paths)]
    if met:
        os.write(1, f"\n[evolve] limit met: {met[0]}\n".encode())
    sys.exit(status if status >= 0 else 128 - status)


if __name__ == "__main__":
    main()
