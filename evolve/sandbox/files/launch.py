"""Starts a scaffold inside its container: `launch.py [--stdin=FILE] ENTRY`, or `-- COMMAND...` in place of ENTRY.

A TCP port on the container's own loopback leads to the Unix socket of the door, so that ordinary OpenAI clients work
by OPENAI_BASE_URL. Standard library only, and little of it: every scaffold waits for these imports.
"""

import _thread
import os
import sys

from forward import listen, serve

PORT = 8111
CGROUPS = "/sys/fs/cgroup/"
COUNTERS = (
    ("oom", "oom_kill", ("memory/memory.oom_control", "memory.events")),
    ("pids", "max", ("pids/pids.events", "pids.events")),
)


def count(key, paths):
    """A counter of the container's own cgroup, of version 1 or 2; 0 where there is none."""
    for path in paths:
        try:
            with open(CGROUPS + path) as file:
                return next((int(line.split()[1]) for line in file if line.startswith(key + " ")), 0)
        except (OSError, ValueError, IndexError):
            continue
    return 0


def sacrifice():
    """Where memory runs out, this process goes first, and its parent stays to tell."""
    try:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")
    except OSError:
        pass


def run(arguments):
    """Become the scaffold; as in a shell, the status is 127 if there is no such program."""
    if arguments[0].startswith("--stdin="):
        os.dup2(os.open(arguments.pop(0).partition("=")[2], os.O_RDONLY), 0)
    command = arguments[1:] if arguments[0] == "--" else [sys.executable, *arguments]
    try:
        os.execvp(command[0], command)
    except OSError as error:
        os.write(2, f"{command[0]}: {error.strerror}\n".encode())
        os._exit(127)


def main():
    listener = listen([PORT])
    scaffold = os.fork()
    if scaffold == 0:
        sacrifice()
        # Before what the image has there, which this process itself ignores.
        path = [os.path.dirname(os.path.abspath(__file__)), os.environ.get("PYTHONPATH", "")]
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, path))
        os.chdir("/scaffold")
        run(sys.argv[1:])
    _thread.start_new_thread(serve, (listener, os.environ["EVOLVE_SOCKET"]))
    _, ended = os.waitpid(scaffold, 0)
    status = os.waitstatus_to_exitcode(ended)
    met = [kind for kind, key, paths in COUNTERS if count(key, paths)]
    if met:
        os.write(1, f"\n[evolve] limit met: {met[0]}\n".encode())
    sys.exit(status if status >= 0 else 128 - status)


if __name__ == "__main__":
    main()
