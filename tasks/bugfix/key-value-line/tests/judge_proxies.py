"""The candidate's modules as the tests see them: every use of an object is a request to the candidate's process.

Plain values come back as copies of exactly the built-in types, so that nothing of the candidate's takes part in comparing
them. Everything else is a proxy. Containers given as arguments are updated after the call.
"""

import builtins
import importlib.abc
import importlib.machinery
import os
import sys
import time
import types
import unittest

from judge_codec import NUMERIC, SPECIAL, Malformed, Packer, Unpacker

TOTAL_BYTES = 64_000_000


class Broken(Exception):
    """The candidate's process ended, took too long or sent nonsense; no test can pass any more."""


class Raised:
    """An exception of the candidate's: its text and arguments are copies, anything else is asked for."""

    def __str__(self):
        return self.__dict__["_raised"][2] if "_raised" in self.__dict__ else super().__str__()

    def __getattr__(self, name):
        if name.startswith("__") or "_raised" not in self.__dict__:
            raise AttributeError(name)
        channel, number, _ = self.__dict__["_raised"]
        return getattr(channel.proxies[number], name)


class Proxy:
    """An object of the candidate's. What its type can do is defined in the classes that `proxy_class` makes."""

    def __init__(self, channel, number):
        object.__setattr__(self, "_proxy", (channel, number))

    def __getattr__(self, name):
        return do(self, "getattr", name)

    def __setattr__(self, name, value):
        do(self, "setattr", name, value)

    def __delattr__(self, name):
        do(self, "delattr", name)

    def __repr__(self):
        return do(self, "repr")

    def __str__(self):
        return do(self, "str")

    def __format__(self, spec):
        return do(self, "format", spec)

    def __instancecheck__(self, other):
        return isinstance(other, Proxy) and do(other, "isinstance", self)

    def __mro_entries__(self, bases):
        raise TypeError("a test can't derive a class from one of the candidate's")


def do(proxy, operation, *args, **options):
    return proxy._proxy[0].do(operation, proxy, *args, **options)


def special_method(name):
    """A special method as a request: that of the operator, which finds out itself whose method applies."""
    operation = name.strip("_")
    if operation == "exit":
        return lambda self, kind, error, trace: do(self, "exit", error)
    if operation[0] == "r" and operation[1:] in NUMERIC:
        return lambda self, other: self._proxy[0].do(operation[1:], other, self)
    return lambda self, *args, **options: do(self, operation, *args, **options)


def method(name):
    def request(self, *args, **options):
        return do(self, "method", name, *args, **options)

    request.__name__ = name
    return request


def proxy_class(name, special, methods):
    """A proxy's class: methods are known, so that a call of one is a single request."""
    body = {known: method(known) for known in methods if not known.startswith("_")}
    body |= {known: special_method(known) for known in special if known in SPECIAL}
    return type(name, (Proxy,), {"__hash__": None, **body})


