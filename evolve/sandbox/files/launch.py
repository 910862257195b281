"""Starts a scaffold inside its container: `launch.py ENTRY`.

A TCP port on the container's own loopback leads to the Unix socket of the door, so that ordinary OpenAI clients work
by OPENAI_BASE_URL. Standard library only.
"""

import os
import socket
import subprocess
import sys
import threading

PORT = 8111


def pump(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def serve(listener):
    while True:
        client, _ = listener.accept()
        door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        door.connect(os.environ["EVOLVE_SOCKET"])
        for pair in ((client, door), (door, client)):
            threading.Thread(target=pump, args=pair, daemon=True).start()


def main():
    listener = socket.create_server(("127.0.0.1", PORT))
    threading.Thread(target=serve, args=(listener,), daemon=True).start()
    status = subprocess.call([sys.executable, sys.argv[1]], cwd="/scaffold")
    sys.exit(status if status >= 0 else 128 - status)


if __name__ == "__main__":
    main()
