"""Parse Python, one text at a time: CPython 3.11 raises SystemError where two threads make syntax trees at once."""

from __future__ import annotations

import ast
import threading


class Parser:
    """Python's own parser, used by one thread at a time."""

    def __init__(self) -> None:
        self._turn = threading.RLock()

    def parse(self, text: str) -> ast.Module:
        with self._turn:
            return ast.parse(text)


PARSER = Parser()


def parse_python(text: str) -> ast.Module:
    """The syntax tree of a module. Raises SyntaxError, ValueError, RecursionError or MemoryError if there is none."""
    return PARSER.parse(text)
