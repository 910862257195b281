"""The candidate's process: it imports the candidate's modules and runs the operations that the tests request.

It receives arguments and returns results. It never receives a test or an expected value.
"""

import builtins
import enum
import importlib
import operator
import os
import socket
import sys
import traceback
import types

from judge_codec import NUMERIC, SPECIAL, Malformed, Packer, Stream, Unpacker, contents

NOTE_CHARS = 1000
BASES = (str, bytes, tuple, list, dict, set, frozenset, bool, int, float)


def plain(value):
    """Convert an object to its built-in base class. Raises TypeError if it has none."""
    if isinstance(value, enum.Enum) and not isinstance(value, BASES):
        return str(value)
    for base in BASES:
        if isinstance(value, base):
            return str.__str__(value) if base is str else base(value)
    raise TypeError(f"a {type(value).__name__} is not a plain value: compare its attributes or its text")


def leave(manager, error):
    return manager.__exit__(type(error) if error else None, error, None)


OPERATIONS = {
    **{name: getattr(operator, f"__{name}__", None) for name in [*NUMERIC, *(f"i{name}" for name in NUMERIC)]},
    **{name: getattr(operator, name) for name in "lt le gt ge eq ne getitem setitem delitem contains".split()},
    **{name: getattr(operator, name) for name in "neg pos abs invert index".split()},
    **{name: getattr(builtins, name) for name in "hash len bool iter next reversed int float round repr str".split()},
    **{name: getattr(builtins, name) for name in "getattr setattr delattr isinstance issubclass divmod format".split()},
    "call": lambda function, *args, **options: function(*args, **options),
    "method": lambda owner, name, *args, **options: getattr(owner, name)(*args, **options),
    "enter": lambda manager: manager.__enter__(),
    "exit": leave,
    "import": importlib.import_module,
    "plain": plain,
}


class Callback:
    """A function that a test passed as an argument."""

    def __init__(self, server, number):
        self._server, self._number = server, number

    def __call__(self, *args, **options):
        return self._server.ask(self._number, args, options)


class Source(Callback):
    """An iterator that a test passed as an argument."""

    def __iter__(self):
        return self

    def __next__(self):
        return self()


class Server:
    """Answers requests. Both sides refer to an object that stays in the other process by its number."""

    def __init__(self, stream):
        self.stream = stream
        self.objects, self.numbers, self.types, self.callbacks = [], {}, {}, {}

    def serve(self):
        while True:
            self.do(*self.stream.receive()[1:])

    def do(self, name, args, options):
        unpacker = Unpacker(self.unpack_other)
        args = [unpacker.unpack(form) for form in args]
        options = {key: unpacker.unpack(form) for key, form in options}
        before = [contents(container) for container in unpacker.shared]
        known = len(self.types)
        try:
            result = "return", OPERATIONS[name](*args, **options)
        except BaseException as error:
            result = "raise", error
        try:
            self.send(result, unpacker.shared, before)
        except Exception as error:
            self.types = {kind: number for kind, number in self.types.items() if number < known}
            self.send(("raise", error), (), ())

    def send(self, result, shared, before):
        packer = Packer(self.pack_other, shared)
        changed = [
            [place, packer.contents(container)]
            for place, (container, old) in enumerate(zip(shared, before, strict=True))
            if not is_same(contents(container), old)
        ]
        self.stream.send([result[0], packer.pack(result[1]), changed])

    def ask(self, number, args, options):
        """Call a function of the test, which may send requests itself before it returns."""
        packer = Packer(self.pack_other)
        options = [[key, packer.pack(value)] for key, value in options.items()]
        self.stream.send(["ask", number, [packer.pack(value) for value in args], options])
        while (message := self.stream.receive())[0] == "do":
            self.do(*message[1:])
        value = Unpacker(self.unpack_other).unpack(message[1])
        if message[0] == "raise":
            raise value
        return value

    def number(self, value):
        """The number of an object, which is kept alive."""
        if id(value) not in self.numbers:
            self.numbers[id(value)] = len(self.objects)
            self.objects.append(value)
        return self.numbers[id(value)]

    def pack_other(self, value, pack):
        if isinstance(value, Callback):
            return ["own", value._number]
        if isinstance(value, type) and issubclass(value, BaseException):
            bases = [base for base in value.__bases__ if issubclass(base, BaseException)]
            own = value.__module__ != "builtins"
            return ["class", self.number(value), value.__name__, *(map(pack, bases) if own else ())]
        if isinstance(value, BaseException):
            note = "".join(traceback.format_exception(value))[-NOTE_CHARS:]
            return ["error", self.number(value), pack(type(value)), str(value), note, *map(pack, value.args)]
        return ["object", self.number(value), *self.described(type(value))]

    def described(self, kind):
        """A type's number; the first time also its name, special methods and other methods."""
        if kind in self.types:
            return [self.types[kind]]
        self.types[kind] = len(self.types)
        names = {name: getattr(kind, name, None) for name in dir(kind)}
        special = [name for name in names if name in SPECIAL and names[name] is not None]
        methods = [name for name in names if isinstance(names[name], types.FunctionType) and not name.startswith("_")]
        return [self.types[kind], kind.__name__, special, methods]

    def unpack_other(self, tag, parts, unpack):
        if tag == "object":
            return self.objects[parts[0]]
        if tag == "method":
            return getattr(self.objects[parts[0]], parts[1])
        if tag == "function":
            return self.callbacks.setdefault(parts[0], Callback(self, parts[0]))
        if tag == "iterator":
            return self.callbacks.setdefault(parts[0], Source(self, parts[0]))
        if tag == "builtin":
            return getattr(builtins, parts[0])
        if tag == "make":
            return self.objects[parts[0]](*map(unpack, parts[1:]))
        if tag == "error":
            return getattr(builtins, parts[0], RuntimeError)(*map(unpack, parts[1:]))
        raise Malformed(tag)


def is_same(new, old):
    """Whether two lists hold the same objects; the candidate's `__eq__` takes no part."""
    return len(new) == len(old) and all(map(operator.is_, new, old))


def main():
    stream = Stream(socket.socket(fileno=int(sys.argv[1])))
    sys.path.insert(0, os.getcwd())
    try:
        Server(stream).serve()
    except EOFError:
        os._exit(0)


main()
