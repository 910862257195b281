"""Patches by hand, read from `tests/guard/`, and the bundled scaffolds that they are made against."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from evolve.core.records import FileEdit, Proposal
from evolve.guard import Vocabulary, refusal
from evolve.suite.tasks import load_suite
from evolve.suite.vocabulary import vocabulary_of

ROOT = Path(__file__).parent.parent
CORPUS = Path(__file__).parent / "guard"
EVOLVABLE = ("*.py", "prompts/*.md", "settings.toml")


@dataclass(frozen=True)
class Entry:
    """One patch: `kind` is what its refusal begins with, empty for an honest one."""

    title: str
    base: str
    kind: str
    edits: tuple[FileEdit, ...]
    held_out: bool


@lru_cache
def scaffold(name: str) -> dict[str, str]:
    """The text files of a bundled scaffold."""
    folder = ROOT / "scaffolds" / name
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and "__pycache__" not in path.parts]
    return {path.relative_to(folder).as_posix(): path.read_text() for path in paths}


@lru_cache
def vocabulary() -> Vocabulary:
    """Of the bundled suite."""
    return vocabulary_of(load_suite(ROOT / "tasks" / "bugfix").tasks)


def entries(kind: str) -> list[Entry]:
    """All of `good` or `bad`."""
    found = []
    for file in sorted((CORPUS / kind).glob("*.toml")):
        for one in tomllib.loads(file.read_text())["patch"]:
            edits = _edits(scaffold(one["base"]), one["edits"], one["title"])
            found.append(Entry(one["title"], one["base"], one.get("kind", ""), edits, file.stem == "held_out"))
    return found


def _edits(files: dict[str, str], changes: list[dict[str, str]], title: str) -> tuple[FileEdit, ...]:
    after: dict[str, str | None] = dict(files)
    for one in changes:
        path, text = one["path"], after.get(one["path"]) or ""
        if one.get("delete"):
            after[path] = None
        elif "old" in one:
            assert text.count(one["old"]) == 1, f"{title}: {one['old']!r} is not once in {path}"
            after[path] = text.replace(one["old"], one["new"])
        else:
            after[path] = text + one["new"].lstrip("\n" if path not in files else "") * int(one.get("times", 1))
    return tuple(FileEdit(path, text) for path, text in after.items() if files.get(path) != text)


@lru_cache
def judged(entry: Entry) -> str | None:
    """The guard's word on a patch."""
    proposal = Proposal("h", "p", entry.edits)
    return refusal(proposal, scaffold(entry.base), EVOLVABLE, vocabulary())
