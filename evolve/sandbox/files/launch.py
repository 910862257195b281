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


def main():
    listener = socket.create_server(("127.0.0.1", PORT))
    threading.Thread(target=serve, args=(listener,), daemon=True).start()
    status = subprocess.call([sys.executable, sys.argv[1]], cwd="/scaffold")
    sys.exit(status if status >= 0 else 128 - status)


if __name__ == "__main__":
    main()
