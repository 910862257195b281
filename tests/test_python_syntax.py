"""Python is parsed by one thread at a time."""

from __future__ import annotations

import ast
import threading
from pathlib import Path

import pytest

import evolve
from evolve.core.python_syntax import parse_python

PACKAGE = Path(evolve.__file__).parent


def test_threads_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    began, may_end, texts = threading.Event(), threading.Event(), list[str]()
    parse = ast.parse

    def slow(text: str) -> ast.Module:
        texts.append(text)
        if text == "first":
            began.set()
            may_end.wait(30)
        return parse(text)

    monkeypatch.setattr(ast, "parse", slow)
    first, second = (threading.Thread(target=parse_python, args=(text,)) for text in ("first", "second"))
    first.start()
    assert began.wait(30)
    second.start()
    second.join(0.1)
    assert second.is_alive() and texts == ["first"]
    may_end.set()
    first.join(30)
    second.join(30)
    assert texts == ["first", "second"]


def test_nothing_else_makes_syntax_trees() -> None:
    files = (file for file in PACKAGE.rglob("*.py") if not file.is_relative_to(PACKAGE / "sandbox" / "files"))
    makers = [file for file in files if any(word in file.read_text() for word in ("ast.parse", "PyCF"))]
    names = {str(file.relative_to(PACKAGE)) for file in makers}
    assert names == {"core/python_syntax.py"}


def test_what_does_not_parse_is_told() -> None:
    with pytest.raises(SyntaxError):
        parse_python("def")
