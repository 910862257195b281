"""Read a file from a conversation that shows all or part of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_NUMBERED = re.compile(r"^[>*\s]*(\d+)(?:\||:|\t)(.*)$")


@dataclass(frozen=True)
class Shown:
    """A file as last shown, with later edits applied. numbers: the line numbers; None if they were not shown."""

    path: str
    lines: tuple[str, ...]
    numbers: tuple[int, ...] | None = None

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def number(self, index: int) -> int:
        """The line number in the file of the shown line `index`; both count from 1."""
        return self.numbers[index - 1] if self.numbers else index


def same_path(left: str, right: str) -> bool:
    """Whether two paths, absolute or relative, may name the same file."""
    a, b = left.removeprefix("./"), right.removeprefix("./")
    return a == b or a.endswith("/" + b) or b.endswith("/" + a)


def show(path: str, text: str) -> Shown:
    """Read a shown file, plain or with line numbers (`  12| code`)."""
    lines = text.split("\n")
    while len(lines) > 1 and not lines[-1].strip():
        lines.pop()
    matches = [_NUMBERED.match(line) for line in lines]
    if not lines or sum(match is not None for match in matches) * 5 < len(lines) * 4:
        return Shown(path, tuple(lines))
    gap = _gap([match[2] for match in matches if match and match[2].strip()])
    numbers: list[int] = []
    for match in matches:
        numbers.append(int(match[1]) if match else (numbers[-1] if numbers else 0))
    return Shown(path, tuple(match[2][gap:] if match else "..." for match in matches), tuple(numbers))


def _gap(codes: Sequence[str]) -> int:
    """The number of spaces between the line number's separator and the code: 0 or 1."""
    indents = [len(code) - len(code.lstrip(" ")) for code in codes]
    return 1 if indents and min(indents) % 4 == 1 else 0
