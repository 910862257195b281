"""Check that a file of a known kind parses, and whether two texts of it mean the same."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import yaml

from evolve.core.python_syntax import parse_python
from evolve.guard import lexical

MAX_TOML_LINE = 4_000
MAX_DEPTH = 100
SKILL = "SKILL.md"
# What a skill's front matter must say; agents choose skills by it.
SKILL_KEYS = ("name", "description")

_FRONT = re.compile(r"---[ \t]*\r?\n(.*?)(?:^|\n)---[ \t]*(?:\r?\n|\Z)", re.S)


def problem(path: str, text: str) -> str | None:
    """Why a file does not parse, in one line; None if it does, or if its kind is not known."""
    if "\0" in text:
        return "it has a NUL character, and is no text"
    try:
        _parser(path)(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError, yaml.YAMLError) as error:
        return _one_line(error)
    return None


def means_the_same(path: str, old: str, new: str) -> bool:
    """Whether two texts of a data or text file differ only in what its readers ignore."""
    kind = _kind(path)
    if kind not in _MEANINGS:
        return old == new
    try:
        return bool(_MEANINGS[kind](old) == _MEANINGS[kind](new))
    except (ValueError, RecursionError, yaml.YAMLError):
        return False


def _kind(path: str) -> str:
    name = path.rpartition("/")[2]
    return name.rpartition(".")[2].lower() if "." in name else ""


def _parser(path: str) -> Callable[[str], object]:
    return _skill if path.rpartition("/")[2] == SKILL else _PARSERS.get(_kind(path), str)


def _one_line(error: BaseException) -> str:
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark
        return f"{error.problem or 'not valid YAML'}{f' (line {mark.line + 1})' if mark else ''}"[:200]
    lines = str(error).splitlines()
    return lines[0][:200] if lines else "too deeply nested"


def _toml(text: str) -> dict[str, Any]:
    """Raise ValueError if the text is not valid. The parser's memory is quadratic in a dotted key's length."""
    if any(len(line) > MAX_TOML_LINE for line in text.splitlines()):
        raise ValueError(f"a line has more than {MAX_TOML_LINE} characters")
    return tomllib.loads(text)


def _json(text: str) -> object:
    return json.loads(text, parse_constant=_no_constant)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"`{name}` is not valid JSON")


def _yaml(text: str) -> list[tuple[object, ...]]:
    """What the parser meets, in order. Objects are not made: neither aliases nor tags are followed."""
    return list(_yaml_events(text))


def _yaml_events(text: str) -> Iterator[tuple[object, ...]]:
    depth, anchors = 0, set[str]()
    # libyaml's parser, where PyYAML has it, is many times faster.
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    for event in yaml.parse(text, Loader=loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise ValueError("too deeply nested")
        anchor = getattr(event, "anchor", None)
        if isinstance(event, yaml.DocumentStartEvent):
            anchors.clear()
        elif isinstance(event, yaml.AliasEvent) and anchor not in anchors:
            raise ValueError(f"there is no anchor `{anchor}` before its alias (line {event.start_mark.line + 1})")
        elif anchor:
            anchors.add(anchor)
        yield (type(event).__name__, anchor, *(getattr(event, name, None) for name in ("tag", "implicit", "value")))


def _markdown(text: str) -> list[str]:
    """The words. A front matter, if there is one, must be YAML."""
    if found := _FRONT.match(text):
        _yaml(found[1])
    return text.split()


def _skill(text: str) -> list[str]:
    """The words of a skill, whose front matter must have a name and a description."""
    found = _FRONT.match(text)
    if found is None:
        raise ValueError("a skill begins with a front matter between two lines `---`")
    values = _top_texts(_yaml(found[1]))
    for key in SKILL_KEYS:
        if not (values.get(key) or "").strip():
            raise ValueError(f"its front matter needs a text `{key}`")
    return text.split()


def _top_texts(events: list[tuple[object, ...]]) -> dict[str | None, str | None]:
    """The keys of a YAML mapping with their texts, None for other values. Aliases are not followed."""
    depth, items = 0, list[str | None]()
    if not any(event[0] == "MappingStartEvent" for event in events[2:3]):
        return {}
    for kind, _, _, _, value in events:
        starts, ends = (
            kind in ("MappingStartEvent", "SequenceStartEvent"),
            kind in ("MappingEndEvent", "SequenceEndEvent"),
        )
        depth -= ends
        if depth == 1 and (starts or kind in ("ScalarEvent", "AliasEvent")):
            items.append(str(value) if kind == "ScalarEvent" else None)
        depth += starts
    return dict(zip(items[::2], items[1::2], strict=False))


_PARSERS: dict[str, Callable[[str], object]] = {
    "py": parse_python,
    "toml": _toml,
    "json": _json,
    "yaml": _yaml,
    "yml": _yaml,
    "md": _markdown,
    "js": lexical.check_javascript,
    "mjs": lexical.check_javascript,
    "cjs": lexical.check_javascript,
    "jsx": lexical.check_javascript,
    "ts": lexical.check_javascript,
    "mts": lexical.check_javascript,
    "cts": lexical.check_javascript,
    "tsx": lexical.check_javascript,
    "sh": lexical.check_shell,
    "bash": lexical.check_shell,
}
_MEANINGS: dict[str, Callable[[str], object]] = {
    "toml": _toml,
    "json": _json,
    "yaml": _yaml,
    "yml": _yaml,
    "md": str.split,
    "txt": str.split,
}
