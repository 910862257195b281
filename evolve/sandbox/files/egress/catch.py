"""Leads what leaves a container by its loopback to two sockets, and hands these over: `catch.py SOCKET RANGE...`.

The ranges of addresses are those that a connection can be made to; a connection to any other is refused. It needs the
capability NET_ADMIN, for the moment that it runs. Where the container has a network, and so another way out than its
loopback, nothing is led anywhere.
"""

import contextlib
import errno
import ipaddress
import os
import socket
import struct
import sys

from .names import STAND_INS
from .netlink import LOCAL, attribute, compare, expression, load, masked, message, meta, nest, number, text, transact

TABLE = "evolve"
# The least preferred route: any other one goes before it.
METRIC = 0xFFFFFF
NETLINK_ROUTE, NETLINK_NETFILTER = 0, 12
NEW_ROUTE, BATCH_BEGIN, BATCH_END, NFTABLES = 24, 16, 17, 10
NEW_TABLE, NEW_CHAIN, NEW_RULE = 0, 3, 6
OUTPUT, BEFORE, DURING = 3, -100, 0
OUTGOING, PROTOCOL, NETWORK, TRANSPORT = 5, 16, 1, 2
DROP, RESET = 0, 1
TCP, UDP, LOOPBACK, DNS_PORT = b"\x06", b"\x11", 1, 53
READ = 10.0
PORT_TRIES = 10


def route():
    """A route by the loopback for everything, so that the kernel does not refuse a connection before it is caught."""
    header = struct.pack("=BBBBBBBBI", socket.AF_INET, 0, 0, 0, 254, 4, 253, 1, 0)
    output, metric = struct.pack("=I", LOOPBACK), struct.pack("=I", METRIC)
    return header + attribute(4, output) + attribute(6, metric) + attribute(7, socket.inet_aton("127.0.0.1"))


def outside():
    """Matches what leaves by the loopback and is for none of the container's own addresses."""
    own = expression("fib", number(1, 1), number(2, 3), number(3, 2))
    return meta(OUTGOING) + compare(struct.pack("=I", LOOPBACK)) + own + compare(LOCAL, equal=False)


def redirect(port):
    return load(struct.pack(">H", port)) + expression("redir", number(1, 1))


def is_for(addresses):
    """Matches what is for one of a range of addresses."""
    destination = expression("payload", number(1, 1), number(2, NETWORK), number(3, 16), number(4, 4))
    return destination + masked(addresses.netmask.packed) + compare(addresses.network_address.packed)


def rules(connections, questions, ranges):
    """(message type, flags, content) of a table: TCP goes to one port, DNS to another, and all else nowhere."""
    asked = expression("payload", number(1, 1), number(2, TRANSPORT), number(3, 2), number(4, 2))
    is_question = meta(PROTOCOL) + compare(UDP) + asked + compare(struct.pack(">H", DNS_PORT))
    yield NEW_TABLE, 0, text(1, TABLE)
    for chain, kind, priority in (("catch", "nat", BEFORE), ("rest", "filter", DURING)):
        hook = nest(4, number(1, OUTPUT), number(2, priority))
        yield NEW_CHAIN, 0, text(1, TABLE) + text(3, chain) + hook + text(7, kind)
    is_tcp = meta(PROTOCOL) + compare(TCP)
    for chain, content in (
        *(("catch", outside() + is_tcp + is_for(one) + redirect(connections)) for one in ranges),
        ("catch", outside() + is_question + redirect(questions)),
        ("rest", outside() + is_tcp + expression("reject", number(1, RESET), attribute(2, b"\0"))),
        ("rest", outside() + expression("immediate", number(1, 0), nest(2, nest(2, number(1, DROP))))),
    ):
        yield NEW_RULE, 0x800, text(1, TABLE) + text(2, chain) + nest(4, content)


def batch(connections, questions, ranges):
    family = struct.pack(">BBH", socket.AF_INET, 0, 0)
    whole = struct.pack(">BBH", 0, 0, NFTABLES)
    yield message(BATCH_BEGIN, 0, whole)
    for kind, flags, content in rules(connections, questions, ranges):
        yield message(NFTABLES << 8 | kind, 0x400 | flags, family + content, answered=True)
    yield message(BATCH_END, 0, whole)


def closed_socket():
    """A socket that keeps its port while it doesn't listen, so that connections are refused meanwhile."""
    for _ in range(PORT_TRIES):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            place = free.getsockname()
        made = socket.socket()
        with contextlib.suppress(OSError):
            made.bind(place)  # only a port that is asked for is kept by a socket that stops listening
            return made
        made.close()
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def caught(ranges):
    """The sockets to which connections and questions are led from now on. Raises OSError."""
    connections = closed_socket()
    port = connections.getsockname()[1]
    questions = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    questions.bind(("127.0.0.1", 0))
    transact(NETLINK_NETFILTER, batch(port, questions.getsockname()[1], ranges))
    transact(NETLINK_ROUTE, [message(NEW_ROUTE, 0x600, route(), answered=True)])
    return connections, questions


def main():
    with socket.socket(socket.AF_UNIX) as door:
        door.settimeout(READ)
        door.connect(sys.argv[1])
        try:
            ends = caught([STAND_INS, *map(ipaddress.ip_network, sys.argv[2:])])
        except OSError as error:
            door.sendall(f"failed {error.strerror or os.strerror(error.errno or 0)}".encode())
            sys.exit(1)
        socket.send_fds(door, [b"caught"], [end.fileno() for end in ends])


if __name__ == "__main__":
    main()
