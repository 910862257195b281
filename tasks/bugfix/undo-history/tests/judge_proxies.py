"""The candidate's objects, exceptions and modules as the tests see them: each use of one is a request over the channel."""

import builtins
import importlib.abc
import importlib.machinery
import os
import sys
import types

from judge_codec import NUMERIC, SPECIAL, Malformed


class Raised:
    """An exception that the candidate's code raised. Text and arguments are copies; other attributes are requests."""

    def __str__(self):
        return self.__dict__["_raised"][2] if "_raised" in self.__dict__ else super().__str__()

    def __getattr__(self, name):
        if name.startswith("__") or "_raised" not in self.__dict__:
            raise AttributeError(name)
        channel, number, _ = self.__dict__["_raised"]
        return getattr(channel.proxies[number], name)


class Proxy:
    """An object in the candidate's process. `proxy_class` adds the methods that its type has."""

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
    """A special method that sends the operation to the candidate's process, where Python picks the method as usual."""
    operation = name.strip("_")
    if operation == "exit":
        return lambda self, kind, error, trace: do(self, "exit", error)
    if operation[0] == "r" and operation[1:] in NUMERIC:
        return lambda self, other: self._proxy[0].do(operation[1:], other, self)
    return lambda self, *args, **options: do(self, operation, *args, **options)


def method(name):
    """A method that calls the one of the same name in a single request."""

    def request(self, *args, **options):
        return do(self, "method", name, *args, **options)

    request.__name__ = name
    return request


def proxy_class(name, special, methods):
    """The class of proxies for one type of the candidate's."""
    body = {known: method(known) for known in methods if not known.startswith("_")}
    body |= {known: special_method(known) for known in special if known in SPECIAL}
    return type(name, (Proxy,), {"__hash__": None, **body})


def raised_class(kind):
    """Return an exception class that came from the candidate's process. Raises Malformed for anything else."""
    if not (isinstance(kind, type) and issubclass(kind, Raised)):
        raise Malformed("no class of exceptions")
    return kind


def known_exception(name):
    """The built-in exception of that name, or Exception: the candidate can't raise what ends this process."""
    kind = getattr(builtins, name, None)
    known = (
        isinstance(kind, type) and issubclass(kind, (Exception, SystemExit)) and not issubclass(kind, ExceptionGroup)
    )
    return kind if known else Exception


def nearest_builtin(kind):
    """The first built-in class that a class is derived from."""
    return next(base for base in kind.__mro__ if getattr(builtins, base.__name__, None) is base)


def derived(name, bases, body):
    """A class of exceptions, derived from Exception alone if the bases can't be combined."""
    try:
        return type(name, bases, body)
    except TypeError:
        return type(name, (Raised, Exception), body)


class Module(types.ModuleType):
    """A module in the candidate's process."""

    def __getattr__(self, name):
        if name == "__all__":
            raise ImportError(
                "a test must name what it imports: other names of the candidate's could replace built-in ones"
            )
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.__dict__["__proxy__"], name)

    def __setattr__(self, name, value):
        if name.startswith("__") or isinstance(value, types.ModuleType):
            super().__setattr__(name, value)
        else:
            setattr(self.__dict__["__proxy__"], name, value)


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the candidate's modules: those in the working directory whose names are not in the standard library."""

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
