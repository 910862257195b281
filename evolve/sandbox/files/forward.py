"""Leads a TCP port on the loopback to a Unix socket: `forward.py SOCKET PORT...` listens on the first free port.

It prints `ready PORT` when it listens. Standard library only, and little of it: trials wait for these imports, and
`socket` would double an interpreter's start.
"""

import _socket
import _thread
import sys
import time


def pump(source, target):
    """Carry bytes until an end or an error of either side; then the target's reader sees an end too."""
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
    shut(target, _socket.SHUT_WR)


def shut(end, how):
    """Shut a connection down, which the other side may have done before."""
    try:
        end.shutdown(how)
    except OSError:
        return


def hang_up(*ends):
    """End connections, also for a thread that is reading one of them."""
    for end in ends:
        shut(end, _socket.SHUT_RDWR)
        end.close()


def lead(client, path):
    """Lead a connection to the socket. Raises OSError, or RuntimeError where no further thread is possible."""
    door = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        door.connect(path)
        for pair in ((client, door), (door, client)):
            _thread.start_new_thread(pump, pair)
    except (OSError, RuntimeError):
        hang_up(door)
        raise


def serve(listener, path):
    """Lead every connection to the socket; one that can't be led there is closed, and the next may have more luck."""
    while True:
        try:
            client = _socket.socket(fileno=listener._accept()[0])
        except OSError:
            time.sleep(0.05)
            continue
        try:
            lead(client, path)
        except (OSError, RuntimeError):
            hang_up(client)


def listen(ports):
    """Listen on the first port that nobody uses; 0 stands for any."""
    for port in ports:
        listener = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        try:
            listener.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", port))
            listener.listen()
            return listener
        except OSError:
            listener.close()
    sys.exit("no port is free")


def main():
    listener = listen(map(int, sys.argv[2:]))
    print("ready", listener.getsockname()[1], flush=True)
    serve(listener, sys.argv[1])


if __name__ == "__main__":
    main()
