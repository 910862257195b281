"""Make values of unknown origin fit to leave this machine: without secrets, and as JSON that every reader takes."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from evolve.core.config import RunConfig
from evolve.core.secrets import environment_secrets, without_secrets
from evolve.core.text import storable_text


@dataclass(frozen=True)
class Redactor:
    """Takes secrets out of texts: the keys of a run's models, and what this process's environment names as secrets."""

    secrets: tuple[str, ...]

    @classmethod
    def of(cls, config: RunConfig) -> Self:
        return cls.of_variables(model.spec.key_variable for model in config.all_models)

    @classmethod
    def of_variables(cls, names: Iterable[str]) -> Self:
        """Of the variables with these names, and of those of the environment that are named as secrets."""
        return cls((*(os.environ.get(name) or "" for name in names), *environment_secrets(os.environ)))

    def text(self, text: str) -> str:
        """The text without secrets, lone surrogates and null characters."""
        return storable_text(without_secrets(text, self.secrets))

    def value(self, value: Any) -> Any:
        """A JSON value whose texts, names included, are redacted; numbers that JSON lacks become texts."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.value(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.value(item) for item in value]
        return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def json_line(value: Any) -> bytes:
    """One line of JSON in ASCII: no control character reaches a terminal."""
    return json.dumps(value, allow_nan=False).encode("ascii") + b"\n"


def json_page(value: Any) -> bytes:
    """A page of JSON in ASCII, indented."""
    return json.dumps(value, allow_nan=False, indent=2).encode("ascii") + b"\n"
