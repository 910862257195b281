"""Refuses and logs every attempt to reach a network, in each Python process whose PYTHONPATH begins with this folder.

Unix sockets and the loopback are allowed. EVOLVE_GUARD_LOG names the log: `guarded PID` for each process, then one
line for each attempt. An audit hook sees what a library does through the `socket` module, whatever it catches later.
"""

import ipaddress
import os
import socket
import sys

LOOKUPS = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")
SENDS = ("socket.connect", "socket.sendto", "socket.sendmsg")
LOCAL_NAMES = (None, "", "localhost", b"", b"localhost")


def write_line(text):
    with open(os.environ["EVOLVE_GUARD_LOG"], "a", encoding="utf-8") as log:
        log.write(f"{text}\n")


def is_local(host):
    if host in LOCAL_NAMES:
        return True
    try:
        return ipaddress.ip_address(host.decode() if isinstance(host, bytes) else host).is_loopback
    except ValueError:
        return False


def refuse_networks(event, args):
    """An audit hook: raise OSError where a process would leave the machine."""
    if event in LOOKUPS:
        target = args[0]
    elif event in SENDS and args[0].family in (socket.AF_INET, socket.AF_INET6) and args[1] is not None:
        target = args[1][0]
    else:
        return
    if not is_local(target):
        write_line(f"{event} {target}")
        raise OSError(f"the network guard refuses {event} {target}")


if os.environ.get("EVOLVE_GUARD_LOG"):
    write_line(f"guarded {os.getpid()}")
    sys.addaudithook(refuse_networks)
