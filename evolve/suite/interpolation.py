"""Variables in compose files: `$NAME`, `${NAME}`, `${NAME:-default}` and the others. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
OPERATORS = (":-", ":?", ":+", "-", "?", "+")


class BadTemplate(ValueError):
    """A text can't be interpolated; the message says why."""


@dataclass
class Interpolation:
    """Fills variables in. `missing`: names of variables that had neither a value nor a default, and so are empty."""

    values: Mapping[str, str]
    missing: set[str] = field(default_factory=set)

    def fill(self, text: str) -> str:
        """The text with values in the place of variables; `$$` is a dollar sign. Raises BadTemplate."""
        parts, position = [], 0
        while (dollar := text.find("$", position)) >= 0:
            parts.append(text[position:dollar])
            filled, position = self._variable(text, dollar + 1)
            parts.append(filled)
        return "".join([*parts, text[position:]])

    def _variable(self, text: str, start: int) -> tuple[str, int]:
        """The value of what begins after a dollar sign, and where it ends."""
        if text.startswith("$", start):
            return "$", start + 1
        if text.startswith("{", start):
            end = _closing(text, start + 1)
            return self._braced(text[start + 1 : end]), end + 1
        match = _NAME.match(text, start)
        if match is None:
            raise BadTemplate(f"`{text[start - 1 : start + 20]}` is no variable; write `$$` for a dollar sign")
        return self._value(match[0]), match.end()

    def _braced(self, inner: str) -> str:
        match = _NAME.match(inner)
        if match is None:
            raise BadTemplate(f"`${{{inner[:40]}}}` names no variable")
        name, rest = match[0], inner[match.end() :]
        if not rest:
            return self._value(name)
        operator = next((one for one in OPERATORS if rest.startswith(one)), None)
        if operator is None:
            raise BadTemplate(f"`${{{inner[:40]}}}` is no variable")
        return self._operated(name, operator, rest[len(operator) :])

    def _operated(self, name: str, operator: str, other: str) -> str:
        value = self.values.get(name)
        is_given = bool(value) if operator.startswith(":") else value is not None
        if operator.endswith("+"):
            return self.fill(other) if is_given else ""
        if is_given:
            return value or ""
        if operator.endswith("?"):
            raise BadTemplate(f"the variable {name} is required{f': {other}' if other else ''}")
        return self.fill(other)

    def _value(self, name: str) -> str:
        if name not in self.values:
            self.missing.add(name)
        return self.values.get(name, "")


def _closing(text: str, start: int) -> int:
    """Where the brace ends that was opened before `start`."""
    depth, position = 1, start
    while position < len(text):
        if text.startswith("${", position):
            depth, position = depth + 1, position + 1
        elif text[position] == "}":
            depth -= 1
            if depth == 0:
                return position
        position += 1
    raise BadTemplate(f"`${{{text[start : start + 20]}` has no end")
