"""Idioms that change what the model sees: outputs, sources, hints, prompts.

Each yields the changed files for every place where it applies, the likeliest place first.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from random import Random

from evolve.embedded import snippets
from evolve.embedded.rewrite import insert_before, replace_node
from evolve.embedded.slots import (
    Code,
    Edit,
    Part,
    chat_calls,
    edits,
    leftmost,
    merge,
    numbers,
    shown_reads,
    wrap,
)

Changes = Iterator[dict[str, str]]
Finder = Callable[[Code, Random], Changes]

_CHARS = r"char|output|limit|tail|head|max_len|slice"


def longer_output(code: Code, dice: Random) -> Changes:
    factor = dice.choice((2, 4, 8))
    for number in numbers(code, _CHARS):
        if number.value >= 50:
            yield number.with_value(code, number.value * factor)


def shorter_output(code: Code, dice: Random) -> Changes:
    factor = dice.choice((2, 3, 4))
    for number in numbers(code, _CHARS):
        if number.value >= 50:
            yield number.with_value(code, number.value / factor)


def tail_output(code: Code, dice: Random) -> Changes:
    for module in code.modules:
        for part in module.nodes(ast.Slice):
            if part.upper is not None and part.lower is None and part.step is None:
                bound = module.source(part.upper)
                if not bound.lstrip().startswith("-"):
                    yield code.with_changes(module, replace_node(module, part, f"-{bound}:"))


def line_numbers(code: Code, dice: Random) -> Changes:
    parts: list[Part] = [
        (module, [wrap(module, call, "lines.numbered(", ")")], ("lines",)) for module, call in shown_reads(code)
    ]
    if not parts:
        return
    if "lines.py" in code.files:
        yield merge(code, *parts)
        return
    exact = [part for edit in edits(code) for part in _by_line(code, edit)]
    yield merge(code, *parts, *exact) | {"lines.py": snippets.LINES}


def _by_line(code: Code, edit: Edit) -> Iterator[Part]:
    """Make the edit's `replace` respect a line number, a new parameter of the tool."""
    module = edit.module
    names = [arg.arg for arg in edit.function.args.args]
    for call in (node for node in ast.walk(edit.function) if isinstance(node, ast.Call)):
        if isinstance(call.func, ast.Attribute) and call.func.attr == "replace" and "line" not in names:
            text, last = module.source(call.func.value), edit.function.args.args[-1]
            new = f"lines.replace({text}, {edit.old}, {edit.new}, line)"
            end = module.span(last)[1]
            yield module, [replace_node(module, call, new), (end, end, ", line=None")], ("lines",)
            yield from _schemas(code, edit)
            return


def _schemas(code: Code, edit: Edit) -> Iterator[Part]:
    """Add the line to the tool's parameter schema."""
    for module in code.modules:
        for node in module.nodes(ast.Dict):
            keys = {key.value: value for key, value in zip(node.keys, node.values, strict=True) if _is_string(key)}  # type: ignore[union-attr]
            if {edit.old, edit.new} <= keys.keys() and isinstance(keys[edit.new], ast.Dict):
                end = module.span(keys[edit.new])[1]
                description = '"the number of the line where the old text starts"'
                yield module, [(end, end, f', "line": {{"type": "integer", "description": {description}}}')], ()


def _is_string(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _append_note(code: Code, name: str) -> Changes:
    """Append a note to the messages that are sent, but not to those that are kept."""
    for module, call in chat_calls(code):
        yield code.with_changes(module, wrap(module, call.args[0], "", f" + {name}.note()"), imports=(name,))


def show_sources(code: Code, dice: Random) -> Changes:
    text = snippets.SOURCES
    if "lines.py" in code.files:
        text = text.replace("{door.read(path)}", "{lines.numbered(door.read(path))}")
        text = text.replace("import evolve_door as door", "import evolve_door as door\nimport lines")
    if "sources.py" not in code.files:
        for change in _append_note(code, "sources"):
            yield change | {"sources.py": text}


def rank_lines(code: Code, dice: Random) -> Changes:
    if "ranked.py" not in code.files:
        for change in _append_note(code, "ranked"):
            yield change | {"ranked.py": snippets.RANKED, "rank_lines.py": snippets.RANK_LINES}


def remember_tried(code: Code, dice: Random) -> Changes:
    if "tried.py" in code.files:
        return
    for edit in edits(code):
        add = f"tried.add({edit.path}, {edit.old}, {edit.new})"
        part: Part = (edit.module, [insert_before(edit.module, edit.statement, add)], ("tried",))
        for module, call in chat_calls(code):
            note: Part = (module, [wrap(module, call.args[0], "", " + tried.note()")], ("tried",))
            yield merge(code, part, note) | {"tried.py": snippets.TRIED}


def trim_source(code: Code, dice: Random) -> Changes:
    max_chars = dice.choice((800, 1500, 3000))
    for module, call in shown_reads(code):
        yield code.with_changes(module, wrap(module, call, "", f"[:{max_chars}]"))


def forget_history(code: Code, dice: Random) -> Changes:
    room, start = dice.choice((2500, 4000, 6000)), dice.choice((2, 4, 6))
    text = snippets.RECENT.replace("{room}", str(room)).replace("{start}", str(start))
    for module, call in chat_calls(code):
        first = leftmost(call.args[0])
        if "recent.py" not in code.files and isinstance(first, ast.Name):
            change = wrap(module, first, "recent.part(", ")")
            yield code.with_changes(module, change, imports=("recent",)) | {"recent.py": text}


def prompt_sentence(*sentences: str) -> Finder:
    """Build an idiom that appends one of the sentences to a prompt."""

    def apply(code: Code, dice: Random) -> Changes:
        sentence = dice.choice(sentences)
        prompts = sorted(path for path in code.files if path.endswith(".md"))
        for path in sorted(prompts, key=lambda path: "system" not in path):
            if sentence not in code.files[path]:
                yield {path: f"{code.files[path].rstrip()}\n\n{sentence}\n"}

    return apply


def colder(code: Code, dice: Random) -> Changes:
    for number in numbers(code, "temperature"):
        if number.label == "temperature":
            yield number.with_value(code, number.value * dice.choice((0.3, 0.5, 0.7)))


def warmer(code: Code, dice: Random) -> Changes:
    for number in numbers(code, "temperature"):
        if number.label == "temperature":
            yield number.with_value(code, min(2.0, number.value * dice.choice((1.3, 1.6, 2.0))))


plan_first = prompt_sentence(
    "Before you edit, write down what you think the fault is and how you will show it.",
    "First make a plan of at most three steps; then follow it.",
)
exhort = prompt_sentence(
    "Think carefully. This is important, and you can do it.",
    "Please be thorough, and take your time over each step.",
)
persona = prompt_sentence(
    "You are an expert in Python with twenty years of practice in mending old programs.",
    "You are a careful reviewer who distrusts every line of code.",
)
