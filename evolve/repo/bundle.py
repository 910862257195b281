"""A run's commits in one git bundle, without what came before its seed; and bundles of strangers, read as data."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evolve.core.errors import BadInput
from evolve.host.temporary import temporary_folder
from evolve.repo.objects import TREE, Entry, read_blobs, store_bytes, store_commit, store_level
from evolve.repo.refs import NOTES, all_notes, list_branches, run_prefix
from evolve.repo.shell import GitShell

HEADS = "refs/heads/"
SIGNATURE = {40: b"# v2 git bundle\n", 64: b"# v3 git bundle\n@object-format=sha256\n"}
REF = re.compile(r"([0-9a-f]{40}|[0-9a-f]{64}) (refs/\S+)")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
EPOCH = "1970-01-01T00:00:00+00:00"
# Bounds of what a bundle may hold when it is unpacked.
MOST_REFS = 200_000
MOST_OBJECTS = 5_000_000
MOST_BYTES_OF_OBJECT = 64 * 1024 * 1024
MOST_BYTES = 8 * 1024 * 1024 * 1024
MOST_PATHS = 200_000
# Git allocates no more at once, and holds no larger object in memory.
BOUNDED = {"GIT_ALLOC_LIMIT": "512m"}
SECONDS = 600.0
# So many objects are read at once.
PART = 500
FIX = "get the file again from whoever made it"


@dataclass(frozen=True)
class Bundled:
    """A bundle as it is written. `outside`: files of the seed's commit that are not in the scaffold's folder."""

    data: bytes
    outside: int


def write_bundle(git_dir: Path, run: str, prefix: str = "") -> Bundled:
    """Bundle the branches of a run with its notes. The history before its seed is left out, as in a shallow clone.

    The same commits and notes give the same bytes. The repository is only read.

    Args:
        prefix: Of the scaffold's folder in the repository.
    """
    git_dir = git_dir.resolve()
    source = GitShell(git_dir, git_dir)
    refs = {f"{HEADS}{branch.name}": branch.sha for branch in list_branches(source, run_prefix(run))}
    with temporary_folder("repository") as bare:
        shell = _empty(bare, _digits(refs.values()))
        (bare / "objects" / "info").mkdir(parents=True, exist_ok=True)
        (bare / "objects" / "info" / "alternates").write_bytes(os.fsencode(f"{(git_dir / 'objects').resolve()}\n"))
        _cut(shell, refs.values())
        _set_refs(shell, refs)
        outside = _outside(shell, refs.values(), prefix)
        if noted := _store_notes(shell, source, set(refs.values())):
            refs[NOTES] = noted
        return Bundled(_header(refs) + _packed(shell, refs.values()), outside)


def bundle_contents(data: bytes) -> Iterator[bytes]:
    """The contents of all objects of a bundle that was written here, for a search."""
    refs, pack = _parse(data)
    with temporary_folder("repository") as bare:
        shell = _empty(bare, _digits(refs.values()))
        shell.run("index-pack", "--stdin", stdin=pack)
        oids = shell.text("cat-file", "--batch-all-objects", "--batch-check=%(objectname)").split()
        for start in range(0, len(oids), PART):
            yield from read_blobs(shell, oids[start : start + PART])


def unpack_bundle(data: bytes, run: str, bare: Path) -> None:
    """Make a repository of a bundle of unknown origin: of its objects, branches and notes, and nothing else.

    Args:
        bare: A folder that is empty.

    Raises:
        BadInput: It is no bundle of this run, it is damaged, or it would unpack to more than any run needs.
    """
    refs, pack = _parse(data)
    for ref in refs:
        name = ref.removeprefix(f"{HEADS}{run_prefix(run)}/")
        if ref != NOTES and not NAME.fullmatch(name):
            raise _refusal(f"holds the ref {ref!r}, which is none of run {run}")
    shell = _empty(bare, _digits(refs.values()))
    _index(shell, pack)
    _check_sizes(shell)
    _check_paths(shell)
    if lacking := _lacking(shell, refs.values()):
        raise _refusal(f"lacks the commit {lacking[0]}")
    _cut(shell, (sha for ref, sha in refs.items() if ref != NOTES))
    _set_refs(shell, refs)
    answer = shell.ask("rev-list", "--objects", "--all", "--quiet", env=BOUNDED, seconds=SECONDS)
    if answer.status != 0:
        raise _refusal(f"lacks objects of its commits: {' '.join(answer.error.split())}")


def _digits(shas: Iterable[str]) -> int:
    return max((len(sha) for sha in shas), default=40)


def _empty(bare: Path, digits: int) -> GitShell:
    form, bare = ("--object-format=sha256",) if digits == 64 else (), bare.resolve()
    GitShell(bare).run("init", "--quiet", "--bare", "--template=", "--initial-branch=main", *form, str(bare))
    return GitShell(bare, bare)


def _set_refs(shell: GitShell, refs: Mapping[str, str]) -> None:
    shell.run("update-ref", "--stdin", stdin="".join(f"create {ref} {sha}\n" for ref, sha in refs.items()).encode())


def _cut(shell: GitShell, shas: Iterable[str]) -> None:
    """Let history begin at those of the commits whose parent is none of them."""
    commits = sorted(set(shas))
    own, ends = set(commits), []
    for start in range(0, len(commits), PART):
        part = commits[start : start + PART]
        for sha, raw in zip(part, read_blobs(shell, part), strict=True):
            head = raw.partition(b"\n\n")[0].decode("utf-8", "replace").splitlines()
            parents = {line.removeprefix("parent ") for line in head if line.startswith("parent ")}
            ends += [sha] if parents - own else []
    if ends:
        (shell.cwd / "shallow").write_text("".join(f"{sha}\n" for sha in ends), encoding="ascii")


def _store_notes(shell: GitShell, source: GitShell, commits: set[str]) -> str | None:
    """Store the notes on these commits alone; the commit that holds them, None without any."""
    notes = {sha: text for sha, text in sorted(all_notes(source).items()) if sha in commits}
    if not notes:
        return None
    blobs = store_bytes(shell, [text.encode("utf-8", "surrogateescape") for text in notes.values()])
    folders: dict[str, list[Entry]] = {}
    for sha, blob in zip(notes, blobs, strict=True):
        folders.setdefault(sha[:2], []).append(Entry(sha[2:], "100644", blob))
    top = [Entry(name, TREE, store_level(shell, entries)) for name, entries in folders.items()]
    commit = store_commit(shell, store_level(shell, top), None, "Notes added by evolve\n", EPOCH)
    shell.run("update-ref", NOTES, commit)
    return commit


def _packed(shell: GitShell, shas: Iterable[str]) -> bytes:
    """A pack of all objects of these commits, which is always the same: nothing of an earlier pack is taken over."""
    names = "".join(f"{sha}\n" for sha in sorted(set(shas))).encode()
    listed = shell.ask("rev-list", "--objects", "--stdin", stdin=names, seconds=SECONDS)
    if listed.status != 0:
        raise shell.failure("the commits of the run can't be listed", listed)
    options = ("--stdout", "--quiet", "--threads=1", "--no-reuse-delta", "--no-reuse-object", "--window=10")
    packed = shell.ask("pack-objects", *options, stdin=listed.out, seconds=SECONDS)
    if packed.status != 0:
        raise shell.failure("the commits of the run can't be packed", packed)
    return packed.out


def _outside(shell: GitShell, shas: Iterable[str], prefix: str) -> int:
    """How many files outside of the scaffold's folder the commits hold: the same in all, so of one of them."""
    sha = min(shas, default=None)
    if sha is None or not prefix:
        return 0
    paths = shell.text("ls-tree", "-r", "-z", "--name-only", "--full-tree", sha).split("\0")
    return sum(bool(path) and not path.startswith(f"{prefix}/") for path in paths)


