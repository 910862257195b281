"""The messages that set routes and filters in the kernel: netlink, with nf_tables' expressions."""

import itertools
import os
import socket
import struct

NESTED, REQUEST, ACKNOWLEDGE, ERROR = 0x8000, 1, 4, 2
HEADER = struct.Struct("=IHHII")
SECONDS = 10.0
LOCAL = struct.pack("=I", 2)
EQUAL, UNEQUAL = 0, 1
_numbers = itertools.count(1)


def attribute(kind, data):
    """An attribute with its header, filled up to a multiple of four bytes."""
    return struct.pack("=HH", len(data) + 4, kind) + data + bytes(-len(data) % 4)


def nest(kind, *parts):
    return attribute(kind | NESTED, b"".join(parts))


def text(kind, value):
    return attribute(kind, value.encode() + b"\0")


def number(kind, value):
    return attribute(kind, struct.pack(">I", value & 0xFFFFFFFF))


def expression(name, *parts):
    """One step of a rule; values are in the register 1."""
    return nest(1, text(1, name), nest(2, *parts))


def meta(key):
    return expression("meta", number(1, 1), number(2, key))


def load(value):
    return expression("immediate", number(1, 1), nest(2, attribute(1, value)))


def masked(mask):
    """Keeps these bits of the value."""
    keep, change = nest(4, attribute(1, mask)), nest(5, attribute(1, bytes(len(mask))))
    return expression("bitwise", number(1, 1), number(2, 1), number(3, len(mask)), keep, change)


def compare(value, equal=True):
    return expression("cmp", number(1, 1), number(2, EQUAL if equal else UNEQUAL), nest(3, attribute(1, value)))


def message(kind, flags, content, answered=False):
    """A message; with `answered`, the kernel reports whether it succeeded."""
    flags |= REQUEST | (ACKNOWLEDGE if answered else 0)
    return HEADER.pack(HEADER.size + len(content), kind, flags, next(_numbers), 0) + content


def transact(protocol, messages):
    """Send messages at once, and wait for the answers of the kernel. Raises OSError with its reason."""
    messages = list(messages)
    waiting = sum(bool(HEADER.unpack_from(one)[2] & ACKNOWLEDGE) for one in messages)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol) as kernel:
        kernel.settimeout(SECONDS)
        kernel.bind((0, 0))
        kernel.send(b"".join(messages))
        while waiting > 0:
            waiting -= _acknowledged(kernel.recv(65536))


def _acknowledged(answers):
    """How many messages the kernel acknowledges. Raises OSError for one that it refused."""
    count = 0
    while len(answers) > HEADER.size:
        size, kind, *_ = HEADER.unpack_from(answers)
        if kind == ERROR:
            (status,) = struct.unpack_from("=i", answers, HEADER.size)
            if status:
                raise OSError(-status, os.strerror(-status))
            count += 1
        answers = answers[(size + 3) & ~3 :]
    return count
