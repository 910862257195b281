"""What a Dockerfile needs of its builder: BuildKit, arguments. Pure: text in, facts out."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping

BASE = "BASE"
# Instructions whose options only BuildKit knows, and these options.
OPTIONS: Mapping[str, tuple[str, ...]] = {
    "RUN": ("--mount", "--network", "--security"),
    "COPY": ("--chmod", "--link", "--parents", "--exclude"),
    "ADD": ("--chmod", "--link", "--checksum", "--keep-git-dir", "--exclude", "--unpack"),
}
HEREDOC = "heredocs"
_HEREDOC = re.compile(r"\d*<<-?([^<\s]+)")
_ARG = re.compile(r"(\w+)(?:=(.*))?", re.S)


def buildkit_features(text: str) -> tuple[str, ...]:
    """What only BuildKit builds, such as `RUN --mount`; empty if the engine's own builder can build it."""
    found: dict[str, None] = {}
    for name, rest in _instructions(text):
        words = rest.split()
        for word in words:
            option = word.partition("=")[0]
            if not word.startswith("--"):
                break
            if option in OPTIONS.get(name, ()) or (name == "FROM" and "$" in word):
                found[f"{name} {option}"] = None
        if name in OPTIONS and any(map(_HEREDOC.fullmatch, words)):
            found[HEREDOC] = None
    return tuple(found)


def names_frontend(text: str) -> bool:
    """Whether the first comments name the frontend that builds it (`# syntax=`)."""
    for line in text.splitlines():
        match = re.fullmatch(r"\s*#\s*(\w+)\s*=\s*(\S.*)", line)
        if match is None:
            return False
        if match[1].lower() == "syntax":
            return True
    return False


def build_arguments(text: str, base: str, own_default: str, platform: str) -> dict[str, str]:
    """The arguments that Evolve gives a Dockerfile.

    `BASE` is the local base image, if its `ARG` has no default, or the documented one; a task's own default stays. The
    names of the platform are those that BuildKit sets by itself.

    Args:
        own_default: The documented default.
        platform: Such as `linux/amd64`.
    """
    declared = dict(_arguments(text))
    asked = {BASE: base} if declared.get(BASE, "") in (None, own_default) else {}
    system, _, machine = platform.partition("/")
    automatic = {"PLATFORM": platform, "OS": system, "ARCH": machine.partition("/")[0]}
    for side in ("TARGET", "BUILD"):
        asked |= {f"{side}{end}": value for end, value in automatic.items() if declared.get(f"{side}{end}", "") is None}
    return asked


def _arguments(text: str) -> Iterator[tuple[str, str | None]]:
    """The arguments that are declared, with their defaults; of one that is declared twice the first default counts."""
    seen: set[str] = set()
    for name, rest in _instructions(text):
        match = _ARG.match(rest) if name == "ARG" else None
        if match and match[1] not in seen:
            seen.add(match[1])
            yield match[1], None if match[2] is None else _unquoted(match[2])


def _unquoted(value: str) -> str:
    try:
        return " ".join(shlex.split(value))
    except ValueError:
        return value


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    """Each instruction: its name in capitals, and the rest; continued lines are joined, heredocs' bodies left out."""
    escape = "`" if re.match(r"\s*#\s*escape\s*=\s*`", text) else "\\"
    lines, joined = iter(text.splitlines()), ""
    for line in lines:
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        if stripped.endswith(escape):
            joined += f"{stripped[:-1]} "
            continue
        name, _, rest = (joined + stripped).partition(" ")
        joined = ""
        yield name.upper(), rest.strip()
        if name.upper() in OPTIONS:
            for word in filter(_HEREDOC.fullmatch, rest.split()):
                _skip_body(lines, word)


def _skip_body(lines: Iterator[str], word: str) -> None:
    end = word.partition("<<")[2].removeprefix("-").strip("'\"")
    for line in lines:
        if line.strip() == end:
            return