def _header(refs: Mapping[str, str]) -> bytes:
    lines = "".join(f"{sha} {ref}\n" for ref, sha in sorted(refs.items()))
    return SIGNATURE[_digits(refs.values())] + lines.encode() + b"\n"


def _parse(data: bytes) -> tuple[dict[str, str], bytes]:
    """The refs of a bundle, and its pack. Raises BadInput."""
    start = next((mark for mark in SIGNATURE.values() if data.startswith(mark)), None)
    end = data.find(b"\n\nPACK")
    if start is None or end < 0:
        raise _refusal("is no git bundle")
    lines = data[len(start) : end].decode("utf-8", "replace").split("\n")
    found = [REF.fullmatch(line) for line in lines]
    refs = {match[2]: match[1] for match in found if match}
    if len(refs) != len(lines) or len(refs) > MOST_REFS or len({len(sha) for sha in refs.values()}) != 1:
        raise _refusal("has a header that is none of Evolve's")
    return refs, data[end + 2 :]


def _index(shell: GitShell, pack: bytes) -> None:
    """Store the objects of a pack; git computes each id from the content. Raises BadInput."""
    options = ("-c", f"core.bigFileThreshold={MOST_BYTES_OF_OBJECT}")
    answer = shell.ask(*options, "index-pack", "--stdin", "--fsck-objects", stdin=pack, env=BOUNDED, seconds=SECONDS)
    if answer.status != 0:
        raise _refusal(f"its objects can't be read: {' '.join(answer.error.split())[:200]}")


