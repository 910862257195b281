"""Requests from the tests to the candidate's process.

Plain values come back as new objects of exactly the built-in types, so nothing of the candidate's takes part in comparing
them. Other objects stay in that process; here they are proxies with a number. Lists, dicts and sets that were arguments
are updated after the call. What arrives is data: it is never run.
"""

import builtins
import time
import types
import unittest

from judge_codec import Malformed, Packer, Unpacker
from judge_proxies import Proxy, Raised, derived, known_exception, nearest_builtin, proxy_class, raised_class

TOTAL_BYTES = 64_000_000


class Broken(Exception):
    """The candidate's process ended, took too long or sent nonsense. No later request is sent, and no test passes."""


class Channel:
    """A connection to the candidate's process, used until `deadline` on the monotonic clock."""

    def __init__(self, stream, deadline):
        self.stream, self.deadline = stream, deadline
        self.broken = ""
        self.exports, self.places = [], {}
        self.proxies, self.kinds, self.raised = {}, [], {}

    def do(self, operation, *args, **options):
        """Run an operation in the candidate's process and return its result. Raises its exception, or Broken."""
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
        """Call a function that reads a message. Raises Broken if it can't be read."""
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
        """Call a function that a test passed to the candidate's code, and send its result or exception."""
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
        """A local class for an exception class in the candidate's process; it has no bases there if it is built in."""
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
