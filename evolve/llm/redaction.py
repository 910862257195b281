"""Keep a model's key out of the texts of its endpoint, which repeat it in errors."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from evolve.core.errors import EvolveError
from evolve.core.records import ModelSpec
from evolve.core.secrets import environment_secrets, without_secrets
from evolve.core.text import storable_text

# Longest text of an error, in characters.
MAX_ERROR = 4_000
P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", bound="Speaker")


class Speaker(Protocol):
    """A client with its model's spec."""

    _spec: ModelSpec


def redacted(text: str, spec: ModelSpec) -> str:
    """Return the text as it may be stored and shown: without the model's key, parts of it, and other secrets.

    Characters that can't be stored are replaced, and what is longer than MAX_ERROR is cut off.
    """
    secrets = (os.environ.get(spec.key_variable) or "", *environment_secrets(os.environ))
    return storable_text(without_secrets(text, secrets), MAX_ERROR)


def hides_key(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """Make a method of a client raise our own errors without the key: endpoints repeat it in theirs."""

    @functools.wraps(method)
    def hiding(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(self, *args, **kwargs)
        except EvolveError as error:
            hide_key(error, self._spec)
            raise

    return hiding


def hide_key(error: EvolveError, spec: ModelSpec) -> None:
    """Take the key out of an error's texts, in place, so that a traceback shows where it came from."""
    error.args = tuple(redacted(value, spec) if isinstance(value, str) else value for value in error.args)
    for name, value in vars(error).items():
        if isinstance(value, str):
            setattr(error, name, redacted(value, spec))
