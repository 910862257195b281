"""Branches and notes: the only refs in the repository that Evolve writes."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from evolve.core.errors import BadInput
from evolve.core.records import Verdict
from evolve.repo.objects import (
    TREE,
    Entry,
    changed_tree,
    list_level,
    read_blobs,
    readable,
    store_bytes,
    store_commit,
    store_level,
)
from evolve.repo.shell import GitShell

NOTES = "refs/notes/evolve"
STALE_SECONDS = 2.0
ATTEMPTS = 5

_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*")


@dataclass(frozen=True)
class Branch:
    """A branch's name without `refs/heads/`, and the commit that it points to."""

    name: str
    sha: str


def run_prefix(run: str) -> str:
    """Return `evolve/<run>`. Raises BadInput if the run's name can't be part of a branch name."""
    if not _RUN.fullmatch(run) or run.endswith(".lock"):
        raise BadInput(f"run {run!r}", "can't be part of a branch name", "use letters, digits, `-` and `_`")
    return f"evolve/{run}"


def round_branch(run: str, round: int) -> str:
    """Return the branch of a round's candidate, for example `evolve/<run>/round-0042`."""
    return f"{run_prefix(run)}/round-{round:04d}"


def champion_branch(run: str) -> str:
    """Return the branch that points to the run's champion."""
    return f"{run_prefix(run)}/champion"


def read_ref(shell: GitShell, ref: str) -> str | None:
    """Return what a ref (full name) points to; None if it does not exist."""
    answer = shell.ask("rev-parse", "--verify", "--quiet", ref)
    return answer.text if answer.status == 0 else None


def move_ref(shell: GitShell, ref: str, new: str, old: str | None) -> None:
    """Move `ref` to `new` if it still is at `old` (None: if it does not exist).

    Raises:
        BadInput: Another branch is in the way.
        InfraError: The ref has another value.
    """
    if old == new:
        return
    clear_lock(shell, ref)
    answer = shell.ask("update-ref", "-m", "evolve", ref, new, old or "")
    if answer.status == 0 or read_ref(shell, ref) == new:
        return
    if clash := re.search(r"'(refs/heads/[^']+)' exists; cannot create", answer.error):
        name = clash[1].removeprefix("refs/heads/")
        raise BadInput(f"branch {name}", f"is in the way of {ref}", f"rename it: git branch -m {name} {name}-old")
    raise shell.failure(f"{ref} can't be moved to {new[:12]}", answer)


def list_branches(shell: GitShell, prefix: str) -> list[Branch]:
    """Return the branches below `prefix`, sorted by name."""
    form = "%(objectname) %(refname:lstrip=2)"
    lines = shell.text("for-each-ref", f"--format={form}", f"refs/heads/{prefix}/").splitlines()
    return sorted((Branch(*reversed(line.split(" ", 1))) for line in lines), key=lambda branch: branch.name)


def clear_lock(shell: GitShell, ref: str, stale_seconds: float = STALE_SECONDS) -> None:
    """Wait until `ref` is unlocked, and remove its lock once that is older than `stale_seconds`.

    Git locks a ref for milliseconds: an old lock was left by a git process that was killed.
    """
    lock = (shell.git_dir or shell.cwd) / f"{ref}.lock"
    end = time.monotonic() + stale_seconds
    while (age := _age(lock)) is not None:
        if age > stale_seconds or time.monotonic() > end:
            lock.unlink(missing_ok=True)
        time.sleep(0.01)


def _age(file: Path) -> float | None:
    """Return the seconds since the file was written; None if it does not exist."""
    try:
        return time.time() - file.stat().st_mtime
    except (FileNotFoundError, NotADirectoryError):
        return None


def read_note(shell: GitShell, sha: str) -> str:
    """Return the note on a commit; "" if there is none."""
    answer = shell.ask("notes", f"--ref={NOTES}", "show", sha)
    return answer.text if answer.status == 0 else ""


def all_notes(shell: GitShell) -> dict[str, str]:
    """Return all notes by commit."""
    lines = shell.text("notes", f"--ref={NOTES}", "list").splitlines() if read_ref(shell, NOTES) else []
    pairs = [line.split() for line in lines]
    texts = read_blobs(shell, [blob for blob, _ in pairs])
    return {sha: text.decode("utf-8", "replace") for (_, sha), text in zip(pairs, texts, strict=True)}


def stale_locks(shell: GitShell, places: Iterable[str], stale_seconds: float = STALE_SECONDS) -> list[str]:
    """Return the refs below `places` (full names, also of folders) whose lock was left by a killed git process."""
    top = shell.git_dir or shell.cwd
    locks = [path for place in places for path in (top / f"{place}.lock", *(top / place).rglob("*.lock"))]
    old = [path for path in locks if (_age(path) or 0.0) > stale_seconds]
    return sorted({path.relative_to(top).as_posix().removesuffix(".lock") for path in old})


def note_decision(shell: GitShell, run: str, round: int, sha: str, verdict: Verdict, reason: str, when: str) -> None:
    """Write the round's decision as a note on the candidate's commit."""
    facts = {"Evolve-Run": run, "Evolve-Round": str(round), "Evolve-Decision": verdict.value}
    write_note(shell, sha, {**facts, "Evolve-Reason": reason}, when)


def write_note(shell: GitShell, sha: str, facts: Mapping[str, str], when: str) -> None:
    """Replace the note on a commit by `Key: value` lines. Raises InfraError.

    Other runs write notes too, so the ref moves only if it still has the value that was read.
    """
    text = "".join(f"{key}: {' '.join(readable(value).split())}\n" for key, value in facts.items())
    if read_note(shell, sha) == text.removesuffix("\n"):
        return
    (blob,) = store_bytes(shell, [text.encode("utf-8", "replace")])
    for _ in range(ATTEMPTS):
        clear_lock(shell, NOTES)
        old = read_ref(shell, NOTES)
        tree = _tree_with_note(shell, old, sha, blob)
        new = store_commit(shell, tree, old, "Notes added by evolve\n", when)
        answer = shell.ask("update-ref", "-m", "evolve", NOTES, new, old or "")
        if answer.status == 0:
            return
        time.sleep(0.05)
    raise shell.failure(f"the note on {sha[:12]} can't be written: {NOTES} is busy in {shell.git_dir}", answer)


def _tree_with_note(shell: GitShell, old: str | None, sha: str, blob: str) -> str:
    """Store the tree of notes with one more note, in a folder of the first two digits: one of few is written anew.

    To git, both forms of a name mean the same note; earlier versions wrote them without folders.
    """
    folder, name = sha[:2], sha[2:]
    top = {entry.path: entry for entry in list_level(shell, old)} if old else {}
    inner = {entry.path: entry for entry in list_level(shell, f"{old}:{folder}")} if folder in top else {}
    if any(entry.mode == TREE for entry in inner.values()):
        # Git itself has split them further.
        changes = [Entry(f"{folder}/{name[:2]}/{name[2:]}", "0", None), Entry(f"{folder}/{name}", "100644", blob)]
        return changed_tree(shell, old, changes, "0" * len(sha))
    below = store_level(shell, [*(inner | {name: Entry(name, "100644", blob)}).values()])
    top.pop(sha, None)
    return store_level(shell, [*(top | {folder: Entry(folder, TREE, below)}).values()])
