"""Where an import comes from: commit, address, licence and digest of a source on disk."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from evolve.core.errors import BadInput, InfraError
from evolve.repo.shell import GitShell

LICENCE_FILES = re.compile(r"(licen[cs]e|copying|unlicense)(\.(md|txt|rst))?", re.IGNORECASE)
# Sentences by which a licence's text is recognised, and its SPDX name; the first match counts.
KNOWN = (
    ("apache license version 2.0", "Apache-2.0"),
    ("gnu affero general public license version 3", "AGPL-3.0"),
    ("gnu lesser general public license", "LGPL"),
    ("gnu general public license version 3", "GPL-3.0"),
    ("gnu general public license version 2", "GPL-2.0"),
    ("mozilla public license version 2.0", "MPL-2.0"),
    ("attribution-sharealike 4.0", "CC-BY-SA-4.0"),
    ("attribution 4.0 international", "CC-BY-4.0"),
    ("neither the name", "BSD-3-Clause"),
    ("redistribution and use in source and binary forms", "BSD-2-Clause"),
    ("permission is hereby granted, free of charge, to any person obtaining a copy", "MIT"),
)
MAX_LICENCE_BYTES = 200_000
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Licence:
    """The licence of a source: its SPDX name or `unknown`, and its text, if there is a file with it."""

    name: str = UNKNOWN
    text: bytes = b""


@dataclass(frozen=True)
class Origin:
    """What identifies a source. name: its file or folder; sha256: of all it holds; url, commit: of its repository."""

    name: str
    sha256: str
    url: str
    commit: str
    licence: Licence


def origin_of(source: Path, licence: str = "") -> Origin:
    """Describe a source. licence: what the user says about it."""
    url, commit = _repository(source if source.is_dir() else source.parent)
    found = _licence(source) if source.is_dir() else Licence()
    said = Licence(licence or found.name, found.text)
    return Origin(source.resolve().name, source_digest(source), url, commit, said)


def source_digest(source: Path) -> str:
    """The sha256 of a file's content; of a folder, of the names and contents of its files, without git's."""
    if source.is_file():
        return _file_digest(source)
    total = hashlib.sha256()
    for top, folders, files in os.walk(source):
        folders[:] = sorted(name for name in folders if name not in (".git", "__pycache__"))
        for path in (Path(top) / name for name in sorted(files)):
            total.update(path.relative_to(source).as_posix().encode(errors="surrogateescape") + b"\0")
            total.update(_entry_digest(path).encode())
    return total.hexdigest()


def _entry_digest(path: Path) -> str:
    """Of a link its target as text, and nothing of what is no file."""
    if path.is_symlink():
        return f"link {os.readlink(path)}".encode(errors="surrogateescape").hex()
    return _file_digest(path) if path.is_file() else ""


def _file_digest(path: Path) -> str:
    try:
        with path.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise BadInput(str(path), f"can't be read: {error.strerror}", "make it readable") from error


def _licence(folder: Path) -> Licence:
    """The licence file of a folder, or of the repository around it."""
    for place in (folder.resolve(), *_up_to_repository(folder.resolve())):
        for path in sorted(place.iterdir()):
            is_small = path.is_file() and not path.is_symlink() and path.stat().st_size <= MAX_LICENCE_BYTES
            if LICENCE_FILES.fullmatch(path.name) and is_small:
                text = path.read_bytes()
                return Licence(licence_name(text.decode(errors="replace")), text)
    return Licence()


def _up_to_repository(folder: Path) -> list[Path]:
    """The folders above one, up to the top of its git repository; none if it is in no repository."""
    above = list(folder.parents)
    tops = [number for number, place in enumerate([folder, *above]) if (place / ".git").exists()]
    return above[: tops[0]] if tops else []


def licence_name(text: str) -> str:
    """The SPDX name of a licence's text, if it is a known one."""
    plain = " ".join(re.sub(r"[*#,]", " ", text.lower()).split())
    needles = ((" ".join(sentence.replace(",", " ").split()), name) for sentence, name in KNOWN)
    return next((name for sentence, name in needles if sentence in plain), UNKNOWN)


def _repository(folder: Path) -> tuple[str, str]:
    """The address and commit of the git repository around a folder; empty texts if there is none."""
    shell = GitShell(folder)
    try:
        commit, url = shell.ask("rev-parse", "HEAD"), shell.ask("config", "--get", "remote.origin.url")
    except InfraError:
        return "", ""
    return (without_password(url.text) if url.status == 0 else ""), (commit.text if commit.status == 0 else "")


def without_password(url: str) -> str:
    """An address without user and password; a path on this machine says nothing to others and is left out."""
    parts = urlsplit(url)
    if parts.scheme in ("http", "https", "ssh", "git") and parts.hostname:
        return f"{parts.scheme}://{parts.hostname}{parts.path}"
    return url if re.fullmatch(r"[\w.-]+@[\w.-]+:[\w./~-]+", url) else ""