class Channel:
    """Requests to the candidate's process, until `deadline` on the monotonic clock."""

    def __init__(self, stream, deadline):
        self.stream, self.deadline = stream, deadline
        self.broken = ""
        self.exports, self.places = [], {}
        self.proxies, self.kinds, self.raised = {}, [], {}

    def do(self, operation, *args, **options):
        """The result of an operation on the candidate's objects and on values; raises what it raises there, or Broken."""
        packer = Packer(self._pack_other)
        args = [packer.pack(value) for value in args]
        options = [[key, packer.pack(value)] for key, value in options.items()]
        self._send(["do", operation, args, options])
        while (message := self._receive())[0] == "ask":
            self._answer(*self._guarded(self._asked, message))
        kind, value = self._guarded(self._result, message, packer.shared)
        if kind == "raise":
            raise value
        return value

    def _guarded(self, function, *args):
        """Call what takes a message apart; if there is no sense in it, no later request is sent."""
        try:
            return function(*args)
        except Broken:
            raise
        except Exception as error:
            self._break(f"it sent nonsense ({type(error).__name__})")

    def _break(self, reason):
        self.broken = self.broken or reason
        raise Broken(f"the candidate's process is no longer asked: {self.broken}") from None

    def _send(self, message):
        if self.broken or time.monotonic() > self.deadline:
            self._break("it took too long")
        try:
            self.stream.send(message)
        except OSError:
            self._break("it ended or took too long")

    def _receive(self):
        if self.stream.received > TOTAL_BYTES:
            self._break("it sent too much")
        try:
            self.stream.connection.settimeout(max(self.deadline - time.monotonic(), 0.001))
            message = self.stream.receive()
        except EOFError:
            self._break("it ended")
        except OSError:
            self._break("it took too long")
        except (Malformed, ValueError, RecursionError) as error:
            self._break(f"it sent nonsense ({type(error).__name__})")
        if type(message) is not list or not message:
            self._break("it sent nonsense")
        return message

    def _result(self, message, shared):
        kind, form, changed = message
        unpacker = Unpacker(self._unpack_other, shared)
        for place, parts in changed:
            if not 0 <= place < len(shared):
                raise Malformed("a change of something else")
            unpacker.refill(place, parts)
        value = unpacker.unpack(form)
        if kind not in ("return", "raise") or (kind == "raise" and not isinstance(value, Raised)):
            raise Malformed("neither a value nor an exception")
        return kind, value

    def _asked(self, message):
        _, number, args, options = message
        unpacker = Unpacker(self._unpack_other)
        args = [unpacker.unpack(form) for form in args]
        return self.exports[number][1], args, {str(key): unpacker.unpack(form) for key, form in options}

    def _answer(self, function, args, options):
        """Call a function that a test gave away. Its arguments are values and proxies, and never run here."""
        packer = Packer(self._pack_other)
        try:
            message = ["return", packer.pack(function(*args, **options))]
        except Broken:
            raise
        except Exception as error:
            message = ["raise", packer.pack(error)]
        try:
            self._send(message)
        except Malformed:
            self._break("a test's function returned too much")

    def _pack_other(self, value, pack):
        if isinstance(value, Proxy):
            return ["object", value._proxy[1]]
        if isinstance(value, types.MethodType) and isinstance(value.__self__, Proxy):
            return ["method", value.__self__._proxy[1], value.__func__.__name__]
        if isinstance(value, Raised) and "_raised" in value.__dict__:
            return ["object", value._raised[1]]
        if isinstance(value, Raised):
            return ["make", type(value)._raised_number, *map(pack, value.args)]
        if isinstance(value, type) and issubclass(value, Raised):
            return ["object", value._raised_number]
        if isinstance(value, Exception):
            return ["error", nearest_builtin(type(value)).__name__, *map(pack, value.args)]
        if isinstance(value, type | types.BuiltinFunctionType) and getattr(builtins, value.__name__, None) is value:
            return ["builtin", value.__name__]
        if hasattr(type(value), "__next__"):
            return ["iterator", self._export(value, value.__next__)]
        if callable(value) and not isinstance(value, unittest.TestCase):
            return ["function", self._export(value, value)]
        raise TypeError(f"a {type(value).__name__} can't be given to the candidate's code")

    def _export(self, value, function):
        if id(value) not in self.places:
            self.places[id(value)] = len(self.exports)
            self.exports.append((value, function))
        return self.places[id(value)]

    def _unpack_other(self, tag, parts, unpack):
        if tag == "object":
            return self._object(*parts)
        if tag == "class":
            return self._class(parts[0], parts[1], [raised_class(unpack(base)) for base in parts[2:]])
        if tag == "error":
            return self._error(parts[0], raised_class(unpack(parts[1])), parts[2], parts[3], map(unpack, parts[4:]))
        if tag == "own":
            return self.exports[parts[0]][0]
        raise Malformed(tag)

    def _object(self, number, kind, name=None, special=(), methods=()):
        if name is not None and kind == len(self.kinds):
            self.kinds.append(proxy_class(name, special, methods))
        if number not in self.proxies:
            self.proxies[number] = self.kinds[kind](self, number)
        return self.proxies[number]

    def _class(self, number, name, bases):
        """A class that stands for one of the candidate's exceptions, or for a built-in one that its code raises."""
        if number not in self.raised:
            bases = tuple(bases) or (Raised, known_exception(name))
            self.raised[number] = derived(str(name), bases, {"_raised_number": number})
        return self.raised[number]

    def _error(self, number, kind, text, note, args):
        error = kind.__new__(kind)
        error.args = args
        error.__dict__["_raised"] = self, number, str(text)
        error.add_note(f"in the candidate's process:\n{note}")
        self.proxies.setdefault(number, Proxy(self, number))
        return error


def raised_class(kind):
    if not (isinstance(kind, type) and issubclass(kind, Raised)):
        raise Malformed("no class of exceptions")
    return kind


def known_exception(name):
    kind = getattr(builtins, name, None)
    known = isinstance(kind, type) and issubclass(kind, (Exception, SystemExit)) and not issubclass(kind, ExceptionGroup)
    return kind if known else Exception


def nearest_builtin(kind):
    return next(base for base in kind.__mro__ if getattr(builtins, base.__name__, None) is base)


def derived(name, bases, body):
    """A class of exceptions; a plain one if the bases don't go together."""
    try:
        return type(name, bases, body)
    except TypeError:
        return type(name, (Raised, Exception), body)


class Module(types.ModuleType):
    """A module of the candidate's."""

    def __getattr__(self, name):
        if name == "__all__":
            raise ImportError("a test must name what it imports: a candidate's names could hide others")
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.__dict__["__proxy__"], name)

    def __setattr__(self, name, value):
        if name.startswith("__") or isinstance(value, types.ModuleType):
            super().__setattr__(name, value)
        else:
            setattr(self.__dict__["__proxy__"], name, value)


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the candidate's modules: those in the working directory that have no name of the standard library."""

    def __init__(self, channel):
        self.channel = channel

    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top in sys.stdlib_module_names or not (os.path.isdir(top) or os.path.isfile(f"{top}.py")):
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec):
        module = Module(spec.name)
        module.__proxy__ = self.channel.do("import", spec.name)
        return module

    def exec_module(self, module):
        pass
