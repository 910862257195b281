"""Messages between the tests and the candidate's process: JSON in which every array is a tag and its parts.

A message can't name code to run. Unpacking makes new objects of exactly the built-in types; each side handles its own
further tags (`other`). A container that occurs twice in a message is unpacked as one object.
"""

import json
import struct
from collections import Counter, OrderedDict, defaultdict, deque
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction

MESSAGE_BYTES = 2_000_000
NUMERIC = "add sub mul truediv floordiv mod divmod pow lshift rshift and or xor matmul".split()
# The special methods that tests may use of the candidate's objects.
SPECIAL = {
    *(f"__{prefix}{name}__" for name in NUMERIC for prefix in ("", "r", "i")),
    *(f"__{name}__" for name in "lt le gt ge eq ne hash len bool iter next reversed getitem setitem delitem".split()),
    *(f"__{name}__" for name in "contains call neg pos abs invert int float index round enter exit".split()),
}
HEAD = struct.Struct(">I")
SCALARS = (type(None), bool, float, str)
SMALL = 2**63


class Malformed(Exception):
    """A message can't be read or is too long."""


def flat(table):
    return [part for item in table.items() for part in item]


def pairs(parts):
    return zip(parts[::2], parts[1::2], strict=True)


# Mutable containers: the tag, a function that lists the parts, and one that replaces the parts of a container.
CONTAINERS = {
    list: ("list", list, lambda old, parts: old.__setitem__(slice(None), parts)),
    dict: ("dict", flat, lambda old, parts: (old.clear(), old.update(pairs(parts)))),
    set: ("set", list, lambda old, parts: (old.clear(), old.update(parts))),
    deque: ("deque", list, lambda old, parts: (old.clear(), old.extend(parts))),
    bytearray: ("bytearray", list, lambda old, parts: old.__setitem__(slice(None), bytes(parts))),
}
LIKE_DICT = (OrderedDict, Counter, defaultdict)
# Immutable values: the tag, a function that lists the parts, and one that makes a value of them.
VALUES = {
    tuple: ("tuple", list, lambda *parts: parts),
    frozenset: ("frozenset", list, lambda *parts: frozenset(parts)),
    int: ("int", lambda value: [hex(value)], lambda text: int(text, 16)),
    complex: ("complex", lambda value: [value.real, value.imag], complex),
    bytes: ("bytes", lambda value: [value.hex()], bytes.fromhex),
    range: ("range", lambda value: [value.start, value.stop, value.step], range),
    slice: ("slice", lambda value: [value.start, value.stop, value.step], slice),
    Decimal: ("decimal", lambda value: [str(value)], Decimal),
    Fraction: ("fraction", lambda value: [value.numerator, value.denominator], Fraction),
    timedelta: ("timedelta", lambda value: [value.days, value.seconds, value.microseconds], timedelta),
    timezone: ("timezone", lambda value: [value.utcoffset(None)], timezone),
    date: ("date", lambda value: [value.year, value.month, value.day], date),
    time: ("time", lambda value: [value.fold, *_clock(value)], lambda fold, *parts: time(*parts, fold=fold)),
    datetime: (
        "datetime",
        lambda value: [value.fold, value.year, value.month, value.day, *_clock(value)],
        lambda fold, *parts: datetime(*parts, fold=fold),
    ),
    type(...): ("ellipsis", lambda value: [], lambda: ...),
    type(NotImplemented): ("notimplemented", lambda value: [], lambda: NotImplemented),
}
FILLED = {tag: (kind, fill) for kind, (tag, _, fill) in CONTAINERS.items()}
MADE = {tag: make for tag, _, make in VALUES.values()}


def _clock(value):
    return [value.hour, value.minute, value.second, value.microsecond, value.tzinfo]


class Packer:
    """Converts values to JSON. A container that is in `shared` already is packed as its index there."""

    def __init__(self, other, shared=()):
        self.other, self.shared = other, list(shared)
        self.places = {id(container): place for place, container in enumerate(self.shared)}

    def pack(self, value):
        kind = type(value)
        if kind in SCALARS or (kind is int and -SMALL < value < SMALL):
            return value
        if kind in CONTAINERS or kind in LIKE_DICT:
            return self._container(value, CONTAINERS[dict if kind in LIKE_DICT else kind])
        if kind in VALUES:
            tag, parts, _ = VALUES[kind]
            return [tag, *map(self.pack, parts(value))]
        return self.other(value, self.pack)

    def _container(self, value, form):
        if id(value) in self.places:
            return ["again", self.places[id(value)]]
        self.places[id(value)] = len(self.shared)
        self.shared.append(value)
        return [form[0], *map(self.pack, form[1](value))]

    def contents(self, container):
        return [self.pack(part) for part in CONTAINERS[type(container)][1](container)]


class Unpacker:
    """Converts JSON to values. Raises Malformed, or what the constructors of values raise."""

    def __init__(self, other, shared=()):
        self.other, self.shared = other, list(shared)

    def unpack(self, form):
        if type(form) is not list:
            if type(form) is dict:
                raise Malformed("an object")
            return form
        tag, *parts = form
        if tag in FILLED:
            return self._container(parts, *FILLED[tag])
        if tag in MADE:
            return MADE[tag](*map(self.unpack, parts))
        if tag == "again":
            return self.shared[parts[0]]
        return self.other(tag, parts, self.unpack)

    def _container(self, parts, kind, fill):
        new = kind()
        self.shared.append(new)
        fill(new, [self.unpack(part) for part in parts])
        return new

    def refill(self, place, parts):
        container = self.shared[place]
        CONTAINERS[type(container)][2](container, [self.unpack(part) for part in parts])


def contents(container):
    """The parts of a mutable container."""
    return CONTAINERS[type(container)][1](container)


class Stream:
    """Messages over a socket, each preceded by its length."""

    def __init__(self, connection):
        self.connection, self.buffer, self.received = connection, bytearray(), 0

    def send(self, message):
        """Send a message. Raises OSError, or Malformed if it is too long; then nothing was sent."""
        data = json.dumps(message, separators=(",", ":")).encode()
        if len(data) > MESSAGE_BYTES:
            raise Malformed(f"a value of {len(data)} bytes")
        self.connection.sendall(HEAD.pack(len(data)) + data)

    def receive(self):
        """Receive the next message. Raises OSError, EOFError, Malformed, ValueError or RecursionError."""
        (size,) = HEAD.unpack(self._take(HEAD.size))
        if size > MESSAGE_BYTES:
            raise Malformed(f"a message of {size} bytes")
        return json.loads(self._take(size))

    def _take(self, count):
        while len(self.buffer) < count:
            if not (chunk := self.connection.recv(1 << 16)):
                raise EOFError
            self.buffer += chunk
            self.received += len(chunk)
        taken = bytes(self.buffer[:count])
        del self.buffer[:count]
        return taken
