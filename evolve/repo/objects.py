"""Read and write blobs, trees and commits with git's plumbing commands, and an index in a temporary folder."""

from __future__ import annotations

import hashlib
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from evolve.core.errors import BadInput, InfraError
from evolve.core.escaping import plain
from evolve.host.temporary import temporary_folder
from evolve.repo.patch import path_problem
from evolve.repo.shell import GitShell

MODES = ("100644", "100755")
TREE = "040000"
MAX_FILES = 5_000
SUBJECT_CHARS = 72
MAX_BYTES = 64 * 1024 * 1024

_TRAILER = re.compile(r"([A-Za-z][A-Za-z0-9-]*): (.*)")
# Control characters, and those that make text look like other text: invisible or changing the direction.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]+")
# Lines in which git, or a reader, sees more than text: comments, the end of the message, trailers.
_MEANT = re.compile(r"^(?=#|-{3}|evolve-[\w-]*\s*:|[\w-]+-by\s*:)", re.IGNORECASE | re.MULTILINE)
_CRUD = " .,:;<>\"\\'"


@dataclass(frozen=True)
class Author:
    """The author of a commit: the model's name, and an address."""

    name: str
    email: str = "model@localhost"


@dataclass(frozen=True)
class Entry:
    """One file in a tree. `mode`: as git writes it (`100644`). `oid`: None removes the path."""

    path: str
    mode: str
    oid: str | None
    size: int = 0


def list_tree(shell: GitShell, tree: str) -> list[Entry]:
    """Return all entries below a tree, of any kind, with paths relative to it."""
    lines = shell.run("ls-tree", "-r", "-z", "-l", "--full-tree", tree).split(b"\0")
    return [_entry(line.decode("utf-8", "surrogateescape")) for line in lines if line]


def _entry(line: str) -> Entry:
    facts, _, path = line.partition("\t")
    mode, _, oid, size = facts.split()
    return Entry(path, mode, oid, int(size) if size.isdigit() else 0)


def list_level(shell: GitShell, tree: str) -> list[Entry]:
    """Return the entries of a tree itself, folders included, without their sizes."""
    lines = shell.run("ls-tree", "-z", "--full-tree", tree).decode("utf-8", "surrogateescape").split("\0")
    rows = (line.partition("\t") for line in lines if line)
    return [Entry(path, facts.split()[0], facts.split()[2]) for facts, _, path in rows]


def store_level(shell: GitShell, entries: Iterable[Entry]) -> str:
    """Store a tree of these entries; git sorts them."""
    kinds = {TREE: "tree"}
    lines = (f"{entry.mode} {kinds.get(entry.mode, 'blob')} {entry.oid}\t{entry.path}\0" for entry in entries)
    return shell.text("mktree", "-z", stdin="".join(lines).encode("utf-8", "surrogateescape"))


def check_files(where: str, entries: Sequence[Entry]) -> None:
    """Raise BadInput unless the entries are regular files with usable names, not too many and not too large."""
    for entry in entries:
        if entry.mode not in MODES:
            raise BadInput(f"{where}: {entry.path!r}", "is not a regular file", "replace it with a regular file")
        if problem := path_problem(entry.path):
            raise BadInput(f"{where}: {entry.path!r}", f"the name {problem}", "rename the file, or let git ignore it")
    check_amount(where, len(entries), sum(entry.size for entry in entries))


def check_amount(where: str, files: int, size: int) -> None:
    """Raise BadInput if there are too many files or bytes for a scaffold."""
    if files > MAX_FILES or size > MAX_BYTES:
        problem = f"{files} files with {size} bytes exceed the limit of {MAX_FILES} files or {MAX_BYTES} bytes"
        raise BadInput(where, problem, "keep the scaffold in its own folder, without data")


def read_blobs(shell: GitShell, oids: Sequence[str]) -> list[bytes]:
    """Return the contents of blobs, in the given order. Runs git once."""
    if not oids:
        return []
    out = shell.run("cat-file", "--batch", stdin="".join(f"{oid}\n" for oid in oids).encode())
    contents, at = [], 0
    for oid in oids:
        head, _, _ = out[at : at + 200].partition(b"\n")
        if not (fields := head.split())[-1].isdigit():
            raise InfraError(f"object {oid} can't be read from {shell.git_dir}: {head.decode(errors='replace')}")
        start = at + len(head) + 1
        at = start + int(fields[-1]) + 1
        contents.append(out[start : at - 1])
    return contents


def check_tree(where: str, tree: str, files: Mapping[str, tuple[str, bytes]]) -> None:
    """Raise InfraError unless the files (path to git mode and content) are exactly those of the tree with that id."""
    if _tree_id({tuple(path.split("/")): item for path, item in files.items()}, len(tree)) != tree:
        raise InfraError(f"{where}: the files differ from the tree {tree[:12]}: the repository is damaged")


