"""Repositories that others made, read as data: which of their objects are not in the history of HEAD.

Nothing of such a repository but its objects reaches git: they are put into a repository of ours.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from evolve.host.temporary import temporary_folder
from evolve.repo.shell import GitShell

OID = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})")
REF = re.compile(r"refs/[^\s\0]+")
MOST_LINKS = 5
SHOWN = 12


def find_excess(folder: Path) -> dict[str, str]:
    """Say of each repository below `folder` what it holds beyond the history of its HEAD, by path; its objects move.

    folder: files of repositories, as `sandbox.image_files` writes them.
    """
    places = sorted(path.parent for path in folder.rglob("objects") if path.is_dir())
    problems = {f"/{place.relative_to(folder)}": _excess(place) for place in places}
    return {place: problem for place, problem in problems.items() if problem}


def _excess(git_dir: Path) -> str:
    """What a repository holds beyond its HEAD; "" if nothing."""
    if (git_dir / "objects" / "info" / "alternates").exists():
        return "objects of another repository (objects/info/alternates)"
    if (git_dir / "reftable").exists():
        return "refs in a format that can't be read (reftable)"
    files = [git_dir / "HEAD", *sorted(git_dir.glob("worktrees/*/HEAD"))]
    heads = [_resolved(git_dir, _text(file).strip()) for file in files if file.is_file()]
    with temporary_folder("scan") as bare:
        shell = _repository(git_dir, bare, max((len(head) for head in heads), default=0))
        history = _history(shell, heads)
        if history is None:
            return "objects that can't be read"
        return _beyond(shell, history) or _logged(git_dir, history)


def _repository(git_dir: Path, bare: Path, digits: int) -> GitShell:
    """A repository of ours with the objects of another one."""
    form = ("--object-format=sha256",) if digits == 64 else ()
    GitShell(bare).run("init", "--quiet", "--bare", "--template=", *form, str(bare))
    shutil.rmtree(bare / "objects")
    (git_dir / "objects").rename(bare / "objects")
    ends = [line for line in _text(git_dir / "shallow").split() if OID.fullmatch(line)]
    if ends:
        (bare / "shallow").write_text("\n".join(ends) + "\n", encoding="ascii")
    return GitShell(bare, bare)


def _history(shell: GitShell, heads: Iterable[str]) -> set[str] | None:
    """The objects that every HEAD has in its history; None if git can't tell. A HEAD without a commit has none."""
    histories = []
    for head in heads:
        answer = shell.ask("rev-list", "--objects", "--missing=allow-any", head) if head else None
        if answer is not None and answer.status != 0:
            return None
        histories.append({line.split(" ", 1)[0] for line in answer.text.splitlines()} if answer else set())
    return set.intersection(*histories) if histories else set()


def _beyond(shell: GitShell, history: set[str]) -> str:
    answer = shell.ask("cat-file", "--batch-all-objects", "--batch-check=%(objectname) %(objecttype)")
    if answer.status != 0:
        return "objects that can't be read"
    kinds = dict(line.split(" ", 1) for line in answer.text.splitlines())
    more = {oid: kind for oid, kind in kinds.items() if oid not in history}
    tags = [oid for oid, kind in more.items() if kind == "tag"]
    names = "".join(f"{oid}^{{}}\n" for oid in tags).encode()
    peeled = shell.text("cat-file", "--batch-check=%(objectname)", stdin=names).splitlines() if tags else []
    old = {tag for tag, oid in zip(tags, peeled, strict=True) if oid in history}
    beyond = sorted(more.keys() - old, key=lambda oid: (more[oid] != "commit", oid))
    if not beyond:
        return ""
    return f"{len(beyond)} objects that are not in the history of HEAD, such as {more[beyond[0]]} {beyond[0][:SHOWN]}"


def _logged(git_dir: Path, history: set[str]) -> str:
    """Later commits that a reflog names, with their messages."""
    for log in sorted([*git_dir.glob("logs/**/*"), *git_dir.glob("worktrees/*/logs/**/*")]):
        for line in _text(log).splitlines() if log.is_file() else ():
            words = line.split(" ", 2)
            if len(words) == 3 and OID.fullmatch(words[1]) and words[1].strip("0") and words[1] not in history:
                return f"a reflog with later commits ({log.relative_to(git_dir)})"
    return ""


def _resolved(git_dir: Path, value: str) -> str:
    """The commit of a ref's value, which may name another ref; "" if there is none."""
    packed = dict(_packed(git_dir))
    for _ in range(MOST_LINKS):
        if OID.fullmatch(value):
            return value
        name = value.removeprefix("ref: ").strip()
        if not REF.fullmatch(name) or ".." in name:
            return ""
        loose = git_dir / name
        value = _text(loose).strip() if loose.is_file() else packed.get(name, "")
    return ""


def _packed(git_dir: Path) -> Iterator[tuple[str, str]]:
    for line in _text(git_dir / "packed-refs").splitlines():
        oid, _, name = line.partition(" ")
        if OID.fullmatch(oid):
            yield name, oid


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
