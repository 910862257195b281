"""Idioms that change what the model is shown: outputs, sources, hints, prompts.

Each yields the changed files for each place where it can go, the likeliest first; or nothing.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from random import Random

from evolve.embedded import snippets
from evolve.embedded.rewrite import ahead, swap
from evolve.embedded.slots import (
    Code,
    Edit,
    Part,
    chats,
    edits,
    leftmost,
    merged,
    numbers,
    shown_reads,
    wrapped,
)

Changes = Iterator[dict[str, str]]
Finder = Callable[[Code, Random], Changes]

_CHARS = r"char|output|limit|tail|head|max_len|slice"


def longer_output(code: Code, dice: Random) -> Changes:
    factor = dice.choice((2, 4, 8))
    for number in numbers(code, _CHARS):
        if number.value >= 50:
            yield number.made(code, number.value * factor)


def shorter_output(code: Code, dice: Random) -> Changes:
    factor = dice.choice((2, 3, 4))
    for number in numbers(code, _CHARS):
        if number.value >= 50:
            yield number.made(code, number.value / factor)


def tail_output(code: Code, dice: Random) -> Changes:
    for module in code.modules:
        for part in module.all(ast.Slice):
            if part.upper is not None and part.lower is None and part.step is None:
                bound = module.source(part.upper)
                if not bound.lstrip().startswith("-"):
                    yield code.changed(module, swap(module, part, f"-{bound}:"))


def line_numbers(code: Code, dice: Random) -> Changes:
    parts: list[Part] = [
        (module, [wrapped(module, call, "lines.numbered(", ")")], ("lines",)) for module, call in shown_reads(code)
    ]
    if not parts:
        return
    if "lines.py" in code.files:
        yield merged(code, *parts)
        return
    exact = [part for edit in edits(code) for part in _by_line(code, edit)]
    yield merged(code, *parts, *exact) | {"lines.py": snippets.LINES}


def _by_line(code: Code, edit: Edit) -> Iterator[Part]:
    """The edit's `replace` made to heed a line, which becomes a parameter of the tool."""
    module = edit.module
    names = [arg.arg for arg in edit.function.args.args]
    for call in (node for node in ast.walk(edit.function) if isinstance(node, ast.Call)):
        if isinstance(call.func, ast.Attribute) and call.func.attr == "replace" and "line" not in names:
            text, last = module.source(call.func.value), edit.function.args.args[-1]
            new = f"lines.replace({text}, {edit.old}, {edit.new}, line)"
            end = module.span(last)[1]
            yield module, [swap(module, call, new), (end, end, ", line=None")], ("lines",)
            yield from _schemas(code, edit)
            return


def _schemas(code: Code, edit: Edit) -> Iterator[Part]:
    """The tool's description of its parameters, with one more."""
    for module in code.modules:
        for node in module.all(ast.Dict):
            keys = {key.value: value for key, value in zip(node.keys, node.values, strict=True) if _text(key)}  # type: ignore[union-attr]
            if {edit.old, edit.new} <= keys.keys() and isinstance(keys[edit.new], ast.Dict):
                end = module.span(keys[edit.new])[1]
                words = '"the number of the line where the old text starts"'
                yield module, [(end, end, f', "line": {{"type": "integer", "description": {words}}}')], ()


def _text(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _noted(code: Code, name: str) -> Changes:
    """A note put at the end of the messages that are sent, not of those that are kept."""
    for module, call in chats(code):
        yield code.changed(module, wrapped(module, call.args[0], "", f" + {name}.note()"), imports=(name,))


def show_sources(code: Code, dice: Random) -> Changes:
    text = snippets.SOURCES
    if "lines.py" in code.files:
        text = text.replace("{door.read(path)}", "{lines.numbered(door.read(path))}")
        text = text.replace("import evolve_door as door", "import evolve_door as door\nimport lines")
    if "sources.py" not in code.files:
        for change in _noted(code, "sources"):
            yield change | {"sources.py": text}


def rank_lines(code: Code, dice: Random) -> Changes:
    if "ranked.py" not in code.files:
        for change in _noted(code, "ranked"):
            yield change | {"ranked.py": snippets.RANKED, "rank_lines.py": snippets.RANK_LINES}


def remember_tried(code: Code, dice: Random) -> Changes:
    if "tried.py" in code.files:
        return
    for edit in edits(code):
        add = f"tried.add({edit.path}, {edit.old}, {edit.new})"
        part: Part = (edit.module, [ahead(edit.module, edit.statement, add)], ("tried",))
        for module, call in chats(code):
            note: Part = (module, [wrapped(module, call.args[0], "", " + tried.note()")], ("tried",))
            yield merged(code, part, note) | {"tried.py": snippets.TRIED}


def trim_source(code: Code, dice: Random) -> Changes:
    most = dice.choice((800, 1500, 3000))
    for module, call in shown_reads(code):
        yield code.changed(module, wrapped(module, call, "", f"[:{most}]"))


def forget_history(code: Code, dice: Random) -> Changes:
    room, start = dice.choice((2500, 4000, 6000)), dice.choice((2, 4, 6))
    text = snippets.RECENT.replace("{room}", str(room)).replace("{start}", str(start))
    for module, call in chats(code):
        first = leftmost(call.args[0])
        if "recent.py" not in code.files and isinstance(first, ast.Name):
            change = wrapped(module, first, "recent.part(", ")")
            yield code.changed(module, change, imports=("recent",)) | {"recent.py": text}


def said(*sentences: str) -> Finder:
    """An idiom that adds a sentence to a prompt."""

    def apply(code: Code, dice: Random) -> Changes:
        sentence = dice.choice(sentences)
        prompts = sorted(path for path in code.files if path.endswith(".md"))
        for path in sorted(prompts, key=lambda path: "system" not in path):
            if sentence not in code.files[path]:
                yield {path: f"{code.files[path].rstrip()}\n\n{sentence}\n"}

    return apply


def colder(code: Code, dice: Random) -> Changes:
    for number in numbers(code, "temperature"):
        if number.words == "temperature":
            yield number.made(code, number.value * dice.choice((0.3, 0.5, 0.7)))


def warmer(code: Code, dice: Random) -> Changes:
    for number in numbers(code, "temperature"):
        if number.words == "temperature":
            yield number.made(code, min(2.0, number.value * dice.choice((1.3, 1.6, 2.0))))


plan_first = said(
    "Before you edit, write down what you think the fault is and how you will show it.",
    "First make a plan of at most three steps; then follow it.",
)
exhort = said(
    "Think carefully. This is important, and you can do it.",
    "Please be thorough, and take your time over each step.",
)
persona = said(
    "You are an expert in Python with twenty years of practice in mending old programs.",
    "You are a careful reviewer who distrusts every line of code.",
)
