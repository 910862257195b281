"""Starts a scaffold inside its container: `launch.py ENTRY`.

A TCP port on the container's own loopback leads to the Unix socket of the door, so that ordinary OpenAI clients work
by OPENAI_BASE_URL. A child serves it; the scaffold takes the place of this process. Standard library only.
"""

import _thread
import os
import socket
import sys

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
            _thread.start_new_thread(pump, pair)  # `threading` costs every scaffold its import


def main():
    listener = socket.create_server(("127.0.0.1", PORT))
    if os.fork() == 0:
        serve(listener)
    os.chdir("/scaffold")
    os.execv(sys.executable, [sys.executable, sys.argv[1]])


if __name__ == "__main__":
    main()
