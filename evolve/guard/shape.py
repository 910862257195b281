"""Check that a patch is not too large, parses, and changes what the scaffold does."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from evolve.core.records import FileEdit
from evolve.guard import syntax
from evolve.guard.change import Change, bare_strings, mentions, parse_module, printable
from evolve.guard.visible import MAX_TOTAL_CHARS, chars

MAX_ADDED_CHARS = 30_000
MAX_GROWTH = 3.0

# Code with these words may use a module's docstrings or source text.
READS_DOCSTRINGS = ("__doc__", "getdoc", "help")
READS_SOURCES = ("getsource", "getsourcelines", "getcomments")
IMPORTS_BY_NAME = ("importlib", "__import__", "runpy", "pkgutil", "glob", "rglob", "iterdir", "listdir", "exec")


def size_problem(change: Change, evolvable: Sequence[str]) -> str | None:
    """Check the size of what a patch may change. Call it before parsing anything."""
    if chars(change.after, evolvable) > MAX_TOTAL_CHARS:
        return f"too large: the files that may change would have more than {MAX_TOTAL_CHARS} characters"
    return None


def growth_problem(change: Change, evolvable: Sequence[str]) -> str | None:
    """Check the size of one patch: nobody could see which part of a very large one helped."""
    before, after = chars(change.before, evolvable), chars(change.after, evolvable)
    if after - before > MAX_ADDED_CHARS and after > MAX_GROWTH * before:
        return f"too large: one patch grows the scaffold from {before} to {after} characters; propose a smaller change"
    return None


def syntax_problem(edit: FileEdit, before: str | None) -> str | None:
    """Check that an edited file of a known kind parses, unless it did not before: it may be in a dialect."""
    if edit.text is None or (reason := syntax.problem(edit.path, edit.text)) is None:
        return None
    if before is not None and syntax.problem(edit.path, before) is not None:
        return None
    return f"does not parse: {printable(edit.path)}: {reason}"


def effect_problem(change: Change) -> str | None:
    """Check that a changed file does something else than before: otherwise the trials would be wasted."""
    code = "\n".join(text for path, text in change.after.items() if path.endswith((".py", ".toml")))
    if not change.paths:
        return "no effect: the patch changes nothing"
    if mentions(READS_SOURCES, code):
        return None
    documented = mentions(READS_DOCSTRINGS, code)
    unused = _unused(change)
    if any(path not in unused and not _is_equivalent(change, path, documented) for path in change.paths):
        return None
    if unused:
        return f"no effect: nothing imports {printable(min(unused))}"
    return "no effect: the patch changes only comments, docstrings and whitespace"


def _is_equivalent(change: Change, path: str, documented: bool) -> bool:
    old, new = change.before.get(path), change.after.get(path)
    if old is None or new is None:
        return False
    if path.endswith(".py"):
        return _normal_form(old, documented) == _normal_form(new, documented) is not None
    return syntax.means_the_same(path, old, new)


def _normal_form(text: str, documented: bool) -> str | None:
    """Dump a module's syntax tree without positions and unused docstrings; None if it does not parse."""
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


def _unused(change: Change) -> set[str]:
    """Return the new modules that no existing module leads to."""
    texts = {path: text for path, text in change.after.items() if path.endswith((".py", ".toml"))}
    new = {path for path in texts if path not in change.before and path.endswith(".py")}
    reached = [path for path in texts if path not in new]
    if mentions(IMPORTS_BY_NAME, "\n".join(texts.values())):
        return set()
    while reached:
        text = texts[reached.pop()]
        mentioned = {path for path in new if mentions([_module_name(path)], text)}
        new -= mentioned
        reached += mentioned
    return new


def _module_name(path: str) -> str:
    parts = path.removesuffix(".py").split("/")
    return parts[-2] if parts[-1] == "__init__" and len(parts) > 1 else parts[-1]