def _tree_id(files: Mapping[tuple[str, ...], tuple[str, bytes]], digits: int) -> str:
    """Return the id that git gives to a tree of these files. digits: 40 for SHA-1, 64 for SHA-256."""
    rows: dict[bytes, tuple[str, str]] = {}
    inner: dict[str, dict[tuple[str, ...], tuple[str, bytes]]] = {}
    for (first, *rest), (mode, content) in files.items():
        if rest:
            inner.setdefault(first, {})[tuple(rest)] = (mode, content)
        else:
            rows[_raw(first)] = (mode, _object_id(b"blob", content, digits))
    for name, below in inner.items():
        # Git sorts a folder as if its name ended with a slash.
        rows[_raw(name) + b"/"] = ("40000", _tree_id(below, digits))
    lines = [
        mode.encode() + b" " + key.rstrip(b"/") + b"\0" + bytes.fromhex(oid)
        for key, (mode, oid) in sorted(rows.items())
    ]
    return _object_id(b"tree", b"".join(lines), digits)


def _raw(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _object_id(kind: bytes, content: bytes, digits: int) -> str:
    digest = hashlib.sha1(usedforsecurity=False) if digits == 40 else hashlib.sha256()
    digest.update(b"%s %d\0" % (kind, len(content)) + content)
    return digest.hexdigest()


def store_files(shell: GitShell, files: Sequence[Path]) -> list[str]:
    """Store files (absolute paths) as blobs, without filters or line-end conversion, and return their ids."""
    if not files:
        return []
    names = "".join(f"{path}\n" for path in files).encode("utf-8", "surrogateescape")
    return shell.text("hash-object", "-w", "--no-filters", "--stdin-paths", stdin=names).split("\n")


def store_bytes(shell: GitShell, contents: Sequence[bytes]) -> list[str]:
    """Store bytes as blobs and return their ids. Runs git once."""
    with temporary_folder("blobs") as place:
        files = [place / str(number) for number in range(len(contents))]
        for file, content in zip(files, contents, strict=True):
            file.write_bytes(content)
        return store_files(shell, files)


def changed_tree(shell: GitShell, base: str | None, changes: Iterable[Entry], zero: str = "0" * 40) -> str:
    """Store the tree of `base` (None: empty) with entries added or removed. Paths start at the tree's root."""
    lines = [f"{e.mode if e.oid else '0'} {e.oid or zero}\t{e.path}\0" for e in changes]
    with temporary_folder("index") as place:
        env = {"GIT_INDEX_FILE": str(place / "index")}
        shell.run("read-tree", base or "--empty", env=env)
        stdin = "".join(lines).encode("utf-8", "surrogateescape")
        shell.run("update-index", "-z", "--replace", "--index-info", stdin=stdin, env=env)
        return shell.text("write-tree", env=env)


def store_commit(
    shell: GitShell,
    tree: str,
    parent: str | None,
    message: str,
    when: str,
    author: Author | None = None,
    committer: Author | None = None,
) -> str:
    """Store a commit that depends on the arguments alone. when: ISO 8601; without an offset it is UTC."""
    env = {"GIT_AUTHOR_DATE": _git_date(when), "GIT_COMMITTER_DATE": _git_date(when)}
    for role, person in (("AUTHOR", author), ("COMMITTER", committer)):
        if person:
            env[f"GIT_{role}_NAME"] = _ident(person.name) or "model"
            env[f"GIT_{role}_EMAIL"] = _ident(person.email) or "model@localhost"
    parents = ("-p", parent) if parent else ()
    return shell.text("commit-tree", tree, *parents, stdin=message.encode("utf-8", "replace"), env=env)


def _git_date(when: str) -> str:
    moment = datetime.fromisoformat(when)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return f"@{int(moment.timestamp())} +0000"


def _ident(text: str) -> str:
    name = " ".join(readable(re.sub(r"[<>]+", " ", text)).split())
    return name.encode("utf-8", "replace").decode().strip(_CRUD)


def compose_message(title: str, message: str, trailers: Mapping[str, str]) -> str:
    """Compose a commit message: a short first line, the whole message, and the trailers as the last paragraph."""
    body = _MEANT.sub(" ", readable(message).strip())
    first = body.split("\n")[0]
    subject = textwrap.shorten(f"{title}: {first}" if first else title, SUBJECT_CHARS, placeholder="...")
    return commit_message(subject, "" if subject == f"{title}: {body}" else body, trailers)


def commit_message(subject: str, body: str, trailers: Mapping[str, str]) -> str:
    """Compose a commit message of a first line, which is shortened, a text and trailers. No text poses as another."""
    first = textwrap.shorten(" ".join(readable(subject).split()), SUBJECT_CHARS, placeholder="...")
    last = "\n".join(f"{_key(key)}: {' '.join(readable(value).split())}" for key, value in trailers.items())
    parts = (_MEANT.sub(" ", first), _MEANT.sub(" ", readable(body).strip()), last)
    return "\n\n".join(part for part in parts if part) + "\n"


def readable(text: str) -> str:
    """The text without characters that hide, move or turn around other text; lines stay."""
    return plain(_CONTROL.sub(" ", text), lines=True)


def _key(key: str) -> str:
    if not _TRAILER.fullmatch(f"{key}: "):
        raise ValueError(f"not a valid trailer name: {key!r}")
    return key


def parse_trailers(text: str) -> dict[str, str]:
    """Return the trailers in the last paragraph; none if any of its lines is not a trailer."""
    lines = text.rstrip("\n").split("\n\n")[-1].split("\n")
    trailers = [(match[1], match[2]) for line in lines if (match := _TRAILER.fullmatch(line))]
    return dict(trailers) if len(trailers) == len(lines) else {}
