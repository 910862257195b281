"""Which of a scaffold's files a patch may change, and which ones its proposer reads."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping, Sequence

# Of the files that a patch may change, and of a scaffold that is shown as a whole.
MAX_TOTAL_CHARS = 200_000
SPEC = "scaffold.toml"


def matching(paths: Iterable[str], patterns: Sequence[str]) -> list[str]:
    """The paths that match one of the glob patterns, in which `*` also matches `/`."""
    return [path for path in paths if any(fnmatch.fnmatchcase(path, glob) for glob in patterns)]


def visible_files(files: Mapping[str, str], evolvable: Sequence[str], shown: Sequence[str] | None) -> dict[str, str]:
    """The text files that the proposer reads: what may change, and `shown`.

    Without `shown` these are all files of a scaffold that is small enough.
    """
    rest: Iterable[str] = files if shown is None else matching(files, shown)
    if shown is None and chars(files) > MAX_TOTAL_CHARS:
        rest = ()
    paths = {SPEC, *matching(files, evolvable), *rest}
    return {path: text for path, text in files.items() if path in paths}


def chars(files: Mapping[str, str], patterns: Sequence[str] = ("*",)) -> int:
    """The characters of the text files that match one of the patterns."""
    return sum(len(files[path]) for path in matching(files, patterns))
