"""Whether a patch is of a sound size, parses, and changes what the scaffold does."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Mapping

from evolve.core.records import FileEdit
from evolve.guard.change import Change, bare_strings, mentions, parse_module, printable

MAX_TOTAL_CHARS = 200_000
MAX_ADDED_CHARS = 30_000
MAX_GROWTH = 3.0
MAX_TOML_LINE = 4_000

# Where these words stand, a module's own text or docstrings may be what is used of it.
READS_DOCSTRINGS = ("__doc__", "getdoc", "help")
READS_SOURCES = ("getsource", "getsourcelines", "getcomments")
IMPORTS_BY_NAME = ("importlib", "__import__", "runpy", "pkgutil", "glob", "rglob", "iterdir", "listdir", "exec")


def size_problem(change: Change) -> str | None:
    """Of the whole scaffold; to be asked before anything is parsed."""
    if _chars(change.after) > MAX_TOTAL_CHARS:
        return f"too large: the scaffold would have more than {MAX_TOTAL_CHARS} characters"
    return None


def growth_problem(change: Change) -> str | None:
    """Of one patch: nobody could tell what of so much helped."""
    before, after = _chars(change.before), _chars(change.after)
    if after - before > MAX_ADDED_CHARS and after > MAX_GROWTH * before:
        return f"too large: one patch would make a scaffold of {before} characters one of {after}; take smaller steps"
    return None


def _chars(files: Mapping[str, str]) -> int:
    return sum(map(len, files.values()))


def syntax_problem(edit: FileEdit) -> str | None:
    if edit.text is None:
        return None
    try:
        if edit.path.endswith(".py"):
            ast.parse(edit.text)
        elif edit.path.endswith(".toml"):
            _parse_toml(edit.text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return f"does not parse: {printable(edit.path)}: {_first_line(error)}"
    return None


def _parse_toml(text: str) -> None:
    """Raises ValueError. The parser's memory grows with the square of a dotted key's length."""
    if any(len(line) > MAX_TOML_LINE for line in text.splitlines()):
        raise ValueError(f"a line has more than {MAX_TOML_LINE} characters")
    tomllib.loads(text)


def _first_line(error: BaseException) -> str:
    lines = str(error).splitlines()
    return lines[0][:200] if lines else "too deeply nested"


def effect_problem(change: Change) -> str | None:
    """A patch whose every file does what it did before would be measured for nothing."""
    code = "\n".join(text for path, text in change.after.items() if path.endswith((".py", ".toml")))
    if not change.paths:
        return "no effect: the patch changes nothing"
    if mentions(READS_SOURCES, code):
        return None
    documented = mentions(READS_DOCSTRINGS, code)
    unused = _unused(change)
    if any(path not in unused and not _same(change, path, documented) for path in change.paths):
        return None
    if unused:
        return f"no effect: nothing imports {printable(min(unused))}"
    return "no effect: the patch changes comments, docstrings and blanks only"


def _same(change: Change, path: str, documented: bool) -> bool:
    old, new = change.before.get(path), change.after.get(path)
    if old is None or new is None:
        return False
    if path.endswith(".py"):
        return _meaning(old, documented) == _meaning(new, documented) is not None
    if path.endswith(".toml"):
        return _values(old) == _values(new) is not None
    return path.endswith((".md", ".txt")) and old.split() == new.split()


def _meaning(text: str, documented: bool) -> str | None:
    """What Python makes of a module, without positions and unread docstrings; None where it doesn't parse."""
    module = parse_module(text)
    if module is None:
        return None
    alone = set() if documented else bare_strings(ast.walk(module))
    for node in ast.walk(module):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [  # type: ignore[attr-defined]
                line for line in body if not (isinstance(line, ast.Expr) and id(line.value) in alone)
            ]
    return ast.dump(module)


def _values(text: str) -> dict[str, object] | None:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError):
        return None


def _unused(change: Change) -> set[str]:
    """New modules that no module which was there before leads to."""
    texts = {path: text for path, text in change.after.items() if path.endswith((".py", ".toml"))}
    new = {path for path in texts if path not in change.before and path.endswith(".py")}
    reached = [path for path in texts if path not in new]
    if mentions(IMPORTS_BY_NAME, "\n".join(texts.values())):
        return set()
    while reached:
        text = texts[reached.pop()]
        found = {path for path in new if mentions([_module_name(path)], text)}
        new -= found
        reached += found
    return new


def _module_name(path: str) -> str:
    parts = path.removesuffix(".py").split("/")
    return parts[-2] if parts[-1] == "__init__" and len(parts) > 1 else parts[-1]