def _check_sizes(shell: GitShell) -> None:
    """Raise BadInput if there are too many objects, too large ones or too many bytes in all."""
    form = "--batch-check=%(objecttype) %(objectsize)"
    rows = [line.split() for line in shell.text("cat-file", "--batch-all-objects", form).splitlines()]
    sizes = [int(size) for _, size in rows]
    if len(sizes) > MOST_OBJECTS or max(sizes, default=0) > MOST_BYTES_OF_OBJECT or sum(sizes) > MOST_BYTES:
        raise _refusal(f"unpacks to {len(sizes)} objects of {sum(sizes)} bytes, the largest of {max(sizes)}")


def _check_paths(shell: GitShell) -> None:
    """Raise BadInput if a tree holds more paths than any scaffold: folders that hold one another have many of few."""
    form = "--batch-check=%(objectname) %(objecttype)"
    kinds = [line.split() for line in shell.text("cat-file", "--batch-all-objects", form).splitlines()]
    trees = [oid for oid, kind in kinds if kind == "tree"]
    below: dict[str, list[str | None]] = {}
    for start in range(0, len(trees), PART):
        part = trees[start : start + PART]
        below |= {oid: _entries(raw, len(oid) // 2) for oid, raw in zip(part, read_blobs(shell, part), strict=True)}
    counts: dict[str, int] = {}
    for oid in trees:
        if _count(oid, below, counts) > MOST_PATHS:
            raise _refusal(f"has a folder of more than {MOST_PATHS} files")


def _entries(raw: bytes, size: int) -> list[str | None]:
    """The folders in a tree by their ids, and None for each file."""
    entries: list[str | None] = []
    at = 0
    while (end := raw.find(b"\0", at)) >= 0:
        oid = raw[end + 1 : end + 1 + size].hex()
        entries.append(oid if raw[at:end].startswith((b"40000 ", b"040000 ")) else None)
        at = end + 1 + size
    return entries


def _count(oid: str, below: Mapping[str, Sequence[str | None]], counts: dict[str, int]) -> int:
    """How many files a tree holds, at most one more than allowed. A tree can't hold itself: its id depends on it."""
    waiting = [oid]
    while waiting:
        current = waiting[-1]
        inner = [one for one in below.get(current, ()) if one is not None]
        if unknown := [one for one in inner if one not in counts and one in below]:
            waiting += unknown
            continue
        files = len(below.get(current, ())) - len(inner)
        counts[current] = min(files + sum(counts.get(one, 0) for one in inner), MOST_PATHS + 1)
        waiting.pop()
    return counts[oid]


def _lacking(shell: GitShell, shas: Iterable[str]) -> list[str]:
    """Those of the ids that are no commits of the repository."""
    wanted = sorted(set(shas))
    names = "".join(f"{sha}\n" for sha in wanted).encode()
    lines = shell.text("cat-file", "--batch-check=%(objecttype)", stdin=names).splitlines()
    return [sha for sha, kind in zip(wanted, lines, strict=True) if kind != "commit"]


def _refusal(problem: str) -> BadInput:
    return BadInput("lineage.bundle", problem, FIX)
