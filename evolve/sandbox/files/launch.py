"""Starts a scaffold inside its container: `launch.py ENTRY`.

A TCP port on the container's own loopback leads to the Unix socket of the door, so that ordinary OpenAI clients work
by OPENAI_BASE_URL. Standard library only, and little of it: every scaffold waits for these imports.
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
            _thread.start_new_thread(pump, pair)


def main():
    listener = socket.create_server(("127.0.0.1", PORT))
    scaffold = os.fork()
    if scaffold == 0:
        os.chdir("/scaffold")
        os.execv(sys.executable, [sys.executable, sys.argv[1]])
    _thread.start_new_thread(serve, (listener,))
    _, ended = os.waitpid(scaffold, 0)
    status = os.waitstatus_to_exitcode(ended)
    sys.exit(status if status >= 0 else 128 - status)


if __name__ == "__main__":
    main()
